"""Profile likelihood intervals: exact where the model is linear, another minimiser where not, and no false limits."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest
from independent_profile import Design, random_design, rise_by_scipy
from model_studies import FEW, LENGTHS, TRUTH, naive, simulated
from scipy import stats
from shortcuts import slow_after

import mtjfit
from mtjfit.infer import identify
from mtjfit.model import LEVELS, FullPosterior, Interval, Profile, Search, profiles
from mtjfit.model.descent import Descent, Points
from mtjfit.model.line import Axis, Line
from mtjfit.model.profile import Reference, below, reference, thresholds
from mtjfit.study import Fixed, LogNormal, LogUniform, Normal, Parameter, Study, Uniform

SERIES = (0.8, 1.5, 2.5, 4.0, 6.0)
KNOWN = {name: Fixed(TRUTH[name]) for name in LENGTHS}


def near_truth(model: FullPosterior) -> Reference:
    """The most likely point near the truth, from which profiles look for a better one."""
    true = TRUTH | {"noise_par": 0.02, "noise_perp": 0.02, "dead_layer": 0.01}
    true |= {f"thickness[{curve.device}]": curve.thickness for curve in model.study.curves}
    return reference(model, np.array([true[name] for name in model.layout.names]))


def profile_of(study: Study, name: str, search: Search = FEW) -> Profile:
    model = FullPosterior(study)
    return profiles(model, (name,), near_truth(model), search=search).profiles[name]


@cache
def profile_of_noisy(name: str) -> Profile:
    return profile_of(noisy(), name)


@pytest.mark.parametrize("quantity", ["torque", "torkance"])
def test_a_linear_model_with_known_errors_has_normal_intervals(quantity: str) -> None:
    """All lengths known, a1 and a2 correlated: best ± z sd of ordinary least squares on the points themselves."""
    study = simulated((1.0, 2.0), a2=Normal(0.0, 3.0), quantity=quantity, **KNOWN)
    parts = naive(study, TRUTH)
    white = parts["D"] / parts["sigma"][:, None]
    best = np.linalg.lstsq(white, parts["y"] / parts["sigma"])[0]
    sd = np.sqrt(np.diagonal(np.linalg.inv(white.T @ white)))
    for k, name in enumerate(parts["labels"]):
        found = profile_of(study, name)
        for level in LEVELS:
            half = stats.norm.ppf((1 + level) / 2) * sd[k]
            one = found.interval(level)
            assert (one.low, one.high) == pytest.approx((best[k] - half, best[k] + half), abs=1e-6 * sd[k])


def test_fitted_errors_give_the_profile_of_the_likelihood() -> None:
    """λ_J = ∞ makes κ real, so that a1 lives in T_par and its noise scale alone: N ln(S/S_min) by hand.

    With N = 22 values, and ν = 18 of them beyond the polynomials of two devices, the threshold is N ln(1 + t²/ν): the
    interval is that of Student's t with 18 degrees of freedom and the variance S_min/18, a little too wide.
    """
    study = simulated((1.0, 2.0), fit_sigma=True, **(KNOWN | {"lambda_J": Fixed(np.inf)}))
    found = profile_of(study, "a1")
    K = mtjfit.physics.kappa(np.array([1.0, 2.0]), np.inf, *(TRUTH[name] for name in LENGTHS[1:]), 1.0).real
    x = np.concatenate([k * curve.bias for k, curve in zip(K, study.curves, strict=True)])
    y = np.concatenate([curve.par for curve in study.curves])
    best = x @ y / (x @ x)
    lowest = np.sum((y - best * x) ** 2)
    by_hand = 22 * np.log(np.sum((y - found.values[:, None] * x) ** 2, axis=1) / lowest)
    np.testing.assert_allclose(found.rise, by_hand, atol=2e-3)
    for level in LEVELS:
        t = stats.t.ppf((1 + level) / 2, 18)
        half = t * np.sqrt(lowest / 18 / (x @ x))
        one = found.interval(level)
        assert (one.low, one.high) == pytest.approx((best - half, best + half), abs=0.002 * half)
    # sabotage: the quantiles of known errors would be too narrow by more than the comparison forgives
    assert found.thresholds[1] > 1.15 * stats.chi2.ppf(0.95, 1)


@cache
def noisy() -> Study:
    return simulated((0.8, 1.5, 2.5, 4.0), n_bias=3, noise=0.004, seed=2)


@cache
def fit_of_noisy() -> mtjfit.FitResult:
    return mtjfit.fit(noisy())


@pytest.mark.parametrize("name", slow_after(1, ["lambda_J", "lambda_sf_N"]))
def test_ends_are_where_another_minimiser_reaches_the_threshold(name: str) -> None:
    """Both ends at 95 %: χ² rises by 3.84, to the error of a straight line in √rise between close points."""
    one = profile_of_noisy(name).interval(0.95)
    for end in (one.low, one.high):
        assert rise_by_scipy(fit_of_noisy(), name, end) == pytest.approx(3.84, abs=0.05)


def test_a_length_without_upper_limit_is_open() -> None:
    """At 5 % noise: a lower end, which another minimiser confirms, and none above up to the end of its range."""
    study = simulated(SERIES, n_bias=5, noise=0.05, lambda_sf_F=LogNormal(10.0, 2.0))
    found = profile_of(study, "lambda_sf_F")
    one = found.interval(0.95)
    assert 1.0 < one.low < 10.0
    assert one.high == np.inf
    assert found.values[-1] == pytest.approx(1e5)
    assert found.rise[-1] < found.thresholds[0]


def one_thickness() -> Study:
    return mtjfit.load_study(mtjfit.dataset("sankey2008").study_file)


def test_a_barrier_is_no_limit() -> None:
    """One thickness bounds no length; but from its best fit a search that only goes on finds λ_φ < 18 nm at 95 %.

    Independent of both: with λ_φ fixed at 40 nm the fit, from many starts, is as good as ever.
    """
    study = one_thickness()
    one = profile_of(study, "lambda_phi", Search()).interval(0.95)
    assert (one.low, one.high) == (0.0, np.inf)
    held = {**study.parameters, "lambda_phi": Parameter("lambda_phi", Fixed(40.0))}
    assert mtjfit.fit(study.replace(parameters=held)).chi2 < mtjfit.fit(study).chi2 + 0.1


def test_a_profile_finds_the_best_fit_from_a_poor_one() -> None:
    """A start that is not the best point: the profile begins anew from the better one, and says which it is."""
    model = FullPosterior(noisy())
    best = near_truth(model)
    poor = type(best)(best.values * 1.3, best.amplitudes, best.lowest + 5.0)
    found = profiles(model, ("lambda_J",), poor, search=FEW)
    assert found.best.lowest == pytest.approx(best.lowest, abs=1e-3)
    assert found.profiles["lambda_J"].best == pytest.approx(best.values[0], rel=1e-2)
    assert found.profiles["lambda_J"].rise.min() == 0.0


def test_a_range_that_ends_leaves_an_end_open() -> None:
    """The prior ends below the 95 % limit of the data: the upper end is open, not the end of the prior."""
    wide = profile_of_noisy("lambda_J").interval(0.95)
    study = noisy()
    edge = TRUTH["lambda_J"] * 1.001
    assert wide.low < edge < wide.high
    narrow = {**study.parameters, "lambda_J": Parameter("lambda_J", LogUniform(0.1, edge))}
    found = profile_of(study.replace(parameters=narrow), "lambda_J")
    assert found.interval(0.95).high == np.inf
    assert found.range[1] == pytest.approx(edge)
    assert found.interval(0.95).low == pytest.approx(wide.low, rel=0.02)


@pytest.mark.slow
def test_a_dead_layer_follows_from_zero() -> None:
    """Best at zero, where a search hardly moves away from the edge: λ_φ held at its end, against three fixed layers."""
    study = simulated(SERIES, noise=0.003, n_bias=5, dead_layer=Uniform(0.0, 0.5))
    model = FullPosterior(study)
    about = near_truth(model)
    found = profiles(model, ("lambda_sf_N",), about, search=FEW).profiles["lambda_sf_N"]
    for value, rise in list(zip(found.values, found.rise, strict=True))[:: max(1, found.values.size // 4)]:
        each = []
        for layer in (0.0, 0.02, 0.05, 0.1, 0.15, 0.2):
            fixed = {"dead_layer": Fixed(layer), "lambda_sf_N": Fixed(float(value))}
            held = {**study.parameters, **{name: Parameter(name, prior) for name, prior in fixed.items()}}
            held_model = FullPosterior(study.replace(parameters=held))
            start = [about.values[model.layout.names.index(name)] for name in held_model.layout.names]
            each.append(reference(held_model, np.array(start)).lowest)
        assert rise < min(each) - about.lowest + 0.02


def test_intervals_of_a_profile_are_hulls() -> None:
    """Two valleys: from the first to the last value below the threshold, by straight lines in √rise."""
    values = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    found = Profile("b2", 2.0, values, np.array([9.0, 0.0, 9.0, 0.0, 4.0, 16.0]), (-9.0, 9.0), (1.0, 4.0), log=False)
    assert found.interval(0.68) == Interval(0.68, 2 - 1 / 3, 4.5)
    assert found.interval(0.95) == Interval(0.95, 2 - 2 / 3, 5.0)
    open_below = Profile("b2", 2.0, values[1:], found.rise[1:], (-9.0, 9.0), (1.0, 4.0), log=False)
    assert open_below.interval(0.68).low == -np.inf
    with pytest.raises(ValueError, match=r"0\.68 or 0\.95"):
        found.interval(0.9)


def test_thresholds_grow_where_scales_are_fitted_from_few_values() -> None:
    known = thresholds(FullPosterior(simulated((1.5,))))
    many = thresholds(FullPosterior(simulated((1.5,), fit_sigma=True, n_bias=101)))
    few = thresholds(FullPosterior(simulated((1.5,), fit_sigma=True, n_bias=6)))
    assert known == pytest.approx(stats.chi2.ppf(LEVELS, 1))
    assert known[1] < many[1] < 1.05 * known[1]
    assert few[1] == pytest.approx(6 * np.log1p(stats.t.ppf(0.975, 4) ** 2 / 4))


def covered(name: str, n: int, **changes: Any) -> np.ndarray:
    """Whether the intervals of both levels hold the truth, for n simulated studies, shape (n, 2)."""
    out = []
    for seed in range(n):
        found = profile_of(simulated(SERIES, seed=500 + seed, n_bias=7, **changes), name, Search())
        out.append([one.low < TRUTH[name] < one.high for one in map(found.interval, LEVELS)])
    return np.array(out)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("lambda_sf_F", {"noise": 0.01}),
        ("lambda_phi", {"noise": 0.02}),
        ("lambda_sf_N", {"noise": 0.02, "fit_sigma": True}),
    ],
    ids=["diffusion length", "dephasing", "fitted errors"],
)
def test_intervals_hold_the_truth_as_often_as_they_say(name: str, changes: dict[str, Any]) -> None:
    """120 studies: the number that holds it within 3.3 binomial sd; false-alarm rate below 1e-3 for each of six.

    Sabotage: the 68 % intervals are no 95 % ones.
    """
    share = covered(name, 120, **changes).mean(axis=0)
    for level, found in zip(LEVELS, share, strict=True):
        assert abs(found - level) < 3.3 * np.sqrt(level * (1 - level) / 120)
    assert abs(share[0] - 0.95) > 3.3 * np.sqrt(0.95 * 0.05 / 120)


# random studies against an independent multistart; no other fit lies below a profile

SHARE = 0.02  # of an interval
NEARLY = 0.02  # of −2 ln L: how closely two programs find the same minimum
AMPLITUDES = {"a1": (-30.0, 30.0), "b2": (-30.0, 30.0)}


@dataclass(frozen=True)
class Wrong:
    """What the other program says against an interval."""

    name: str
    level: float
    where: str
    rise: float


def disagreements(design: Design, found: dict[str, Profile], names: tuple[str, ...]) -> list[Wrong]:
    """Ends of intervals that are more than 2 % of them off, or open where they are not, or the other way round."""
    lowest = design.lowest({}, 12)
    wrong = []
    for name in names:
        for level in LEVELS:
            threshold = stats.chi2.ppf(level, 1)
            for where, value, inside in _probes(found[name], found[name].interval(level), design):
                rise = design.lowest({name: value}) - lowest
                if inside and rise > threshold + NEARLY:  # it may have missed the minimum itself
                    rise = min(design.lowest({name: value}, 60), design.lowest({name: value}, 240)) - lowest
                if (rise > threshold + NEARLY) if inside else (rise < threshold - NEARLY):
                    wrong.append(Wrong(name, level, f"{where} {value:.6g}", rise - threshold))
    return wrong


def _probes(found: Profile, one: Interval, design: Design) -> list[tuple[str, float, bool]]:
    """Values to try, and whether the interval says that they lie inside."""
    low, high = design.bounds[found.name] if found.name in LENGTHS else AMPLITUDES[found.name]
    log = found.name in LENGTHS
    to, back = (np.log, np.exp) if log else (float, float)
    ends = [to(one.low if one.low not in (0.0, -np.inf) else low), to(one.high if one.high < np.inf else high)]
    # an end far away says little of how well the other is known
    width = min(ends[1] - to(found.best), to(found.best) - ends[0]) * 2 or ends[1] - ends[0]
    out = []
    for end, limit, sign, is_open in (
        (ends[0], to(low), 1.0, one.low in (0.0, -np.inf)),
        (ends[1], to(high), -1.0, one.high == np.inf),
    ):
        if is_open:
            out.append(("open", float(back(limit)), True))
            continue
        off = SHARE * max(width, abs(end - to(found.best)))
        out.append(("inside", float(back(end + sign * off)), True))
        beyond = end - sign * off
        out += [("outside", float(back(x)), False) for x in (beyond, beyond + 0.2 * (limit - beyond))]
    return [each for each in out if to(low) <= to(each[1]) <= to(high)]


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "names"), [(3, ("lambda_J",)), (4, ("lambda_phi",))])
def test_intervals_of_random_studies_agree_with_an_independent_multistart(seed: int, names: tuple[str, ...]) -> None:
    design = random_design(seed)
    model = FullPosterior(design.study())
    found = profiles(model, names, near_truth(model))
    assert not disagreements(design, found.profiles, names)
    assert not found.beaten


@pytest.mark.slow
def test_a_valley_at_the_end_of_another_range_is_found() -> None:
    """With λ_sf^F = 300 nm, its bound, a1 goes farther down; no neighbour on the line of a1 leads there."""
    design = random_design(125)
    model = FullPosterior(design.study())
    found = profiles(model, ("a1", "lambda_sf_F"), near_truth(model), search=Search(16, 2, 1))
    assert not disagreements(design, found.profiles, ("a1",))


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", [8, 11, *range(100, 140)])
def test_all_intervals_of_more_random_studies(seed: int) -> None:
    design = random_design(seed)
    known = identify(design.study())
    assert not disagreements(design, dict(known.profiles), (*LENGTHS, *AMPLITUDES))
    assert not any("lies above" in note for note in known.notes)


def held_at_the_edge(design: Design) -> tuple[FullPosterior, Points]:
    """Fits along λ_J that stay on the branch of the best fit: what a search in ln λ_sf^F from one side finds."""
    model = FullPosterior(design.study())
    best = profiles(model, (), reference(model, np.array([1.0, 1.0, 1e5, 1.0]))).best
    fixed = {**design.study().parameters, "lambda_sf_F": Parameter("lambda_sf_F", Fixed(1e5))}
    stuck = FullPosterior(design.study().replace(parameters=fixed))
    u = np.linspace(0.8, 1.25, 40) * best.values[0]
    found = Descent(stuck, "lambda_J").lowest(u, np.repeat(best.values[None, [0, 1, 3]], 40, axis=0))
    return model, Points(np.insert(found.values, 2, 1e5, axis=1), found.amplitudes, found.height)


@pytest.mark.slow
def test_the_check_fails_on_a_one_sided_continuation() -> None:
    """Sabotage: the line that stays where the best fit is lies above fits of another parameter's profile."""
    model, points = held_at_the_edge(random_design(329))  # its best fit has λ_sf^F = ∞
    found = profiles(model, ("lambda_J", "lambda_sf_F"), reference(model, points.values[points.height.argmin()]))
    assert not found.beaten
    limits, lowest = thresholds(model), found.best.lowest
    descent = Descent(model, "lambda_J")
    one_sided = Line(
        descent, Axis.of(model, "lambda_J", found.best.values[0]), np.log(points.values[:, 0]), points, 0.1
    )
    other = Line.drawn(model, "lambda_sf_F", found.best.as_points, 0.5, points.values, 3)
    assert below(one_sided, other.points, lowest, limits) > 0.5
    right, _ = one_sided.lowered(other.points, lowest, np.inf, 0.02)
    right = right.settled(lowest, limits)
    assert below(right, other.points, lowest, limits) < 0.02
