"""Differences between devices: probability of direction, simultaneous bands, draws in which a quantity is missing."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from mtjfit.comparison.devices.quantities import DeterminedQuantity, pairwise, pairwise_quantity


def quantity(values: np.ndarray, name: str = "x") -> DeterminedQuantity:
    return DeterminedQuantity(name, "", values, np.zeros(values.shape[1], dtype=bool))


def devices(n: int) -> tuple[str, ...]:
    return tuple(f"D{k}" for k in range(n))


def test_probability_and_interval_of_a_difference_are_those_of_correlated_normals() -> None:
    """sd² = 1 + 1 − 2ρ: adding error bars in quadrature would say √2 for any ρ."""
    rng = np.random.default_rng(0)
    shared = rng.standard_normal((2000, 1))
    values = 0.8 * shared + 0.6 * rng.standard_normal((2000, 2)) + np.array([0.5, 0.0])
    row = pairwise_quantity(quantity(values), devices(2)).iloc[0]
    sd = np.sqrt(2 - 2 * 0.64)
    assert row["p_greater"] == pytest.approx(norm.cdf(0.5 / sd), abs=0.03)  # 2000 draws: 0.009
    assert row["q975"] - row["q025"] == pytest.approx(2 * 1.96 * sd, rel=0.07)
    assert row["q975"] - row["q025"] < 0.75 * 2 * 1.96 * np.sqrt(2)
    assert row["difference"] == pytest.approx(0.5, abs=0.06)


def test_every_pair_is_there_once_with_its_own_numbers() -> None:
    rng = np.random.default_rng(1)
    values = rng.standard_normal((500, 50)) + np.arange(50)
    found = pairwise((quantity(values), quantity(-values, "y")), devices(50))
    assert len(found) == 2 * 1225
    assert not found.duplicated(["quantity", "A", "B"]).any()
    for row in found.sample(20, random_state=0).to_dict("records"):
        a, b = (values[:, int(row[k][1:])] * (1 if row["quantity"] == "x" else -1) for k in "AB")
        np.testing.assert_allclose(row["difference"], np.median(a - b))
        np.testing.assert_allclose(row["p_greater"], np.mean(a > b))


def false_alarms(*, simultaneous: bool) -> float:
    """Share of studies of ten equal devices in which some pair is said to differ."""
    rng = np.random.default_rng(2)
    alarms = []
    for _ in range(80):
        values = rng.standard_normal(10) + rng.standard_normal((400, 10))
        found = pairwise_quantity(quantity(values), devices(10))
        lone = (found["p_greater"] < 0.025) | (found["p_greater"] > 0.975)
        alarms.append(bool((found["clear"] if simultaneous else lone).any()))
    return float(np.mean(alarms))


def test_clear_pairs_among_equal_devices_are_rare() -> None:
    """Five of a hundred studies; more than 14 % of 80 would be once in two thousand."""
    assert false_alarms(simultaneous=True) < 0.14


def test_pairs_looked_at_one_by_one_would_be_wrong_in_most_studies() -> None:
    assert false_alarms(simultaneous=False) > 0.4


def test_a_device_that_differs_is_clear_from_all_others() -> None:
    rng = np.random.default_rng(3)
    values = rng.standard_normal((1000, 6)) + np.array([0, 0, 0, 0, 0, 9.0])
    found = pairwise_quantity(quantity(values), devices(6))
    assert found.loc[found["B"] == "D5", "clear"].all()
    assert not found.loc[found["B"] != "D5", "clear"].any()


def test_equal_by_declaration_is_no_difference_and_no_direction() -> None:
    values = np.random.default_rng(4).standard_normal((300, 1)) * np.ones(3)
    values[:, 1] *= 1 + 1e-15
    found = pairwise_quantity(quantity(values), devices(3))
    assert found["p_greater"].tolist() == [0.5, 0.5, 0.5]
    assert found["difference"].tolist() == [0, 0, 0]
    assert not found["clear"].any()


def test_missing_draws_count_only_for_the_pairs_that_lack_them() -> None:
    rng = np.random.default_rng(5)
    values = rng.standard_normal((1000, 4)) + np.array([0.0, 1.0, 2.0, 0.0])
    values[rng.random(1000) < 0.3, 1] = np.nan
    values[:, 3] = np.nan
    found = pairwise_quantity(quantity(values), devices(4)).set_index(["A", "B"])
    assert found.loc[("D0", "D2"), "share"] == 1
    assert found.loc[("D0", "D1"), "share"] == pytest.approx(0.7, abs=0.05)
    both = np.isfinite(values[:, 1])
    assert found.loc[("D0", "D1"), "p_greater"] == pytest.approx(np.mean(values[both, 0] > values[both, 1]))
    assert found.loc[("D0", "D3"), "share"] == 0
    assert np.isnan(found.loc[("D0", "D3"), "p_greater"])
    assert not found.loc[("D0", "D1"), "clear"]


def test_one_device_has_no_pairs() -> None:
    assert len(pairwise_quantity(quantity(np.ones((10, 1))), devices(1))) == 0
