"""Several writers of one catalogue at a time."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from catalogue_cases import begun, reduced

from mtjfit.wafer import open_catalogue


def fill(path: Path, which: str) -> str:
    """Write eight chunks, each through a connection of its own."""
    for number in range(8):
        with open_catalogue(path, write=True) as catalogue:
            catalogue.write(begun(catalogue, f"/data/{which}", which), reduced(number, wafer=which))
            digest = catalogue.digest()
    return digest


@pytest.mark.parametrize("pool", [
    ThreadPoolExecutor,
    pytest.param(partial(ProcessPoolExecutor, mp_context=multiprocessing.get_context("spawn")),
                 marks=pytest.mark.slow),  # imports everything twice
])  # fmt: skip
def test_two_writers_make_and_fill_one_catalogue(pool: Callable[[int], Executor], tmp_path: Path):
    with pool(2) as running:
        assert len(list(running.map(partial(fill, tmp_path / "a 100%#?.db"), ("w1", "w2")))) == 2
    with open_catalogue(tmp_path / "a 100%#?.db") as catalogue:
        fill(tmp_path / "one.db", "w2")
        assert catalogue.digest() == fill(tmp_path / "one.db", "w1")
