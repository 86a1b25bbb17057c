"""Devices of one or more wafers as a table, with units, flags and origins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from mtjfit.arrays import BoolArray, FloatArray
from mtjfit.cards import ShownAsCard
from mtjfit.data import Origin
from mtjfit.data.origin import kinds
from mtjfit.errors import DataError, Problem

ERROR = "_sd"
"""Ending of the column that holds the standard error of another one."""
_TEXTS = ("device", "wafer", "split")
_LARGEST = 1e75
_MOST_LABELS, _LONGEST = 8, 400  # of origins, and letters of each, in the mark on every figure
_FEWEST = 5  # devices of a nominal thickness, on average


@dataclass(frozen=True, eq=False)
class Survey(ShownAsCard):
    """One row for each device.

    Attributes
    ----------
    name : str
        For titles.
    frame : DataFrame
        Column ``device``; where known ``wafer``, ``split`` (names), ``x``, ``y`` (mm), ``thickness`` (nominal, nm),
        ``flags`` (bits), and any numbers, such as ``slope_ratio`` with its standard error ``slope_ratio_sd``. Columns
        that are missing are filled: no name, no position, no flag. ``population`` names devices that were meant to be
        equal: those of one split and, if it has several, of one nominal thickness.
    units, flags : mapping of str to str, of str to int
        Units of the numbers, where they have one, and bits by name.
    source : str
        File that the table was made from.

    Raises
    ------
    DataError
        A column is missing, a device is there twice on one wafer, or a column of numbers holds something else.

    Examples
    --------
    >>> survey = Survey("lot 7", pd.DataFrame({"device": ["A", "B"], "slope_ratio": [-0.1, np.nan],
    ...                                        "slope_ratio_sd": [0.01, np.nan], "flags": [0, 2]}), flags={"noisy": 2})
    >>> survey.quantities, survey.flag_names(2), survey.known("slope_ratio").tolist()
    (('slope_ratio',), ('noisy',), [True, False])
    """

    name: str
    frame: pd.DataFrame
    units: Mapping[str, str] = field(default_factory=dict)
    flags: Mapping[str, int] = field(default_factory=dict)
    origins: tuple[Origin, ...] = (Origin(),)
    source: str = ""

    def __post_init__(self) -> None:
        frame = self.frame.reset_index(drop=True)
        problems = []
        if "device" not in frame:
            todo = f"name it so; there are {', '.join(map(str, frame.columns[:12]))}"
            problems.append(Problem(self.name, "has no column 'device'", todo))
        for name in _TEXTS:
            frame[name] = frame[name].fillna("").astype(str) if name in frame else ""
        for name in ("x", "y", "flags"):
            frame[name] = frame.get(name, np.nan)
        frame["flags"] = frame["flags"].fillna(0).astype(np.int64)
        if not problems and (twice := frame.duplicated(["wafer", "device"])).any():
            row = frame.loc[twice].iloc[0]
            what = f"device {row['device']!r} is there twice on wafer {row['wafer']!r}"
            problems.append(Problem(self.name, what, "give each device a name of its own on its wafer"))
        numbers = [name for name in frame.columns if str(name).endswith(ERROR)]
        numbers += [name.removesuffix(ERROR) for name in numbers if name.removesuffix(ERROR) in frame]
        problems += [
            Problem(self.name, f"column {name!r} holds more than numbers", "convert it")
            for name in (*numbers, "x", "y") if not pd.api.types.is_numeric_dtype(frame[name])
        ]  # fmt: skip
        if problems:
            raise DataError(problems)
        problems = [
            each for name in dict.fromkeys((*numbers, "x", "y")) for each in _impossible(self.name, frame, name)
        ]
        if problems:
            raise DataError(problems)
        if "population" not in frame:
            frame["population"] = _populations(frame)
        object.__setattr__(self, "frame", frame)
        for name in ("units", "flags"):  # views of mappings cannot go to other processes
            object.__setattr__(self, name, dict(getattr(self, name)))

    @property
    def label(self) -> str:
        """Mark for plots and tables; empty if everything was measured."""
        labels = [origin.label for origin in self.origins if origin.label]
        shown = [label if len(label) <= _LONGEST else f"{label[:_LONGEST]}…" for label in labels[:_MOST_LABELS]]
        return "; ".join(shown) + (f"; and {len(labels) - len(shown)} more" if len(labels) > len(shown) else "")

    @property
    def origin(self) -> str:
        """``"measured"``, ``"simulated"``, … for tables."""
        return kinds(self.origins)

    @property
    def quantities(self) -> tuple[str, ...]:
        """Numbers with a standard error that some device determines."""
        with_error = (str(name).removesuffix(ERROR) for name in self.frame.columns if str(name).endswith(ERROR))
        return tuple(name for name in with_error if name in self.frame and self.known(name).any())

    @property
    def wafers(self) -> tuple[str, ...]:
        """Names of the wafers, in order of appearance."""
        return tuple(self.frame["wafer"].unique())

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits, in order of appearance."""
        return tuple(self.frame["split"].unique())

    @property
    def populations(self) -> tuple[str, ...]:
        """Names of the populations: splits in order of appearance, thin layers first."""
        column = self.frame["population"]
        if "thickness" not in self.frame:
            return tuple(column.unique())
        place = {name: k for k, name in enumerate(self.splits)}
        first = self.frame.drop_duplicates("population")
        order = np.lexsort((first["thickness"], first["split"].map(place)))
        return tuple(first["population"].to_numpy()[order])

    def rows_of(self, column: str) -> dict[str, np.ndarray]:
        """Rows of each name in a column of names, by name in order of appearance."""
        codes, names = pd.factorize(self.frame[column])
        return dict(zip(names, rows_by(codes), strict=True))

    @property
    def flagged(self) -> BoolArray:
        """Devices with any flag, shape (devices,)."""
        return np.asarray(self.frame["flags"].to_numpy() != 0)

    @property
    def placed(self) -> BoolArray:
        """Devices with a position, shape (devices,)."""
        return np.asarray(np.isfinite(self.frame[["x", "y"]].to_numpy(dtype=float)).all(axis=1))

    def values(self, quantity: str) -> FloatArray:
        """A column of numbers, shape (devices,).

        Raises
        ------
        DataError
            There is no such column.
        """
        if quantity not in self.frame or not pd.api.types.is_numeric_dtype(self.frame[quantity]):
            have = ", ".join(self.quantities) or "none"
            raise DataError([Problem(self.name, f"has no quantity {quantity!r}", f"choose among: {have}")])
        return self.frame[quantity].to_numpy(dtype=float)

    def errors(self, quantity: str) -> FloatArray:
        """Standard errors of measurement, shape (devices,); 0 where the table has none for this quantity."""
        name = f"{quantity}{ERROR}"
        return self.frame[name].to_numpy(dtype=float) if name in self.frame else np.zeros(len(self.frame))

    def known(self, quantity: str) -> BoolArray:
        """Devices that determine a quantity, with finite value and error, shape (devices,)."""
        return np.asarray(np.isfinite(self.values(quantity)) & np.isfinite(self.errors(quantity)))

    def usable(self, quantity: str) -> BoolArray:
        """Devices that determine a quantity and have no flag, from which limits are made, shape (devices,)."""
        return np.asarray(self.known(quantity) & ~self.flagged)

    def unit(self, quantity: str) -> str:
        """Unit of a column, as written in files; empty if there is none."""
        return self.units.get(quantity, "")

    def flag_names(self, flags: int) -> tuple[str, ...]:
        """Names of the bits that are set; a bit without a name appears as its number."""
        left, found = int(flags), []
        for name, bit in self.flags.items():
            if left & bit:
                found.append(name)
                left &= ~bit
        return tuple(found) + tuple(f"flag {k}" for k in range(left.bit_length()) if left >> k & 1)

    def part(self, rows: BoolArray) -> Survey:
        """Some of the devices; their populations keep their names."""
        return Survey(self.name, self.frame[rows], self.units, self.flags, self.origins, self.source)


def _impossible(label: str, frame: pd.DataFrame, name: str) -> Iterator[Problem]:
    """The first number of a column whose square would be no number, or that is no standard error."""
    values = frame[name].to_numpy(dtype=float)
    wrong, what = np.isfinite(values) & (np.abs(values) > _LARGEST), "more than any measurement gives"
    if name.endswith(ERROR):
        wrong |= (values < 0) | ((values > 0) & (values < 1 / _LARGEST))
        what = "no standard error that can be squared"
    if wrong.any():
        row = frame.loc[wrong].iloc[0]
        where = f"{label}: {name} of device {row['device']!r}" + (f" of wafer {row['wafer']!r}" if row["wafer"] else "")
        yield Problem(where, f"is {row[name]:g}, {what}", "correct it, or reduce the table again with mtjfit batch")


def rows_by(codes: np.ndarray) -> list[np.ndarray]:
    """Places of each number among whole numbers from 0 on, all of which occur.

    >>> [rows.tolist() for rows in rows_by(np.array([1, 0, 1]))]
    [[1], [0, 2]]
    """
    return np.split(np.argsort(codes, kind="stable"), np.cumsum(np.bincount(codes))[:-1])


def _populations(frame: pd.DataFrame) -> pd.Series:
    """Split, with the nominal thickness where a split has several, each of some devices.

    Thicknesses measured device by device, as on a wedge, do not divide a split: no two devices would be equal.
    """
    if "thickness" not in frame:
        return frame["split"]
    nominal = frame["thickness"].round(6)
    n = nominal.groupby(frame["split"]).transform("nunique")
    each = frame.groupby("split")["device"].transform("size") / n.clip(lower=1)
    divided = (n > 1) & (each >= _FEWEST) & nominal.notna()
    if not divided.any():
        return frame["split"]
    comma = frame["split"].where(frame["split"] == "", frame["split"] + ", ")
    return frame["split"].where(~divided, comma + nominal.map("{:g} nm".format))
