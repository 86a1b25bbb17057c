"""The gain in bits is right, and wrong by as much as it says, for draws of any shape and any correlation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from narrowing_cases import CASES, CHAINS, independent, of_likelihood, of_normal, standing
from scipy.special import ndtr, ndtri

from mtjfit.prior_influence.information import gain_over_normal

Chains = Callable[[int, np.random.Generator], np.ndarray]


def found(name: str, chains: Chains, n: int, repeats: int, seed: int = 1, **seam: Any) -> tuple[np.ndarray, np.ndarray]:
    """Deviations from the exact gain in bits, and the errors that go with them."""
    rng, (move, exact) = np.random.default_rng(seed), CASES[name]
    gains = [gain_over_normal(move(chains(n, rng)), **seam) for _ in range(repeats)]
    return np.array([gain.bits - exact for gain in gains]), np.array([gain.error for gain in gains])


def assert_right(name: str, chains: Chains, repeats: int = 8, **seam: Any) -> None:
    """Within 0.05 bit (root mean square), and within twice what the errors say (8 repeats: one false alarm in 1e6)."""
    off, errors = found(name, chains, 2000, repeats, **seam)
    assert np.sqrt(np.mean(off**2)) < 0.05
    assert np.sqrt(np.mean((off / errors) ** 2)) < 2.2
    assert errors.mean() < 0.05


@pytest.mark.parametrize("name", list(CASES))
def test_gains_are_right_to_a_twentieth_of_a_bit_at_2000_draws(name: str) -> None:
    assert_right(name, independent)


@pytest.mark.parametrize("chains", ["diffusing", "standing"])
@pytest.mark.parametrize("name", ["narrow", "prior", "lower limit"])
def test_correlated_draws_give_the_same_gain_with_its_error(name: str, chains: str) -> None:
    assert_right(name, CHAINS[chains], repeats=5)


@pytest.mark.slow
@pytest.mark.parametrize("chains", list(CHAINS))
@pytest.mark.parametrize("name", list(CASES))
def test_errors_are_calibrated(name: str, chains: str) -> None:
    """At 2000 and 500 draws; of two narrow modes the error is twice too large."""
    for n in (2000, 500):
        off, errors = found(name, CHAINS[chains], n, 60, seed=2)
        ratio = float(np.sqrt(np.mean((off / errors) ** 2)))
        assert ratio < 1.6
        assert name == "two modes" or ratio > 0.6


def test_closed_forms_agree_with_quadrature() -> None:
    """The references themselves: N(0.5, 0.6²) from its likelihood, and a cut as the limit of steep steps."""
    mean, sd = 0.5, 0.6
    width = 1 / (1 / sd**2 - 1)
    measured = mean * width / sd**2
    exact = of_normal(mean, sd)[1]
    assert of_likelihood(lambda z: np.exp(-0.5 * (z - measured) ** 2 / width))[1] == pytest.approx(exact, abs=1e-9)
    low, high = ndtri(0.4), ndtri(0.6)
    steep = of_likelihood(lambda z: ndtr((z - low) / 5e-4) * ndtr((high - z) / 5e-4))[1]
    assert steep == pytest.approx(CASES["cut in the middle"][1], abs=0.004)


def test_turning_the_coordinate_round_changes_nothing() -> None:
    """The score of a rate 1/λ² is minus that of λ."""
    z = CASES["lower limit"][0](independent(2000, np.random.default_rng(3)))
    one, other = gain_over_normal(z), gain_over_normal(-z)
    assert other.bits == pytest.approx(one.bits, abs=1e-6)
    assert other.error == pytest.approx(one.error, rel=1e-3)


def test_draws_that_are_all_equal_have_no_finite_gain() -> None:
    assert gain_over_normal(np.full((4, 50), 0.3)).bits == np.inf


@pytest.mark.parametrize("name", ["prior", "narrow"])
def test_sabotage_taking_draws_that_stand_still_as_independent_is_seen(name: str) -> None:
    """Shuffled draws hide that they stand still: gains of the prior are too large, errors of narrow ones too small."""

    def shuffled(n: int, rng: np.random.Generator) -> np.ndarray:
        y = standing(n, rng)
        return rng.permutation(y.ravel()).reshape(y.shape)

    with pytest.raises(AssertionError):
        assert_right(name, shuffled)


def test_sabotage_an_entropy_without_its_correction_is_seen() -> None:
    with pytest.raises(AssertionError):
        assert_right("prior", independent, mean_log=np.log)
