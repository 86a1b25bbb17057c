"""A small curve, and what is said where something is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from mtjfit.data import Columns, ColumnUnits, TableDeclaration, TableFormat, TorqueCurve
from mtjfit.errors import ConfigError, DataError


def small_curve(device: str = "A1", **changes: Any) -> TorqueCurve:
    """A sound torque with errors at three biases."""
    values: dict[str, Any] = {
        "bias": [-0.2, 0.0, 0.2], "par": [-2.0, 0.0, 2.0], "perp": [0.2, 0.0, 0.2], "thickness": 2.0,
        "quantity": "torque", "per": "device", "unit": "1e-19 N m", "sigma_par": [0.1] * 3, "sigma_perp": [0.1] * 3,
    }  # fmt: skip
    return TorqueCurve(**{"device": device, **values, **changes})


FULL = Columns("V", "par", "perp", "sp", "sq", "dev", "d", "wafer")


def declare(columns: Columns = FULL, **changes: Any) -> TableDeclaration:
    """A torque whose file has all usual columns, unless others are given; changes may be keys of its format."""
    form = {key: changes.pop(key) for key in list(changes) if key in TableFormat.__dataclass_fields__}
    usual = {"quantity": "torque", "per": "device", "perp_axis": "MxP", "units": ColumnUnits("V", "1e-19 N m", "nm")}
    return TableDeclaration(**{**usual, "columns": columns, "format": TableFormat(**form), **changes})


def problems_of(
    work: Callable[..., object], *arguments: object, kind: Any = (ConfigError, DataError), **named: Any
) -> list[str]:
    """Problems of the error that ends some work."""
    with pytest.raises(kind) as caught:
        work(*arguments, **named)
    return [str(problem) for problem in caught.value.problems]


def told(cases: Iterable[tuple[object, Iterable[str]]]) -> str:
    """What is said in each case, for a file of tests/golden."""
    return "\n".join("\n".join([f"{case}", *(f"    {each}" for each in said)]) for case, said in cases) + "\n"
