"""Cells of plain lines of text: names as runs, and numbers exactly as Python would read them.

In plain lines every row has all its fields, quotes stand around whole fields, and nothing is a comment.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import pandas as pd

from mtjfit.data.curve import FloatArray
from mtjfit.data.format import TableFormat
from mtjfit.data.tidy import Header, parse_number
from mtjfit.wafer.block import Runs

__all__ = ["numbers_in", "runs_of"]

_OLD = tuple(map(int, pd.__version__.split(".")[:2])) < (3, 1)  # does not round correctly, unless asked to


def runs_of(data: bytes, form: TableFormat, header: Header, places: Sequence[int]) -> dict[int, Runs]:
    """Columns of plain lines as runs of equal cells, by place of the column; without spaces at the ends."""
    found: dict[int, Runs] = {}
    if not places:
        return found
    table = _table(data, form, header, places, object)
    for place in places:
        cells = table[place].to_numpy()
        start = np.flatnonzero(np.append(True, cells[1:] != cells[:-1]))
        found[place] = Runs(start, [text.strip() for text in cells[start].tolist()])
    return found


def numbers_in(
    data: bytes, form: TableFormat, header: Header, places: Sequence[int]
) -> tuple[dict[int, FloatArray], list[tuple[int, int, str, str]]]:
    """Numbers of some columns of plain lines, exactly those that Python reads from the same text.

    Returns
    -------
    dict of int to ndarray, shape (n,)
        By place of the column; NaN where there is no number.
    list of tuple
        Row, place, fault and remedy of each of those.

    Examples
    --------
    >>> values, faults = numbers_in(b"A,1.5\\nA,x\\n", TableFormat(), Header(1, ("device", "V"), ",", {}), [1])
    >>> values[1].tolist(), faults[0][:3]
    ([1.5, nan], (1, 1, "'x' is not a number"))
    """
    table, found, faults = _table(data, form, header, places), {}, []
    for place in places:
        values = table[place].to_numpy()
        if values.dtype.kind in "iuf" and np.isfinite(values).all():
            found[place] = values.astype(float)
            continue
        cells = _table(data, form, header, [place], object)[place].tolist()
        read = {text: parse_number(text.strip(), form.decimal) for text in set(cells)}
        found[place] = np.array([read[text][0] for text in cells])
        faults += [(row, place, *fault) for row, text in enumerate(cells) if (fault := read[text][1]) is not None]
    return found, faults


def _table(
    data: bytes, form: TableFormat, header: Header, places: Sequence[int], dtype: type | None = None
) -> pd.DataFrame:
    """Some columns of plain lines; without a type, those in which everything is a number become numbers."""
    return pd.read_csv(
        io.BytesIO(data), sep=header.separator, header=None, names=range(len(header.names)), usecols=list(places),
        index_col=False, dtype=dtype, na_filter=False, skipinitialspace=True, skip_blank_lines=False,
        decimal=form.decimal, encoding=form.encoding, low_memory=False, float_precision="round_trip" if _OLD else None,
    )  # fmt: skip
