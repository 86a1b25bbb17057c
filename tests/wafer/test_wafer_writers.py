"""Several writers of one catalogue at a time."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from catalogue_cases import begun, reduced

from mtjfit.wafer.catalogue import Catalogue, open_catalogue


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a 100%#?.db"


WRITER = """
import sys, types
sys.path.insert(0, {tests!r})
fields = ("number", "device", "wafer", "split", "values", "flags", "sums", "faults", "origins")
light = types.SimpleNamespace(Reduced=lambda *given: types.SimpleNamespace(**dict(zip(fields, given))))
sys.modules["mtjfit.wafer.reduce.reduced"] = light  # the real one takes a second to import
from pathlib import Path
from catalogue_cases import begun, reduced
from mtjfit.wafer.catalogue import open_catalogue

which = sys.argv[1]
for number in range(8):
    with open_catalogue(Path(sys.argv[2]), write=True) as catalogue:
        source = begun(catalogue, "/data/" + which, which)
        catalogue.write(source, reduced(number, wafer=which))
"""


def by_processes(path: Path) -> None:
    program = WRITER.format(tests=str(Path(__file__).parent))
    both = [subprocess.Popen([sys.executable, "-c", program, name, str(path)]) for name in ("w1", "w2")]
    assert [each.wait(60) for each in both] == [0, 0]


def by_threads(path: Path) -> None:
    """Two connections that know nothing of each other."""

    def fill(which: str) -> bool:
        for number in range(8):
            with open_catalogue(path, write=True) as catalogue:
                catalogue.write(begun(catalogue, "/data/" + which, which), reduced(number, wafer=which))
        return True

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(fill, ("w1", "w2"))) == [True, True]


@pytest.mark.parametrize("writers", [by_threads, pytest.param(by_processes, marks=pytest.mark.slow)])
def test_two_writers_make_and_fill_one_catalogue(writers: Callable[[Path], None], path: Path, tmp_path: Path):
    writers(path)

    def alone(catalogue: Catalogue) -> str:
        for name in ("w2", "w1"):
            source = begun(catalogue, "/data/" + name, name)
            for number in range(8):
                catalogue.write(source, reduced(number, wafer=name))
        return catalogue.digest()

    with open_catalogue(path) as catalogue, open_catalogue(tmp_path / "one.db", write=True) as other:
        assert catalogue.digest() == alone(other)
