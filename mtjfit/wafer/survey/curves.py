"""Devices of a catalogue as a survey, and curves of a few of them, read again from their table."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import numpy as np
import pandas as pd

from mtjfit.arrays import BoolArray, FloatArray
from mtjfit.cards import ShownAsCard
from mtjfit.errors import MtjfitError
from mtjfit.text import counted
from mtjfit.wafer.read.chunk import AllBut, Chunk
from mtjfit.wafer.survey.survey import Survey

if TYPE_CHECKING:
    from mtjfit.wafer.catalogue import Catalogue, Source
    from mtjfit.wafer.declaration import WaferStudy

_Name = tuple[str, str]
"""Wafer and device."""


@dataclass(frozen=True, eq=False)
class DeviceCurve(ShownAsCard):
    """Measured points of one device, and the polynomials fitted to them.

    Attributes
    ----------
    bias : array, shape (points,)
        In V.
    values, errors : array, shape (2, points)
        In-plane and out-of-plane, the latter along M × P. Errors are None where not known.
    coefficients : mapping of int to (float, float)
        Of its own polynomials of the torque, in-plane and out-of-plane, by power of V; empty where not determined.
    factor : float
        sin θ where the values carry it, else 1.
    table : str
        Place of the table that holds the points; empty where none does.
    """

    wafer: str
    device: str
    quantity: Literal["torque", "torkance"]
    unit: str
    bias: FloatArray
    values: FloatArray
    errors: FloatArray | None
    used: BoolArray
    coefficients: Mapping[int, tuple[float, float]] = field(default_factory=dict)
    factor: float = 1.0
    table: str = ""

    def polynomial(self, bias: FloatArray) -> FloatArray:
        """Both polynomials in the unit of the values, shape (2, points); NaN without coefficients.

        Examples
        --------
        >>> V = np.array([0.0, 0.5])
        >>> one = DeviceCurve("", "A", "torkance", "arb", V, np.zeros((2, 2)), None, V > -1, {1: (2.0, 0.0), 2: (0, 3)})
        >>> one.polynomial(V).tolist()
        [[2.0, 2.0], [0.0, 3.0]]
        """
        if not self.coefficients:
            return np.full((2, bias.size), np.nan)
        out = np.zeros((2, bias.size))
        for power, both in self.coefficients.items():
            term = bias**power if self.quantity == "torque" else power * bias ** max(power - 1, 0)
            out += self.factor * np.array(both)[:, None] * term
        return out


@dataclass(frozen=True)
class Curves(ShownAsCard):
    """Curves by wafer and device, and a sentence on why some are missing."""

    found: Mapping[_Name, DeviceCurve]
    missing: str = ""


def survey_of(catalogue: Catalogue, *, name: str = "", configuration: str = "") -> Survey:
    """All devices of one configuration of a catalogue, with units, flags and origins.

    Parameters
    ----------
    name : str
        For titles; by default that of the file.
    configuration : str
        Beginning of the fingerprint, where the catalogue holds several.

    Raises
    ------
    DataError
        None or several configurations.
    """
    chosen = catalogue.configuration(configuration)
    frame = catalogue.frame(configuration=chosen.fingerprint)
    source = ", ".join(each.name for each in catalogue.sources(chosen.fingerprint))
    origins = catalogue.origins(chosen.fingerprint)
    return Survey(name or catalogue.path.stem, frame, chosen.units, chosen.flags, origins, source)


def curves_of(
    catalogue: Catalogue,
    wanted: Collection[_Name],
    survey: Survey,
    *,
    table: str | Path | None = None,
    configuration: str = "",
) -> Curves:
    """Read the rows of some devices from the table of a catalogue.

    Only the chunks that hold them are read, where the format allows. A table that has moved or changed is not read, as
    `Curves.missing` explains.

    Parameters
    ----------
    wanted : collection of (wafer, device)
    survey : Survey
        Of the same configuration, for the coefficients.
    table : str or Path, optional
        Present place of the table.
    """
    chosen = catalogue.configuration(configuration)
    left, faults = set(wanted), []
    found: dict[_Name, DeviceCurve] = {}
    rows = survey.frame.set_index(["wafer", "device"])
    for source in catalogue.sources(chosen.fingerprint):
        place = Path(table or source.name)
        try:
            numbers = catalogue.chunks_with(source, left)
            found_here = dict(_read(source, place, left, numbers, rows)) if numbers else {}
        except (MtjfitError, OSError, ValueError) as error:  # a name from a file may be none
            first = (str(error).splitlines() or [type(error).__name__])[0]
            faults.append(f"{place}: {first.rstrip('.')}")
            continue
        found |= found_here
        left -= set(found_here)
    if not left:
        return Curves(found)
    why = "; ".join(faults) or "the table does not hold them"
    return Curves(found, f"The curves of {counted(len(left), 'device')} cannot be shown: {why}.")


def _read(
    source: Source, place: Path, wanted: Collection[_Name], numbers: frozenset[int], rows: pd.DataFrame
) -> Iterator[tuple[_Name, DeviceCurve]]:
    """Curves from a table; MtjfitError if its content is not the one that was reduced."""
    from mtjfit.wafer.read.table import chunks, table_identity
    from mtjfit.wafer.stack.from_catalogue import stored_study

    if not place.exists() and not any(each in str(place) for each in "*?["):
        raise MtjfitError("the table is not there; say where it is with --table")
    study = stored_study(source.configuration, place)
    if table_identity(study) != source.identity:
        raise MtjfitError("the table has other content than the one that was reduced")
    left = set(wanted)
    for chunk in chunks(study, AllBut(numbers)):
        for j, name in enumerate(zip(chunk.wafer, chunk.device, strict=True)):
            if name in left:
                left.discard(name)
                yield name, replace(_curve(study, chunk, j, rows), table=place.as_posix())
        if not left:
            return


def _curve(study: WaferStudy, chunk: Chunk, j: int, rows: pd.DataFrame) -> DeviceCurve:
    part = slice(int(chunk.start[j]), int(chunk.start[j + 1]))
    declared, name, bias = study.declaration, (chunk.wafer[j], chunk.device[j]), chunk.bias[part]
    errors = None
    if chunk.sigma_par is not None and chunk.sigma_perp is not None:
        errors = np.stack([chunk.sigma_par[part], chunk.sigma_perp[part]])
    used = np.ones(bias.size, dtype=bool) if chunk.used is None else chunk.used[part]
    return DeviceCurve(
        *name, declared.quantity, declared.units.torque, bias, np.stack([chunk.par[part], chunk.perp[part]]), errors,
        used, _coefficients(cast("pd.Series[float]", rows.loc[name])),
        1.0 if chunk.angle_factor is None else float(chunk.angle_factor[j]),
    )  # fmt: skip


def _coefficients(row: pd.Series[float]) -> dict[int, tuple[float, float]]:
    powers = [name.removeprefix("par·V^") for name in map(str, row.index) if name.startswith("par·V^")]
    found = {
        int(n): (float(row[f"par·V^{n}"]), float(row[f"perp·V^{n}"]))
        for n in powers if re.fullmatch(r"[0-9]{1,2}", n) and f"perp·V^{n}" in row.index
    }  # fmt: skip
    return found if np.all(np.isfinite(list(found.values()))) else {}
