"""Numbers and tables for programs: strict JSON, written and read, and CSV that no spreadsheet runs."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

import numpy as np

from mtjfit.errors import DataError, Problem, ProblemLog
from mtjfit.input import read_bytes
from mtjfit.text import counted, some, visible

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")
ExactNumber: TypeAlias = float | Literal["inf", "-inf"] | None
"""A number as JSON holds it to the last bit, None for NaN; `numpy.array` and `exact_number` take it back."""

_MOST_BYTES = 10**8
_AS_WRITTEN = "give the table as mtjfit wrote it"
_FORMULA = ("=", "+", "-", "@")
_NUMBER = re.compile(r"-(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?( ± [\d.]+)?")


def harmless(text: str) -> str:
    """Text that a spreadsheet would not run as a formula; names of devices come from files.

    >>> harmless("=1+1"), harmless("A1"), harmless("a\\nb")
    ("'=1+1", 'A1', 'a b')
    """
    shown = text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)
    return "'" + shown if shown.lstrip().startswith(_FORMULA) else shown


def csv_bytes(frame: pd.DataFrame, comment: str = "", *, index: bool = True) -> bytes:
    """UTF-8 CSV with all digits, the same on every platform, under a comment line if one is given.

    Names of rows and texts in cells cannot run as formulas; a printed negative number in a cell stays one.

    >>> import pandas as pd
    >>> csv_bytes(pd.DataFrame({"ln Z": ["=1+1", "-5278.05"]}, index=pd.Index(["a", "-1"], name="model")))
    b"model,ln Z\\na,'=1+1\\n'-1,-5278.05\\n"
    """
    import pandas as pd

    safe = frame.copy()
    safe.index = pd.Index(
        [harmless(name) if isinstance(name, str) else name for name in frame.index], name=frame.index.name, dtype=object
    )
    for name in safe.columns:
        if not pd.api.types.is_numeric_dtype(safe[name]):
            safe[name] = pd.Series([_cell(value) for value in safe[name]], index=safe.index, dtype=object)
    above = f"# {visible(comment)}\n" if comment else ""
    return (above + str(safe.to_csv(index=index, lineterminator="\n"))).encode()


def csv_frame(path: str | Path, name: str, needed: Collection[str], texts: Collection[str]) -> pd.DataFrame:
    """A table that `csv_bytes` wrote, the index as a column: numbers to the last digit, texts as they were.

    Columns of `texts` hold text whatever it looks like; others hold truth values, or numbers, NaN in empty cells.
    DataError, with the line, for anything else, and for a table without the columns that the file `name` has.
    """
    import pandas as pd

    log = ProblemLog(str(path))
    try:
        text = read_bytes(Path(path), str(path), _MOST_BYTES).decode()
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        lines = [(reader.line_num, cells) for cells in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError([Problem(str(path), f"is no CSV: {error}", _AS_WRITTEN)]) from None
    names, rows = (lines[0][1], lines[1:]) if lines else ([], [])
    if missing := [each for each in needed if each not in names]:
        todo = f"give {name} of a page"
        raise DataError(
            [Problem(str(path), f"lacks {counted(len(missing), 'column')} of {name}: {some(missing)}", todo)]
        )
    if len(set(names)) < len(names):
        log.add("has two columns of one name", _AS_WRITTEN, line=1)
    for line, cells in rows:
        if len(cells) != len(names):
            log.add(f"has {len(cells)} cells, and the header {len(names)}", _AS_WRITTEN, line=line)
    log.refuse()
    columns: dict[str, list[Any]] = {}
    for k, column in enumerate(names):
        found = [cells[k] for _, cells in rows]
        if column in texts:
            columns[column] = [_text_of(each) for each in found]
        elif set(found) <= {"True", "False"}:
            columns[column] = [each == "True" for each in found]
        else:
            columns[column] = [_float_of(each, column, line, log) for each, (line, _) in zip(found, rows, strict=True)]
    log.refuse()
    return pd.DataFrame(columns)


def _float_of(cell: str, column: str, line: int, log: ProblemLog) -> float:
    """Number of a cell, read by Python: how pandas reads the last digit differs between its versions."""
    try:
        return float(cell) if cell else math.nan
    except ValueError:
        log.add(f"{visible(cell[:40])!r} is no number", _AS_WRITTEN, line=line, column=column)
        return math.nan


def _text_of(text: str) -> str:
    """Text before `harmless` made a formula a text."""
    return text[1:] if text[:1] == "'" and text[1:].lstrip().startswith(_FORMULA) else text


def _cell(value: object) -> object:
    return harmless(value) if isinstance(value, str) and not _NUMBER.fullmatch(value) else value


def plain(value: object) -> Any:
    """A value as strict JSON can hold it: NaN and infinity become null, arrays lists, mappings objects.

    >>> plain({"a": np.float64("nan"), "b": np.arange(2), "c": (True, "x")})
    {'a': None, 'b': [0, 1], 'c': [True, 'x']}
    """
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, Sequence):
        return [plain(each) for each in value]
    raise TypeError(f"{type(value).__name__} has no place in JSON")


def exact(value: Any) -> Any:
    """A value in JSON types, none of its numbers lost: NaN becomes null, infinity a word, a dataclass an object.

    >>> exact((np.array([0.1, -np.inf]), float("nan")))
    [[0.1, '-inf'], None]
    """
    if isinstance(value, np.ndarray | np.generic):
        return exact(value.tolist())
    if isinstance(value, list | tuple):
        return [exact(each) for each in value]
    if isinstance(value, Mapping):
        return {name: exact(each) for name, each in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    if is_dataclass(value):
        return {each.name: exact(getattr(value, each.name)) for each in fields(value)}
    return value


def exact_number(value: ExactNumber) -> float:
    """The number that `exact` wrote.

    >>> exact_number("-inf"), exact_number(0.1), exact_number(None)
    (-inf, 0.1, nan)
    """
    return math.nan if value is None else float(value)


@cache
def _adapter(kind: Any) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def checked_json(kind: type[T], text: str | bytes) -> T:
    """What a JSON document says, made strictly into a type or a dataclass; ValueError where it says anything else.

    >>> checked_json(dict[str, int], '{"a": 1e999}')
    Traceback (most recent call last):
    ValueError: 'a': Input should be a valid integer
    """
    from pydantic import ValidationError

    anything: Any = kind
    try:
        made: T = _adapter(anything).validate_json(text, strict=True)
        return made
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = f"{'.'.join(map(str, first['loc']))[:60]!r}: " if first["loc"] else ""
        raise ValueError(f"{place}{first['msg']}") from None


def by_name(frame: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """A table for JSON, as an object by the names in its index."""
    return {str(name): plain(dict(row)) for name, row in frame.iterrows()}


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """A table for JSON, as a list of rows with the index among their keys."""
    return [plain(row) for row in frame.reset_index().to_dict("records")]
