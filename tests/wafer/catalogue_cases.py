"""Reduced chunks that no table was needed for, and what a catalogue of them is to hold."""

from __future__ import annotations

import numpy as np

from mtjfit.data import Origin
from mtjfit.wafer import Fault, Reduced
from mtjfit.wafer.catalogue import Catalogue, Configuration, Source

COLUMNS = ("slope_ratio", "|kappa|·a1", "b2/a1", 'x" REAL); DROP TABLE devices; --')
CONFIGURATION = Configuration("f00d", COLUMNS, {"b2/a1": "1/V"}, {"misfit_scatter": 2}, "[study]\nname = 'µ'\n")


def reduced(number: int, J: int = 4, *, wafer: str = "w1", seed: int = 0, faulty: bool = False) -> Reduced:
    """A chunk of devices `d<number>.<j>` with random quantities, one in three not determined; of chunk 0 measured."""
    rng = np.random.default_rng([seed, number])
    values = {name: np.where(rng.random(J) < 1 / 3, np.nan, rng.normal(size=J)) for name in COLUMNS}
    values["b2/a1"][:1] = np.inf
    split = tuple("thin" if j % 2 else "=thick" for j in range(J))
    device = tuple(f"d{number}.{j}" for j in range(J))
    faults = (Fault(f"bad{number}", wafer, "", f"t.csv:{number}", "no number", "correct it"),) if faulty else ()
    flags = np.where(np.arange(J) % 4 == 3, 2, 0)
    origins = (Origin("simulated", f"chunk {number}") if number else Origin(),)
    return Reduced(number, device, (wafer,) * J, split, values, flags, rng.normal(size=(J, 5)), faults, origins)


def begun(catalogue: Catalogue, name: str = "/data/t.csv", identity: str = "i1", *, chunk_size: int = 4) -> Source:
    """The table that `reduced` stands for."""
    return catalogue.begin(CONFIGURATION, name, identity, chunk_size)
