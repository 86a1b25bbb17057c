"""Wafers against each other: probabilities that are right on average, and errors that are kept apart.

Statistical tests have fixed seeds; each would fail by chance once in a thousand seeds at most.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kstest
from survey_cases import survey_of, wafer

from mtjfit.errors import ConfigError, DataError
from mtjfit.wafer.commands.compare import is_catalogue, together
from mtjfit.wafer.survey.compare import compare_wafers, wafer_means
from mtjfit.wafer.survey.survey import Survey


def made(rng: np.random.Generator, n: int, wafers: int = 2, *, own: float = 0.0, between: float = 0.0) -> Survey:
    """Wafers of n devices about 5; their means scatter by `between`, and each has a relative error of its own."""
    truth = (5 + between * rng.standard_normal(wafers)) * (1 + own * rng.standard_normal(wafers))
    errors = rng.uniform(0.2, 0.6, (wafers, n))
    values = truth[:, None] + rng.normal(0, np.hypot(0.5, errors))
    names = [f"W{k}" for k in range(wafers)]
    return Survey("made", pd.DataFrame({
        "device": np.tile(np.arange(n), wafers).astype(str), "wafer": np.repeat(names, n), "b": values.ravel(),
        "b_sd": errors.ravel(),
    }))  # fmt: skip


def directions(n: int, own: float, declared: float, times: int = 35) -> np.ndarray:
    """Probabilities for pairs that share no wafer: W0 − W1, W2 − W3, …"""
    rng = np.random.default_rng([n, int(100 * own)])
    pairs = compare_wafers(made(rng, n, 2 * times, own=own), "b", own=declared).set_index(["A", "B"])["p_greater"]
    return np.array([pairs[f"W{2 * k}", f"W{2 * k + 1}"] for k in range(times)])


@pytest.mark.parametrize(("n", "own"), [(8, 0.0), pytest.param(40, 0.0, marks=pytest.mark.slow), (40, 0.05)])
def test_the_probability_of_direction_is_uniform_where_there_is_none(n: int, own: float) -> None:
    assert kstest(directions(n, own, own), "uniform").pvalue > 1e-3


def test_sabotage_an_undeclared_error_of_the_wafers_is_seen() -> None:
    assert kstest(directions(40, 0.05, 0.0), "uniform").pvalue < 1e-3


def test_errors_of_means_are_their_scatter() -> None:
    rng = np.random.default_rng(1)
    n = 60
    table = wafer_means(made(rng, 50, n), "b").table
    assert table["sd_devices"].mean() == pytest.approx(table["mean"].std(), rel=3.3 / np.sqrt(2 * n))


def test_means_given_all_wafers_are_the_posterior_of_the_linear_model() -> None:
    """Precision matrix of (M, μ_1 … μ_k), inverted: M flat, μ about M, data about μ."""
    found = wafer_means(made(np.random.default_rng(2), 30, 6, between=0.4), "b")
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
    found = wafer_means(made(np.random.default_rng(3), 60, 60, between=0.4), "b").between
    assert found.low < 0.4 < found.high
    assert found.determined


def test_common_errors_scale_differences_and_leave_directions_alone() -> None:
    survey = made(np.random.default_rng(4), 40, 3, between=0.3)
    without, with_common = (compare_wafers(survey, "b", common=common) for common in (0.0, 0.1))
    pd.testing.assert_series_equal(without["p_greater"], with_common["p_greater"])
    np.testing.assert_allclose(with_common["sd_common"], 0.1 * with_common["difference"].abs())
    np.testing.assert_allclose(with_common["sd"] ** 2 - without["sd"] ** 2, with_common["sd_common"] ** 2, atol=1e-12)


def test_more_devices_help_against_scatter_and_not_against_errors_of_the_wafer() -> None:
    few, many = (wafer_means(made(np.random.default_rng(5), n, 2), "b", own=0.02).table for n in (50, 5000))
    assert np.all(many["sd_devices"] < 0.15 * few["sd_devices"])
    np.testing.assert_allclose(many["sd_wafer"], 0.02 * many["mean"])


def test_wafers_of_several_splits_are_compared_split_by_split() -> None:
    rng = np.random.default_rng(6)
    frames = [wafer(rng, name, bowl=0.0) for name in ("A", "B", "C")]
    for frame in frames:
        frame["split"] = np.where(np.arange(len(frame)) % 2, "thin", "thick")
        frame.loc[frame["split"] == "thin", "slope_ratio"] += 0.3
    survey = survey_of(*frames)
    pairs = compare_wafers(survey, "slope_ratio")
    assert len(pairs) == 6
    assert not pairs["clear"].any()
    assert set(wafer_means(survey, "slope_ratio").table.index) == {
        f"{w}, {s}" for w in "ABC" for s in ("thin", "thick")
    }
    assert wafer_means(survey, "slope_ratio").between.spread < 0.01, "splits differ by design, wafers do not"


def test_wrong_errors_are_named_all_at_once() -> None:
    survey = made(np.random.default_rng(7), 5)
    with pytest.raises(ConfigError) as caught:
        compare_wafers(survey, "b", own={"W9": 0.1, "W0": -1.0}, common=float("nan"))
    assert len(caught.value.problems) == 3


def test_nothing_to_compare_gives_an_empty_table() -> None:
    assert compare_wafers(made(np.random.default_rng(8), 5, 1), "b").empty
    nothing = made(np.random.default_rng(8), 5, 1)
    nothing.frame.loc[:, "b"] = np.nan
    assert wafer_means(nothing, "b").table.empty


def test_surveys_are_put_together_only_if_their_numbers_mean_the_same() -> None:
    rng = np.random.default_rng(9)
    one, two = survey_of(wafer(rng, "W1")), survey_of(wafer(rng, "W1"))
    both = together({"a": one, "b": two}, {"a": "area", "b": "area"})
    assert both.wafers == ("a: W1", "b: W1")
    assert both.label == one.label
    with pytest.raises(ConfigError, match="per volume"):
        together({"a": one, "b": two}, {"a": "area", "b": "volume"})
    together({"a": one, "b": two}, {"a": "area", "b": "volume"}, ["slope_ratio"])
    other = Survey("x", two.frame, {"|kappa|·a1": "arb"}, two.flags)
    with pytest.raises(ConfigError, match=r"arb\. units"):
        together({"a": one, "b": other}, {"a": "area", "b": "area"})
    bare = Survey("x", two.frame[["device"]])
    with pytest.raises(DataError, match="in common"):
        together({"a": one, "b": bare}, {"a": "area", "b": "area"})


def test_a_catalogue_is_told_from_a_study_by_its_first_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_bytes(b"SQLite format 3\0 and more")
    (tmp_path / "b.db").write_text("[study]\n")
    assert [is_catalogue(tmp_path / name) for name in ("a.db", "b.db", "c.db")] == [True, False, False]
