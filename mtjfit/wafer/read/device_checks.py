"""Checks of the rows of a chunk: usable devices become a `Chunk`, each of the others a `Fault` with its reason."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from mtjfit.arrays import BoolArray, FloatArray
from mtjfit.data.curve_checks import SIZE, odd_sizes, written_angle_fault
from mtjfit.data.declaration import ConstantSigma
from mtjfit.data.rows import scaled
from mtjfit.data.units import thickness_factor
from mtjfit.physics.torque import sin_degrees
from mtjfit.wafer.declaration import WaferStudy
from mtjfit.wafer.read.blocks import BadCell, Gathered
from mtjfit.wafer.read.chunk import Chunk, Fault, IntArray

_MIN_BIASES = 3  # as of a study: a line and a check of it

_SIGMA = (lambda v: v <= 0, "standard error {:g} is not positive", "give the standard error of the point")
_WRONG: dict[str, tuple[Callable[[FloatArray], BoolArray], str, str]] = {
    "sigma_par": _SIGMA,
    "sigma_perp": _SIGMA,
    "thickness": (lambda d: d <= 0, "thickness {:g} is not positive", "give the thickness of the free layer"),
    "rho": (
        lambda rho: np.abs(rho) >= 1, "correlation {:g} is not between -1 and 1", "give a number inside, ends excluded"
    ),
}  # fmt: skip
_ONE_EACH = {"thickness": " nm", "angle": "°", "x": " mm", "y": " mm"}
"""Numbers of which a device has one, with their units."""


@dataclass(frozen=True, eq=False)
class _Rows:
    """Checks of one chunk; each yields at most one fault of a device."""

    study: WaferStudy
    rows: Gathered

    @cached_property
    def n(self) -> IntArray:
        return np.diff(self.rows.start)

    @cached_property
    def owner(self) -> IntArray:
        """Device of each row."""
        return np.repeat(np.arange(self.n.size), self.n)

    @cached_property
    def used(self) -> BoolArray | None:
        """False for rows that the bias window or a mask leaves out; None where nothing is left out."""
        declaration, V = self.study.declaration, self.rows.numbers["bias"]
        used = np.ones(V.size, dtype=bool)
        if declaration.bias_window is not None:
            low, high = declaration.bias_window
            used &= (low <= V) & (high >= V)
        for mask in declaration.mask:
            here = (mask.bias[0] <= V) & (mask.bias[1] >= V)
            if mask.device:
                here &= np.array([name == mask.device for name in self.rows.device])[self.owner]
            used &= ~here
        return None if used.all() else used

    def findings(self) -> Iterator[BadCell]:
        yield from self.rows.bad
        yield from self._numbers()
        yield from self._names()
        yield from self._order()
        yield from self._different()

    def _first(self, wrong: BoolArray, role: str, say: Callable[[int], tuple[str, str]]) -> Iterator[BadCell]:
        """The first wrong row of each device."""
        rows = np.flatnonzero(wrong)
        _, first = np.unique(self.owner[rows], return_index=True)
        for row in rows[first].tolist():
            yield BadCell(row, role, *say(row))

    def _numbers(self) -> Iterator[BadCell]:
        for role, values in self.rows.numbers.items():
            yield from self._first(~np.isfinite(values), role, lambda _: ("is not a finite number", "give a number"))
            yield from self._first(odd_sizes(role, values), role, partial(_size_fault, values))
            if role in _WRONG:
                is_wrong, what, todo = _WRONG[role]
                yield from self._first(is_wrong(values), role, lambda k, v=values: (what.format(v[k]), todo))  # type: ignore[misc]  # noqa: B023
            if role == "angle":
                fine = (values > math.pi) & (values < 180)
                yield from self._first(~fine & np.isfinite(values), role, lambda k, v=values: _angle_fault(v[k]))  # type: ignore[misc]
            if role in _ONE_EACH:
                yield from self._one_each(role, values)

    def _one_each(self, role: str, values: FloatArray) -> Iterator[BadCell]:
        above, unit = values[self.rows.start[:-1]][self.owner], _ONE_EACH[role]

        def say(row: int) -> tuple[str, str]:
            name = self.rows.device[self.owner[row]]
            what = f"device {name!r} has {values[row]:.6g}{unit} here and {above[row]:.6g}{unit} above"
            return what, "a device has one"

        yield from self._first(values != above, role, say)

    def _names(self) -> Iterator[BadCell]:
        split, names = self.rows.split, self.rows.splits
        above = split[self.rows.start[:-1]][self.owner]
        yield from self._first(split != above, "split", lambda row: (
            f"is {names[split[row]]!r} here and {names[above[row]]!r} above", "a device has one split"))  # fmt: skip
        splits = [names[k] for k in split[self.rows.start[:-1]].tolist()] if names else []
        for role, each in (("device", self.rows.device), ("wafer", self.rows.wafer), ("split", splits)):
            if "".join(each).isprintable():
                continue
            for j, name in enumerate(each):
                if not name.isprintable():
                    what = f"{name!r} holds characters that cannot be printed"
                    yield BadCell(int(self.rows.start[j]), role, what, f"name the {role}")

    @cached_property
    def _same_device(self) -> BoolArray:
        """True between two rows of one device, shape (rows − 1,)."""
        return np.asarray(self.owner[1:] == self.owner[:-1])

    def _order(self) -> Iterator[BadCell]:
        V, form = self.rows.numbers["bias"], self.study.declaration.format
        step = np.diff(V)
        if form.order == "sorted":
            moving = self._same_device & (step != 0)
            at = np.flatnonzero(moving)
            _, first = np.unique(self.owner[at], return_index=True)
            up = np.zeros(self.n.size, dtype=bool)
            up[self.owner[at[first]]] = step[at[first]] > 0
            turned = np.append(False, moving & ((step > 0) != up[self.owner[1:]]))
            yield from self._first(turned, "bias", lambda row: (
                f"the bias of device {self.rows.device[self.owner[row]]!r} turns round here",
                'sort it, or set order = "any" in [data.format] if sweeps go back and forth'))  # fmt: skip
        if not form.repeats and not self._strict.all():
            order, new = self._by_bias(~self._strict[self.owner])
            repeated = np.zeros(V.size, dtype=bool)
            repeated[order[~new]] = True
            yield from self._first(repeated, "bias", lambda row: (
                f"device {self.rows.device[self.owner[row]]!r} has bias {V[row]:g} V already above",
                "average the points, or set repeats = true in [data.format]"))  # fmt: skip

    @cached_property
    def _strict(self) -> BoolArray:
        """True for devices whose bias ascends or descends at every step: no two of their biases can be equal."""
        V = self.rows.numbers["bias"]
        strict, up, longer = np.ones(self.n.size, dtype=bool), np.zeros(self.n.size, dtype=bool), self.n > 1
        first = self.rows.start[:-1][longer]
        up[longer] = V[first + 1] > V[first]
        step = np.where(up[self.owner[1:]], V[1:] - V[:-1], V[:-1] - V[1:])
        strict[self.owner[1:][self._same_device & ~(step > 0)]] = False
        return strict

    def _by_bias(self, kept: BoolArray) -> tuple[IntArray, BoolArray]:
        """Kept rows in the order of device, bias and place, and whether each is the first of its device and bias."""
        V, rows = self.rows.numbers["bias"], np.flatnonzero(kept)
        order = rows[np.lexsort((V[rows], self.owner[rows]))]
        V, owner = V[order], self.owner[order]
        return order, np.append(True, (V[1:] != V[:-1]) | (owner[1:] != owner[:-1]))[: order.size]

    def _different(self) -> Iterator[BadCell]:
        where = {"": np.ones(self.owner.size, dtype=bool)}
        if self.used is not None:
            where[" left inside the bias window and outside the masks"] = self.used
        for left, used in where.items():
            different = np.bincount(self.owner[used], minlength=self.n.size)
            if not self._strict.all():
                order, new = self._by_bias(used)
                different = np.bincount(self.owner[order[new]], minlength=self.n.size)
            for j in np.flatnonzero(different < _MIN_BIASES).tolist():
                what = f"device {self.rows.device[j]!r} has {different[j]} different biases{left}"
                yield BadCell(int(self.rows.start[j]), "bias", what, f"at least {_MIN_BIASES} are needed")


def _size_fault(values: FloatArray, k: int) -> tuple[str, str]:
    return f"is {values[k]:g}: {SIZE[0]}", SIZE[1]


def _angle_fault(angle: float) -> tuple[str, str]:
    what, todo = written_angle_fault(float(angle)) or ("", "")
    return f"angle {what}", todo


def checked_chunk(study: WaferStudy, rows: Gathered, label: str) -> Chunk:
    """Usable devices of a chunk of the table `label`, and for each of the others the first fault of its rows."""
    checks = _Rows(study, rows)
    first: dict[int, BadCell] = {}
    with np.errstate(invalid="ignore", over="ignore"):  # what is not finite is found, and harms no other device
        for each in checks.findings():
            j = int(checks.owner[each.row])
            if j not in first or each.row < first[j].row:
                first[j] = each
    columns = study.reading.columns.roles()
    faults = []
    for j, (row, role, what, todo) in sorted(first.items()):
        column = f": column {columns[role]!r}" if role in columns else ""
        faults.append(Fault(rows.device[j], rows.wafer[j], _split(study, rows, j), f"{label}:{rows.line[row]}{column}",
                            what, todo))  # fmt: skip
    sound = np.ones(checks.n.size, dtype=bool)
    sound[list(first)] = False
    return _chunk(study, checks, sound, tuple(faults))


def _split(study: WaferStudy, rows: Gathered, j: int) -> str:
    return rows.splits[rows.split[rows.start[j]]] if rows.splits else study.declaration.group


def _chunk(study: WaferStudy, checks: _Rows, sound: BoolArray, faults: tuple[Fault, ...]) -> Chunk:
    rows, declaration = checks.rows, study.declaration
    which, kept = np.flatnonzero(sound).tolist(), sound[checks.owner]
    J, start = len(which), np.concatenate([[0], np.cumsum(checks.n[sound])])

    def by_row(role: str) -> FloatArray | None:
        return rows.numbers[role][kept] if role in rows.numbers else None

    def by_device(role: str, otherwise: float) -> FloatArray:
        values = rows.numbers.get(role)
        return np.full(J, otherwise) if values is None else values[rows.start[:-1]][sound]

    bias, par, perp = (rows.numbers[role][kept] for role in ("bias", "par", "perp"))
    sigma: tuple[FloatArray | None, FloatArray | None] = (by_row("sigma_par"), by_row("sigma_perp"))
    if isinstance(declaration.sigma, ConstantSigma):
        sigma = np.full(bias.size, declaration.sigma.par), np.full(bias.size, declaration.sigma.perp)
    rho, flipped = by_row("rho"), declaration.perp_axis == "PxM"
    if rho is not None and flipped:
        rho = 0.0 - rho
    nominal = math.nan
    if declaration.thickness is not None:
        nominal = scaled(declaration.thickness, thickness_factor(declaration.units.thickness))
    angle = by_device("angle", math.nan if declaration.angle is None else declaration.angle)
    return Chunk(
        number=rows.number,
        device=tuple(rows.device[j] for j in which),
        start=start,
        bias=bias,
        par=par,
        perp=0.0 - perp if flipped else perp,
        sigma_par=sigma[0],
        sigma_perp=sigma[1],
        thickness=by_device("thickness", nominal),
        x=by_device("x", math.nan),
        y=by_device("y", math.nan),
        wafer=tuple(rows.wafer[j] for j in which),
        split=tuple(_split(study, rows, j) for j in which),
        faults=faults,
        used=None if checks.used is None else checks.used[kept],
        rho=rho,
        angle_factor=np.asarray(sin_degrees(angle)) if declaration.sin_theta == "included" else None,
        share=rows.share,
    )
