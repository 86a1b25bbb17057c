"""Request for a plan: candidates, how many of them to choose, for which question, and the noise of a measurement."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mtjfit.arrays import FloatArray
from mtjfit.cards import ShownAsCard
from mtjfit.data.units import Per, Quantity
from mtjfit.errors import ConfigError, Problem
from mtjfit.study.schema import GridTable, PlanTable, validated_table
from mtjfit.text import counted, number

_PERCENT = re.compile(r"\s*([0-9.eE+-]+)\s*%\s*")
_MOST_THICKNESSES, _MOST_CHOSEN, _MOST_POINTS = 1000, 20, 100_000


@dataclass(frozen=True)
class Noise:
    """Standard error of every planned point; ValueError where it is not positive.

    Attributes
    ----------
    value : float
        In the unit of the torque; or, if `relative`, a fraction of the largest in-plane value of J0 (of dJ0/dV for a
        torkance) in the bias window. Infinite for a component that is not measured.
    """

    value: float
    relative: bool = False

    def __post_init__(self) -> None:
        if not self.value > 0:
            raise ValueError("give a positive standard error")

    @classmethod
    def of(cls, said: float | str) -> Noise:
        """A number, or a percentage such as ``"2 %"``; ValueError where it is neither, or not positive.

        Examples
        --------
        >>> Noise.of("2 %"), Noise.of(0.003)
        (Noise(value=0.02, relative=True), Noise(value=0.003, relative=False))
        """
        if not isinstance(said, str):
            return cls._finite(float(said))
        percent = _PERCENT.fullmatch(said)
        try:
            return cls._finite(float(percent[1]) / 100, relative=True) if percent else cls._finite(float(said))
        except ValueError:
            raise ValueError(f'{said!r} is no positive number and no percentage such as "2 %"') from None

    @classmethod
    def _finite(cls, value: float, relative: bool = False) -> Noise:
        if math.isinf(value):
            raise ValueError("give a positive standard error")
        return cls(value, relative)

    def __str__(self) -> str:
        if math.isinf(self.value):
            return "not measured"
        return f"{100 * self.value:g} % of the in-plane signal" if self.relative else number(self.value)


def grid(low: float, high: float, step: float) -> tuple[float, ...]:
    """Numbers from `low` to `high`, both included where the steps end there.

    ValueError where the interval or the step is not positive, or there are more than a thousand numbers.

    Examples
    --------
    >>> grid(0.8, 1.2, 0.1)
    (0.8, 0.9, 1.0, 1.1, 1.2)
    """
    if not (0 < low <= high < math.inf and 0 < step < math.inf):
        raise ValueError("needs 0 < low ≤ high and a positive step")
    n = math.floor((high - low) / step + 1e-9) + 1
    if n > _MOST_THICKNESSES:
        raise ValueError(f"makes {n} thicknesses; {_MOST_THICKNESSES} are the most")
    return tuple(round(low + k * step, 9) for k in range(n))


@dataclass(frozen=True)
class PlanRequest(ShownAsCard):
    """Request for a plan; whatever is left out follows from the data. ConfigError with all problems, by key.

    Attributes
    ----------
    thickness : tuple of float
        Candidate thicknesses in nm.
    choose : int
        How many devices to choose.
    target : str
        A parameter, Λ, or ``"everything"``.
    bias : (float, float, int) or None
        Lowest and highest bias in V and the number of points.
    quantity, per, unit : str
        As of a curve; empty where the data say it.
    """

    thickness: tuple[float, ...] = ()
    choose: int = 1
    target: str = "everything"
    bias: tuple[float, float, int] | None = None
    noise: Noise | None = None
    quantity: Quantity | None = None
    per: Per | None = None
    unit: str = ""

    def __post_init__(self) -> None:
        problems = list(self._problems())
        if problems:
            raise ConfigError(problems)

    def _problems(self) -> Iterator[Problem]:
        if not all(0 < d < math.inf for d in self.thickness):
            yield Problem("plan.thickness", "holds a thickness that is not positive", "give thicknesses in nm")
        elif len(set(self.thickness)) < len(self.thickness):
            yield Problem("plan.thickness", "holds a thickness twice", "give each once")
        if len(self.thickness) > _MOST_THICKNESSES:
            yield Problem("plan.thickness", f"holds {len(self.thickness)} thicknesses", "give a thousand at most")
        if not 1 <= self.choose <= _MOST_CHOSEN:
            yield Problem("plan.choose", f"is {self.choose}", f"give a number from 1 to {_MOST_CHOSEN}")
        elif self.thickness and self.choose > len(self.thickness):
            what = f"is {self.choose}, but there are {len(self.thickness)} thicknesses to choose from"
            yield Problem("plan.choose", what, "give more candidates, or choose fewer")
        if self.bias is not None:
            low, high, n = self.bias
            if not (-math.inf < low < high < math.inf and 2 <= n <= _MOST_POINTS):
                yield Problem("plan.bias", f"is {counted(n, 'point')} from {low:g} to {high:g} V",
                              "give low < high in V and two points or more")  # fmt: skip

    @property
    def sweep(self) -> FloatArray | None:
        """Bias points in V, shape (n,)."""
        return None if self.bias is None else np.linspace(*self.bias)


def plan_request_from(raw: object) -> PlanRequest | list[Problem]:
    """The request in a ``[plan]`` table as `tomllib` parses it, or all its problems.

    >>> for problem in plan_request_from({"chose": 5, "noise": "two"}):
    ...     print(problem)
    plan.chose: is no key; did you mean 'choose'?
    >>> plan_request_from({"thickness": {"low": 1, "high": 2, "step": 0.5}, "noise": "2 %"}).thickness
    (1.0, 1.5, 2.0)
    """
    table = validated_table(PlanTable, raw, "plan")
    if isinstance(table, list):
        return table
    said = table.model_dump(exclude_none=True, exclude={"thickness", "bias", "noise"})
    problems = []
    for key, make in (("thickness", _thicknesses), ("noise", _noise)):
        try:
            said[key] = make(table)
        except ValueError as error:
            problems.append(Problem(f"plan.{key}", str(error), "correct it"))
    if table.bias is not None:
        said["bias"] = (table.bias.low, table.bias.high, table.bias.n)
    try:
        request = PlanRequest(**said)
    except ConfigError as error:
        return [*problems, *error.problems]
    return problems or request


def _thicknesses(table: PlanTable) -> tuple[float, ...]:
    if isinstance(table.thickness, GridTable):
        return grid(table.thickness.low, table.thickness.high, table.thickness.step)
    return table.thickness or ()


def _noise(table: PlanTable) -> Noise | None:
    return None if table.noise is None else Noise.of(table.noise)
