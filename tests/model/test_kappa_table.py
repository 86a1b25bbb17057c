"""Polynomials of κ(d) in a table, against Eq. 12 itself for any lengths."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mtjfit.model import kappa_table
from mtjfit.model.kappa_table import KappaTable
from mtjfit.study import EQ12

TABLE = KappaTable(0.5, 4.0)
D = np.linspace(0.6, 3.8, 57)
REACH = 0.04  # of a thickness: how far devices may be from where their polynomial was looked up


def error(table: KappaTable, seed: int, n: int = 40) -> float:
    """Largest error of κ, of the largest |κ| of the row, over lengths from 1 pm to 10 µm and Λ from 0 to ∞."""
    rng = np.random.default_rng(seed)
    names = ("lambda_J", "lambda_phi", "lambda_sf_F", "Lambda")
    lengths = {name: 10 ** rng.uniform(-3, 4, (n, 1)) for name in names}
    lengths["Lambda"][:2] = [[0.0], [np.inf]]
    form = EQ12.form(lengths)
    local = table.about(form, np.broadcast_to(D, (n, D.size)))
    d = D * (1 + REACH * rng.uniform(-1, 1, (n, D.size)))
    real, imag = local(d / local.centre - 1)
    exact = form.at(d) / (d if table.per_volume else 1.0)
    found = np.abs(real[0] + 1j * imag[0] - exact)
    return float(np.max(found / np.abs(exact).max(axis=1, keepdims=True)))


@pytest.mark.parametrize("table", [TABLE, KappaTable(0.25, 8.0), replace(TABLE, per_volume=True)])
def test_it_is_eq_12_for_any_lengths(table: KappaTable) -> None:
    assert max(error(table, seed) for seed in range(5)) < 1e-7


def test_a_row_does_not_depend_on_the_others() -> None:
    lengths = {name: np.array([[1.0], [2.0], [0.3]]) for name in ("lambda_J", "lambda_phi", "lambda_sf_F", "Lambda")}
    d = np.broadcast_to(D, (3, D.size))
    together = TABLE.about(EQ12.form(lengths), d).coefficients
    for k in range(3):
        alone = TABLE.about(EQ12.form({name: each[[k]] for name, each in lengths.items()}), d[[k]]).coefficients
        np.testing.assert_array_equal(together[:, :, :, [k]], alone)


@pytest.mark.parametrize(("name", "wrong"), [("_DIGITS", 4.0), ("_CELL", 1.5), ("DEGREE", 2)])
def test_sabotage_is_noticed(monkeypatch: pytest.MonkeyPatch, name: str, wrong: float) -> None:
    monkeypatch.setattr(kappa_table, name, wrong)
    assert error(KappaTable(0.5, 4.0), 0) > 1e-6
