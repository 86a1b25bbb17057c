"""Wafers against each other: probabilities that are right on average, and errors that are kept apart.

Statistical tests have fixed seeds; each would fail by chance once in a thousand seeds at most.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kstest
from survey_cases import Q, in_two_splits, survey_of, wafer

from mtjfit.errors import ConfigError
from mtjfit.wafer import Survey, compare_wafers, wafer_means


def made(seed: int | list[int], n: int, wafers: int = 2, *, own: float = 0.0, between: float = 0.0) -> Survey:
    """Wafers of n devices about 5; their means scatter by `between`, and each has a relative error of its own."""
    rng = np.random.default_rng(seed)
    truth = (5 + between * rng.standard_normal(wafers)) * (1 + own * rng.standard_normal(wafers))
    errors = rng.uniform(0.2, 0.6, (wafers, n))
    values = truth[:, None] + rng.normal(0, np.hypot(0.5, errors))
    names = [f"W{k}" for k in range(wafers)]
    return Survey("made", pd.DataFrame({
        "device": np.tile(np.arange(n), wafers).astype(str), "wafer": np.repeat(names, n), "b": values.ravel(),
        "b_sd": errors.ravel(),
    }))  # fmt: skip


@pytest.mark.parametrize(
    ("n", "own", "declared"),
    [(8, 0.0, 0.0), pytest.param(40, 0.0, 0.0, marks=pytest.mark.slow), (40, 0.05, 0.05),
     pytest.param(40, 0.05, 0.0, id="sabotage")],
)  # fmt: skip
def test_the_probability_of_direction_is_uniform_where_there_is_none(n: int, own: float, declared: float) -> None:
    """Of pairs that share no wafer, W0 − W1, W2 − W3, …; and not if wafers have an error that is not declared."""
    survey = made([n, int(100 * own)], n, 70, own=own)
    pairs = compare_wafers(survey, "b", own=declared).set_index(["A", "B"])["p_greater"]
    found = [pairs[f"W{k}", f"W{k + 1}"] for k in range(0, 70, 2)]
    assert (kstest(found, "uniform").pvalue > 1e-3) == (declared == own)


def test_errors_of_means_are_their_scatter() -> None:
    table = wafer_means(made(1, 50, 60), "b").table
    assert table["sd_devices"].mean() == pytest.approx(table["mean"].std(), rel=3.3 / np.sqrt(2 * 60))


def test_means_given_all_wafers_are_the_posterior_of_the_linear_model() -> None:
    """Precision matrix of (M, μ_1 … μ_k), inverted: M flat, μ about M, data about μ."""
    found = wafer_means(made(2, 30, 6, between=0.4), "b")
    mean, sd, omega = found.table["mean"].to_numpy(), found.table["sd"].to_numpy(), found.between.spread
    assert omega > 0
    k = mean.size
    precision = np.zeros((k + 1, k + 1))
    precision[0, 0], precision[0, 1:], precision[1:, 0] = k / omega**2, -1 / omega**2, -1 / omega**2
    precision[1:, 1:] = np.diag(1 / sd**2 + 1 / omega**2)
    right = np.concatenate([[0.0], mean / sd**2])
    covariance = np.linalg.inv(precision)
    np.testing.assert_allclose(found.table["shrunk"], (covariance @ right)[1:], rtol=1e-9)
    np.testing.assert_allclose(found.table["shrunk_sd"], np.sqrt(np.diag(covariance))[1:], rtol=1e-9)


def test_the_spread_between_wafers_is_found_again() -> None:
    found = wafer_means(made(3, 60, 60, between=0.4), "b").between
    assert found.low < 0.4 < found.high
    assert found.determined


def test_common_errors_scale_differences_and_leave_directions_alone() -> None:
    survey = made(4, 40, 3, between=0.3)
    without, with_common = (compare_wafers(survey, "b", common=common) for common in (0.0, 0.1))
    pd.testing.assert_series_equal(without["p_greater"], with_common["p_greater"])
    np.testing.assert_allclose(with_common["sd_common"], 0.1 * with_common["difference"].abs())
    np.testing.assert_allclose(with_common["sd"] ** 2 - without["sd"] ** 2, with_common["sd_common"] ** 2, atol=1e-12)


def test_more_devices_help_against_scatter_and_not_against_errors_of_the_wafer() -> None:
    few, many = (wafer_means(made(5, n, 2), "b", own=0.02).table for n in (50, 5000))
    assert np.all(many["sd_devices"] < 0.15 * few["sd_devices"])
    np.testing.assert_allclose(many["sd_wafer"], 0.02 * many["mean"])


def test_wafers_of_several_splits_are_compared_split_by_split() -> None:
    rng = np.random.default_rng(6)
    survey = survey_of(*(in_two_splits(wafer(rng, name, bowl=0.0), 0.3) for name in "ABC"))
    pairs, means = compare_wafers(survey, Q), wafer_means(survey, Q)
    assert len(pairs) == 6
    assert not pairs["clear"].any()
    assert set(means.table.index) == {f"{w}, {s}" for w in "ABC" for s in ("thin", "thick")}
    assert means.between.spread < 0.01, "splits differ by design, wafers do not"


def test_wrong_errors_are_named_all_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        compare_wafers(made(7, 5), "b", own={"W9": 0.1, "W0": -1.0}, common=float("nan"))
    assert len(caught.value.problems) == 3


def test_nothing_to_compare_gives_an_empty_table() -> None:
    one = made(8, 5, 1)
    assert compare_wafers(one, "b").empty
    one.frame.loc[:, "b"] = np.nan
    assert wafer_means(one, "b").table.empty
    assert compare_wafers(one, "b").empty
