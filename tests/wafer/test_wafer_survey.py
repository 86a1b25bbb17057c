"""Spreads of true values, control limits, odd devices, smooth parts, wafers against each other: on known truth.

Statistical tests have fixed seeds; each bound would be missed by chance once in a thousand seeds at most.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.optimize import root
from scipy.stats import binom, kstest, norm
from scipy.stats import t as student
from survey_cases import BOWL, CENTRE, Q, in_two_splits, lot, survey_of, wafer

from mtjfit.errors import ConfigError, DataError
from mtjfit.wafer import Survey, compare_wafers, control_limits, odd_devices, smooth_surfaces, wafer_means
from mtjfit.wafer.survey.limits import CORRECTIONS
from mtjfit.wafer.survey.robust import CUT, EFFICIENCY, SHARE, estimates
from mtjfit.wafer.survey.spread import spread_of


def drawn(rng: np.random.Generator, n: int, spread: float, centre: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    errors = rng.uniform(0.5, 1.5, n)
    return centre + rng.normal(0, np.hypot(spread, errors)), errors


def flat(rng: np.random.Generator, n: int) -> Survey:
    """Devices that scatter normally, nothing odd about them."""
    values, errors = drawn(rng, n, 1.0)
    return Survey("flat", pd.DataFrame({"device": [f"D{k}" for k in range(n)], "b": values, "b_sd": errors}))


def plausible(successes: int, n: int, p: float) -> bool:
    """Whether so many successes are no accident of one in a thousand."""
    return bool(binom.ppf(0.0005, n, p) <= successes <= binom.ppf(0.9995, n, p))


def test_corrections_are_integrals_of_the_normal_density() -> None:
    def within(f) -> float:
        return 2 * quad(lambda z: f(z) * norm.pdf(z), 0, CUT)[0]

    share = within(lambda z: z**2) / within(lambda z: 1.0)
    assert pytest.approx(share, rel=1e-9) == SHARE
    assert pytest.approx(within(lambda z: (z**2 - share) ** 2) / 2, rel=1e-8) == EFFICIENCY


def test_centre_and_spread_solve_their_equations() -> None:
    q, s = drawn(np.random.default_rng(3), 60, 1.3, 5.0)
    q[7] += 20
    found, kept = spread_of(q, s), estimates(q, s, np.zeros(60, dtype=int)).kept
    assert not kept[7]

    def equations(x: np.ndarray) -> list[float]:
        w = np.sqrt(x[1] ** 2 + s**2)[kept]
        z = (q[kept] - x[0]) / w
        return [float(np.sum(z / w)), float(np.sum(z**2) - (z.size - 1) * SHARE)]

    other = root(equations, [np.median(q), 1.0], tol=1e-12).x
    np.testing.assert_allclose([found.centre, found.spread], other, rtol=1e-6)


def test_deviations_are_those_of_a_fit_to_all_others() -> None:
    """Of equal errors: the deleted residual of the textbook, and Student's t with its degrees of freedom."""
    q = np.random.default_rng(4).normal(0, 2, 12)
    found = estimates(q, np.full(12, 0.5), np.zeros(12, dtype=int), robust=False)
    for j in range(12):
        others = np.delete(q, j)
        expected = (q[j] - others.mean()) / (others.std(ddof=1) * math.sqrt(1 + 1 / 11))
        assert found.deviation[j] == pytest.approx(expected)
        assert found.p[j] == pytest.approx(2 * student.sf(abs(expected), 10))


def test_without_a_bound_and_with_equal_errors_it_is_the_textbook_formula() -> None:
    q = np.random.default_rng(0).normal(0, 2, 30)
    found = spread_of(q, np.full(30, 0.7), robust=False)
    assert found.centre == pytest.approx(q.mean())
    assert found.spread == pytest.approx(math.sqrt(np.var(q, ddof=1) - 0.7**2))
    assert found.centre_sd == pytest.approx(np.std(q, ddof=1) / math.sqrt(30))


@pytest.mark.parametrize(
    ("n", "spread", "known"), [(12, 1.0, True), (60, 0.5, True), pytest.param(60, 0.5, False, id="sabotage")]
)
def test_intervals_of_the_spread_cover_the_truth_unless_errors_are_ignored(n: int, spread: float, known: bool) -> None:
    rng = np.random.default_rng([n, 60])
    found = [spread_of(q, known * s) for q, s in (drawn(rng, n, spread) for _ in range(60))]
    assert plausible(sum(each.low <= spread <= each.high for each in found), 60, 0.95) == known


def test_equal_devices_are_not_told_apart() -> None:
    rng = np.random.default_rng(1)
    found = [spread_of(*drawn(rng, 30, 0.0)) for _ in range(100)]
    assert plausible(sum(each.determined for each in found), 100, 0.025)
    assert all("not determined" in each.says for each in found if not each.determined)


def test_one_device_in_ten_far_off_moves_little() -> None:
    q, s = drawn(np.random.default_rng(2), 400, 1.0)
    clean = spread_of(q, s)
    q[:40] += 30
    odd = spread_of(q, s)
    assert odd.centre == pytest.approx(clean.centre, abs=0.1)
    assert odd.spread == pytest.approx(clean.spread, rel=0.1)
    assert spread_of(q, s, robust=False).spread > 6 * clean.spread


@pytest.mark.parametrize("values", [[], [1.0, np.nan]])
def test_refuses_what_is_no_number(values: list[float]) -> None:
    with pytest.raises(ValueError, match="values"):
        spread_of(np.array(values), np.zeros(len(values)))


def test_limits_hold_as_many_devices_as_they_say() -> None:
    rng = np.random.default_rng(5)
    made = pd.concat([control_limits(flat(rng, 2000), "b") for _ in range(5)])
    beyond, expected = made[["beyond", "expected"]].sum()
    assert abs(beyond - expected) < 3.5 * math.sqrt(expected)


def test_limits_are_those_of_true_values_and_of_one_wafer() -> None:
    rng = np.random.default_rng(6)
    quiet, noisy = (survey_of(wafer(rng, "A", bowl=0, error=e), wafer(rng, "B", bowl=0, error=e, shift=0.2))
                    for e in (0.001, 0.01))  # fmt: skip
    widths = [np.diff(control_limits(each, Q).loc["", ["low", "high"]])[0] for each in (quiet, noisy)]
    np.testing.assert_allclose(widths, 6 * 0.012, rtol=0.15)


def test_flagged_devices_make_no_limits() -> None:
    survey = lot(7, 2)
    frame = survey.frame.assign(slope_ratio=survey.values(Q) + 100.0 * survey.flagged)
    pd.testing.assert_frame_equal(control_limits(survey_of(frame), Q), control_limits(survey, Q))


def test_an_undetermined_spread_gives_no_limits() -> None:
    row = control_limits(survey_of(wafer(np.random.default_rng(8), "A", bowl=0, scatter=0.0)), Q).iloc[0]
    assert np.isnan([row["low"], row["high"], row["beyond"]]).all()
    assert "not determined" in row["says"]


def alarms(rng: np.random.Generator, n: int, times: int) -> int:
    """Surveys with a false alarm."""
    return sum(odd_devices(flat(rng, n)).beyond > 0 for _ in range(times))


@pytest.mark.parametrize(
    ("n", "times"), [(15, 20), *(pytest.param(n, 1000, marks=pytest.mark.slow) for n in (10, 15, 150))]
)
def test_false_alarms_are_as_rare_as_said(n: int, times: int) -> None:
    assert alarms(np.random.default_rng([n, 1]), n, times) <= binom.ppf(0.999, times, 0.05)


def test_sabotage_many_comparisons_without_correction_alarm_nearly_always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CORRECTIONS, "holm", lambda p: p)
    assert alarms(np.random.default_rng(9), 150, 8) > 5


def test_odd_and_flagged_devices_are_listed_with_reasons_and_none_is_lost() -> None:
    found = odd_devices(lot(11, 3)).table
    assert sorted(found["device"]) == sorted(f"W{k}-{j:04d}" for k in (1, 2, 3) for j in (40, 50, 60))
    reasons = found.set_index("device")["reason"]
    assert reasons["W1-0040"].startswith("slope_ratio is ")
    assert "scatter test" in reasons["W1-0050"]
    assert "do not determine" in reasons["W1-0060"]
    assert found["flags"].iloc[:3].eq("").all(), "flagged devices come last"


def test_a_device_that_is_odd_for_its_place_only_is_found_there() -> None:
    frame = wafer(np.random.default_rng(12), "A", bowl=0.3)
    rim = frame[np.hypot(frame.x, frame.y) > 45].index[0]
    frame.loc[rim, "slope_ratio"] = CENTRE  # as in the middle of the wafer
    found, without = (odd_devices(survey_of(frame), [Q], smooth=smooth).table for smooth in (True, False))
    assert "at its place" in found.set_index("device").loc[frame.device[rim], "reason"]
    assert frame.device[rim] not in set(without["device"])


def test_controls_have_names() -> None:
    assert "on average" in odd_devices(lot(0, 1), control="fdr").says
    with pytest.raises(ValueError, match="holm or fdr"):
        odd_devices(lot(0, 1), control="none")  # type: ignore[arg-type]


def test_a_bowl_is_found_again_and_odd_devices_do_not_bend_it() -> None:
    frame = wafer(np.random.default_rng(13), "A")
    frame.loc[frame.index[:8], "slope_ratio"] += 1.0
    (surface,) = smooth_surfaces(survey_of(frame), Q)
    truth = CENTRE + BOWL * np.sum((frame[["x", "y"]].to_numpy() / 50) ** 2, axis=1)
    pulls = (surface.value - truth) / surface.value_sd
    assert surface.clear
    assert np.sqrt(np.mean(pulls**2)) < 2.2  # six coefficients: beyond that once in a thousand
    np.testing.assert_allclose(surface.at(frame.x, frame.y), surface.value)
    assert surface.spread.spread == pytest.approx(0.012, rel=0.25)


def test_a_flat_wafer_has_uniform_p_values_and_sabotage_a_bowl_has_not() -> None:
    rng = np.random.default_rng(14)

    def p(bowl: float, times: int) -> list[float]:
        survey = survey_of(*(wafer(rng, f"W{k}", bowl=bowl) for k in range(times)))
        return [surface.p for surface in smooth_surfaces(survey, Q)]

    assert kstest(p(0.0, 20), "uniform").pvalue > 1e-3
    assert kstest(p(BOWL, 8), "uniform").pvalue < 1e-3


def test_splits_on_one_wafer_have_their_own_centres_and_one_bowl() -> None:
    frame = in_two_splits(wafer(np.random.default_rng(15), "A"), 0.5)
    (surface,) = smooth_surfaces(survey_of(frame), Q)
    assert surface.spread.spread == pytest.approx(0.012, rel=0.25)
    thin = (frame["split"] == "thin").to_numpy()
    assert np.mean(surface.value[thin]) - np.mean(surface.value[~thin]) == pytest.approx(0.5, abs=0.01)


def stack(thicknesses: np.ndarray, rng: np.random.Generator) -> Survey:
    """Devices of one stack on one wafer; the quantity depends on the thickness far more than it scatters."""
    frame = wafer(rng, "A", bowl=0.0).iloc[: thicknesses.size]
    return survey_of(frame.assign(split="A", thickness=thicknesses, slope_ratio=frame[Q] + np.nan_to_num(thicknesses)))


def test_devices_of_a_stack_are_compared_with_those_of_their_thickness() -> None:
    rng = np.random.default_rng(21)
    d = np.resize([2.2, 0.8, 1.4], 240)
    survey = stack(d, rng)
    assert survey.populations == ("A, 0.8 nm", "A, 1.4 nm", "A, 2.2 nm")
    limits = control_limits(survey, Q)
    assert limits.index.tolist() == list(survey.populations)
    np.testing.assert_allclose(limits["spread"], 0.012, rtol=0.35)
    odd = survey.frame.assign(slope_ratio=survey.frame[Q] + 0.2 * (np.arange(240) == 7))
    found = odd_devices(survey_of(odd), [Q], smooth=False)
    assert found.table["device"].tolist() == [odd["device"][7]]
    assert found.table["population"].tolist() == ["A, 0.8 nm"]
    # sabotage: among all thicknesses it hides
    assert odd_devices(survey_of(odd.assign(population="A")), [Q], smooth=False).table.empty
    assert survey.part(d < 2).populations == ("A, 0.8 nm", "A, 1.4 nm")


def test_thicknesses_measured_one_by_one_divide_nothing() -> None:
    rng = np.random.default_rng(22)
    for thicknesses in (rng.uniform(1.0, 2.0, 60), np.full(60, 1.5), np.full(60, np.nan)):
        assert stack(thicknesses, rng).populations == ("A",)


def test_no_surface_without_enough_places() -> None:
    frame = wafer(np.random.default_rng(16), "A")
    assert smooth_surfaces(survey_of(frame.iloc[:17]), Q) == ()
    assert smooth_surfaces(survey_of(frame.assign(y=frame.x)), Q) == ()
    with pytest.raises(ValueError, match="order"):
        smooth_surfaces(survey_of(frame), Q, order=9)


@pytest.mark.parametrize(
    ("columns", "wrong"),
    [
        ({"device": ["A", "A"]}, "twice"),
        ({"die": ["A"]}, "no column 'device'"),
        ({"device": ["A"], "b": ["x"], "b_sd": [0.1]}, "more than numbers"),
    ],
)
def test_a_survey_says_what_is_wrong_with_its_table(columns: dict[str, list], wrong: str) -> None:
    with pytest.raises(DataError, match=wrong):
        Survey("s", pd.DataFrame(columns))
    with pytest.raises(DataError, match="choose among: slope_ratio"):
        lot(0, 1).values("slop_ratio")


# wafers against each other


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
    survey = made([n, int(100 * own)], n, 100, own=own)
    pairs = compare_wafers(survey, "b", own=declared).set_index(["A", "B"])["p_greater"]
    found = [pairs[f"W{k}", f"W{k + 1}"] for k in range(0, 100, 2)]
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
