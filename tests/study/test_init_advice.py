"""Advice of ``init`` and of loading that works: for folders, names that are unlike, and units in names of files."""

from __future__ import annotations

from pathlib import Path

import pytest

from mtjfit.data import Columns, ColumnUnits, SourceFile, TableDeclaration, curves_from_sources
from mtjfit.errors import DataError
from mtjfit.study.inspection import inspect_file


def test_a_folder_is_named_with_a_star(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    with pytest.raises(DataError, match=r"is a folder; name the files in it: .*raw/\*$"):
        inspect_file(tmp_path / "raw")


@pytest.mark.parametrize(
    ("name", "advice"),
    [("nofile.toml", "use one of 'f.toml', 'series.toml'"), ("seires.toml", "did you mean 'series.toml'?"),
     ("Series.txt", "did you mean 'series.toml'?"), ("F.toml", "did you mean 'f.toml'?")],
)  # fmt: skip
def test_only_a_similar_name_is_meant(tmp_path: Path, name: str, advice: str) -> None:
    for each in ("f.toml", "series.toml"):
        (tmp_path / each).touch()
    with pytest.raises(DataError) as refused:
        inspect_file(tmp_path / name)
    assert advice in str(refused.value)


def test_a_unit_in_the_name_of_a_file_belongs_into_the_pattern() -> None:
    columns = Columns("bias", "par", "perp", device="device")
    sources = [SourceFile(f"K7_{V}mV.dat", b"par,perp\n1,2\n", f"K7_{V}mV.dat") for V in ("-10", "+0", "10")]

    def read(pattern: str) -> tuple[float, ...]:
        declared = TableDeclaration("torque", "device", "MxP", columns, ColumnUnits("mV", "arb", "nm"), thickness=2.0,
                                    sigma="fit", name=pattern)  # fmt: skip
        (curve,) = curves_from_sources(sources, declared)
        return tuple(curve.bias.tolist())

    with pytest.raises(DataError, match=r"'bias', in its header or its name: '\+0mV' is not .*\{bias:mV\}"):
        read("{device}_{bias}.dat")
    assert read("{device}_{bias:mV}.dat") == (-0.01, 0.0, 0.01)
