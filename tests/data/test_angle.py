"""The declared angle between the moments: read like a thickness, refused with its place, and nothing is rescaled."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mtjfit.data import Columns, ColumnUnits, TableDeclaration, TorqueCurve, curves_from_bytes
from mtjfit.errors import DataError

COLUMNS = Columns("V", "par", "perp", "sp", "sq", "dev", "d")
PLAIN = TableDeclaration("torque", "device", "MxP", COLUMNS, ColumnUnits("V", "1e-19 N m", "nm"))
ANGLES = replace(PLAIN, columns=replace(COLUMNS, angle="theta"), sin_theta="included")
HEADER = "dev,d,V,par,perp,sp,sq"
ROWS = [f"{name},{d},{v},{v},0.3,0.1,0.2" for name, d in (("A", 2.0), ("B", 3.0)) for v in (-0.2, 0.0, 0.2)]


def read(text: str, declaration: TableDeclaration) -> tuple[TorqueCurve, ...]:
    return curves_from_bytes(text.encode(), declaration, "f.csv")


def with_angles(*angles: str) -> str:
    """The rows with a column theta."""
    rows = [f"{row},{angle}" for row, angle in zip(ROWS, angles, strict=True)]
    return "\n".join([HEADER + ",theta", *rows]) + "\n"


def test_the_angle_comes_from_a_column_or_is_one_for_all() -> None:
    plain_file = "\n".join([HEADER, *ROWS])
    a, b = read(with_angles("72", "72.0", "72", "54.5", "54.5", "5.45e1"), ANGLES)
    assert (a.angle, b.angle, a.sin_theta, b.sin_theta) == (72.0, 54.5, "included", "included")
    plain = read(plain_file, PLAIN)[0]
    constant = read(plain_file, replace(PLAIN, angle=72.0, sin_theta="divided"))
    assert (plain.angle, plain.sin_theta) == (None, None)
    assert [(curve.angle, curve.sin_theta) for curve in constant] == [(72.0, "divided")] * 2
    for curve in (a, constant[0]):
        for name in ("par", "perp", "sigma_par", "sigma_perp"):
            np.testing.assert_array_equal(getattr(curve, name), getattr(plain, name))


IN_DEGREES = "give the angle between the moments in degrees, between 0 and 180"
WRONG = [
    ("190", [f"f.csv:2: column 'theta': angle is 190°; {IN_DEGREES}"]),
    ("-72", [f"f.csv:2: column 'theta': angle is -72°; {IN_DEGREES}"]),
    ("0", [f"f.csv:2: column 'theta': angle is 0°, where the torque vanishes; {IN_DEGREES}"]),
    ("180.0", [f"f.csv:2: column 'theta': angle is 180°, where the torque vanishes; {IN_DEGREES}"]),
    ("1.25", [f"f.csv:2: column 'theta': angle is 1.25°, which looks like radians; {IN_DEGREES}"]),
    ("", ["f.csv:2: column 'theta': is empty; give a number; a point without data has no row"]),
    ("72°", ["f.csv:2: column 'theta': '72°' is not a number; write a plain number such as -1.25e-3"]),
    ("71", [f"f.csv:{line}: column 'theta': device 'A' is at 72° here and at 71° above; "
            "a device has one angle: name the device anew for each angle" for line in (3, 4)]),
]  # fmt: skip


@pytest.mark.parametrize(("cell", "messages"), WRONG, ids=[cell for cell, _ in WRONG])
def test_angles_that_are_wrong(cell: str, messages: list[str]) -> None:
    with pytest.raises(DataError) as caught:
        read(with_angles(cell, "72", "72", "54", "54", "54"), ANGLES)
    assert [str(problem) for problem in caught.value.problems] == messages
