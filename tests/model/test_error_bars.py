"""The rise of χ² about the best fit, and the error bars that it takes away: against scipy on the naive model."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest
from independent_profile import rise_by_scipy
from model_studies import AMPLITUDES, LENGTH, LENGTHS, TRUTH, simulated
from shortcuts import slow_after

import mtjfit
from mtjfit.infer import FitResult
from mtjfit.model import LINEAR_RISE, Direction, FullPosterior, directions, rises
from mtjfit.model.jacobian import jacobian
from mtjfit.study import AboutNominal, Fixed, Normal, Parameter, Study, Uniform

SERIES = (0.8, 1.5, 2.5, 4.0, 6.0)
quick = pytest.mark.usefixtures("quick_fits")
WITH_B1: dict[str, Any] = {"noise": 0.01, "b1": Normal(0.0, 3.0), "amplitudes": {"b1": 0.0}}


def linearised(result: FitResult, *names: str) -> dict[str, float]:
    """Linearised standard errors, whether they are bars or not."""
    table = result.identifiability.determined.loc[list(names)]
    return dict(table["value"].abs() * table["relative_error"])


def rises_of(result: FitResult, *names: str, sds: float = 2.0) -> dict[str, tuple[float, float]]:
    best, model = result.optimum, FullPosterior(result.study)
    return rises(model, best.values, best.amplitudes, linearised(result, *names), sds)


@quick
@pytest.mark.parametrize(
    ("name", "changes"),
    slow_after(
        1,
        [
            ("lambda_J", {"noise": 0.004, "thickness": AboutNominal(0.05), "thickness_error": 0.03, "seed": 2}),
            ("b2", WITH_B1),
            pytest.param(
                "lambda_phi",
                {"noise": 0.01, "quantity": "torkance", "per": "volume", "lambda_J": Uniform(0.1, 100.0)},
                marks=pytest.mark.slow,
            ),
        ],
    ),
    ids=["uncertain thickness", "b1", "torkance per volume"],
)
def test_rises_are_those_of_another_minimiser(name: str, changes: dict[str, Any]) -> None:
    """To the tolerance of the search: 1e-3 of a χ² of order 10."""
    result = mtjfit.fit(simulated(SERIES[:4], n_bias=4, **changes))
    error = linearised(result, name)[name]
    for found, side in zip(rises_of(result, name)[name], (-2, 2), strict=True):
        assert found == pytest.approx(
            rise_by_scipy(result, name, result.values[name] + side * error), rel=0.01, abs=0.02
        )


def test_a_linear_model_rises_by_the_square() -> None:
    """All lengths known: amplitudes are linear, a1 and a2 correlated; exact to rounding."""
    known = {name: Fixed(TRUTH[name]) for name in LENGTHS}
    result = mtjfit.fit(simulated((1.0, 2.0), a2=Normal(0.0, 3.0), **known))
    for sds in (1.0, 3.0):
        for below, above in rises_of(result, "a1", "a2", "b2", sds=sds).values():
            assert (below, above) == pytest.approx((sds**2, sds**2), rel=1e-9)


@pytest.mark.slow
@quick
def test_it_becomes_linear_as_the_noise_goes() -> None:
    """The departure from 4 is of the order of the relative error."""
    for noise, most in ((1e-4, 0.2), (1e-5, 0.02)):
        found = rises_of(mtjfit.fit(simulated(SERIES, noise=noise)), *LENGTHS, "a1", "b2")
        assert max(abs(rise - 4) for pair in found.values() for rise in pair) < most


@quick
def test_sabotage_others_that_do_not_follow_rise_too_much() -> None:
    """Held at their best values the other lengths make χ² rise much faster; the comparison above would see it."""
    result = mtjfit.fit(simulated(SERIES, noise=1e-4))
    best, error = result.optimum, linearised(result, "lambda_J")
    held = {name: Parameter(name, Fixed(result.values[name])) for name in LENGTHS[1:]}
    stiff = FullPosterior(result.study.replace(parameters={**result.study.parameters, **held}))
    right = rises_of(result, "lambda_J")["lambda_J"]
    assert min(rises(stiff, best.values[:1], best.amplitudes, error)["lambda_J"]) > 3 * max(right)


@pytest.mark.slow
@quick
def test_an_error_that_is_far_too_small_is_no_error_bar() -> None:
    """With b1 free the best fit is 4.0 ± 1.1 (linearised), where the truth is 10, and there χ² is higher by 3 only."""
    study = simulated(SERIES, **WITH_B1)
    result = mtjfit.fit(study)
    value, error = result.values["lambda_sf_F"], linearised(result, "lambda_sf_F")["lambda_sf_F"]
    assert (TRUTH["lambda_sf_F"] - value) / error > 5

    def rise(at: float) -> float:
        fixed = {"lambda_sf_F": Parameter("lambda_sf_F", Fixed(at))}
        return mtjfit.fit(study.replace(parameters={**study.parameters, **fixed})).chi2 - result.chi2

    assert rise(TRUTH["lambda_sf_F"]) < 3.5
    assert 1.0 < rise(value + 2 * error) < LINEAR_RISE[0]
    assert result.errors["lambda_sf_F"] is None
    assert result.params["lambda_sf_F"].stderr is None
    assert result.identifiability.determined.loc["lambda_sf_F", "reason"] == (
        "not linear: χ² rises by only 1.4 at two errors; the posterior says more"
    )
    assert result.errors["lambda_J"] is not None
    assert not result.identifiability.determined.loc["lambda_J", "reason"]


@quick
def test_a_bar_that_is_too_large_on_one_side_stays_and_is_marked() -> None:
    """A length that the data bound sharply from below: χ² rises by 10 where a linear model has 4."""
    result = mtjfit.fit(simulated(SERIES, noise=0.02))
    below, above = rises_of(result, "lambda_phi")["lambda_phi"]
    assert LINEAR_RISE[0] < above < LINEAR_RISE[1] < below
    assert result.errors["lambda_phi"] is not None
    assert result.identifiability.determined.loc["lambda_phi", "reason"] == "not linear: the posterior says more"
    assert "not linear" in result.report()


def test_small_errors_are_bars_and_nothing_is_said() -> None:
    result = mtjfit.fit(simulated(SERIES, noise=5e-4))
    assert None not in [result.errors[name] for name in (*LENGTHS, "a1", "b2")]
    assert not any(result.identifiability.determined["reason"])


def test_one_thickness_costs_nothing() -> None:
    """No parameter has an error that a rise of χ² could confirm, and without one nothing is searched."""
    result = mtjfit.fit(simulated((1.5,)))
    assert not any(result.identifiability.determined["determined"])
    assert not any("not linear" in reason for reason in result.identifiability.determined["reason"])
    assert rises_of(result) == {}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_bars_that_are_left_hold_the_truth() -> None:
    """All lengths of 40 studies with b1 free, two noises: less than 12 % of the bars miss the truth by more than two of
    them (5 % expected; false-alarm rate 0.5 %). Sabotage: of the errors taken away from λ_sf^F over 30 % do."""
    kept, taken = [], []
    for seed in range(40):
        result = mtjfit.fit(simulated(SERIES, seed=seed, **(WITH_B1 | {"noise": 0.004 + 0.016 * (seed % 2)})))
        table = result.identifiability.determined
        for name in LENGTHS:
            pull = abs(TRUTH[name] - result.values[name]) / linearised(result, name)[name]
            if result.errors[name] is not None:
                kept.append(pull > 2)
            elif str(table.loc[name, "reason"]).startswith("not linear") and name == "lambda_sf_F":
                taken.append(pull > 2)
    assert len(kept) > 60
    assert np.mean(kept) < 0.12
    assert len(taken) > 8
    assert np.mean(taken) > 0.3


# stiff and sloppy directions against the inverse of the Fisher matrix of the measured values, taken to 40 digits

MP = mpmath.MPContext()
MP.dps = 40
FIG3 = {"lambda_J": 1.0, "lambda_phi": 1.0, "lambda_sf_F": 10.0, "lambda_sf_N": 1.0}
"""Parameters of the paper's Fig. 3; D_ratio is one."""
FIVE = (0.8, 1.5, 2.5, 3.5, 5.0)
OWN = {"a1": (Normal(0.0, 3.0), "device"), "b2": (Normal(0.0, 3.0), "device")}


def at(study: Study, lengths: dict[str, float]) -> tuple[FullPosterior, np.ndarray, np.ndarray]:
    """The model of a study, and natural values and amplitudes of the truth."""
    model = FullPosterior(study)
    point = TRUTH | lengths | {f"thickness[{c.device}]": c.thickness for c in study.curves}
    values = np.array([point[name] for name in model.layout.names])
    return model, values, np.array([AMPLITUDES[name.split("[")[0]] for name in model.amplitudes.names])


def measured(logs: list[Any], thicknesses: list[float], V: float, name: str) -> list[Any]:
    """T_par or T_perp of each device to 40 digits, Eq. 12 as it is printed, J0 = a1 V + i b2 V²."""
    J, phi, sf, N, a1, b2 = (MP.exp(x) for x in logs)
    q0 = MP.mpc(0, -1) / J**2 + 1 / phi**2
    q = MP.sqrt(q0 + 1 / sf**2)
    out = []
    for d in thicknesses:
        kappa = q0 / q**2 * (1 - 1 / (MP.cosh(q * d) + N * q * MP.sinh(q * d)))
        T = kappa * MP.mpc(a1 * V, b2 * V**2)
        out.append(T.real if name == "par" else T.imag)
    return out


def exact_fisher(study: Study, lengths: dict[str, float], sigma: float) -> np.ndarray:
    """Σ over all values of ∂T/∂ln p ∂T/∂ln q / σ², by central differences of step 1e-15 at 40 digits."""
    start = [MP.log(MP.mpf(x)) for x in (*lengths.values(), AMPLITUDES["a1"], AMPLITUDES["b2"])]
    h, d = MP.mpf(10) ** -15, [curve.thickness for curve in study.curves]
    columns = []
    for k in range(len(start)):
        ends = [[x + (sign * h if j == k else 0) for j, x in enumerate(start)] for sign in (1, -1)]
        column = []
        for V in map(float, study.curves[0].bias):
            for name in ("par", "perp"):
                up, down = (measured(end, d, V, name) for end in ends)
                column += [float((a - b) / (2 * h)) for a, b in zip(up, down, strict=True)]
        columns.append(column)
    matrix = np.array(columns).T / sigma
    return matrix.T @ matrix


def test_the_jacobian_of_the_study_to_40_digits() -> None:
    """Fisher matrix of 12 values; relative to its diagonal. Sabotage: another λ_sf^F differs at once."""
    study = simulated((0.8, 2.5), n_bias=3, noise=0.01, truth=FIG3)
    expected = exact_fisher(study, FIG3, 0.01)
    size = np.sqrt(np.outer(np.diagonal(expected), np.diagonal(expected)))
    matrix = jacobian(*at(study, FIG3)).matrix
    np.testing.assert_allclose(matrix.T @ matrix / size, expected / size, atol=1e-13)
    wrong = jacobian(*at(study, FIG3 | {"lambda_sf_F": 10.01})).matrix
    assert np.abs(wrong.T @ wrong / size - expected / size).max() > 1e-4


CASES: dict[str, dict[str, Any]] = {
    "known thicknesses": {},
    "uncertain thicknesses": {"thickness": AboutNominal(0.05)},
    "own amplitudes": {**OWN, "thickness": AboutNominal(0.05)},
    "not logarithmic": {"lambda_J": Uniform(0.1, 5.0), "quantity": "torkance", "per": "volume"},
}


def wrongness(found: tuple[Direction, ...], covariance: np.ndarray) -> float:
    """Largest departure of Σ sd² v vᵀ from a covariance matrix, relative to its diagonal."""
    vectors = np.array([list(one.weights.values()) for one in found])
    rebuilt = vectors.T @ (np.array([one.sd**2 for one in found])[:, None] * vectors)
    sd = np.sqrt(np.diagonal(covariance))
    return float(np.abs((rebuilt - covariance) / np.outer(sd, sd)).max())


@pytest.mark.parametrize("changes", CASES.values(), ids=list(CASES))
def test_directions_are_the_axes_of_the_marginal_covariance(changes: dict[str, Any]) -> None:
    """Covariance of all parameters by inversion, its block of those asked for; stiffest first, orthonormal."""
    model, values, amplitudes = at(simulated(FIVE, noise=0.01, **changes), {})
    found, J = directions(model, values, amplitudes), jacobian(model, values, amplitudes)
    names = list(found[0].weights)
    assert [name.split("[")[0] for name in names] == [*FIG3, *([] if "a1" in changes else ["a1", "b2"])]
    asked = [J.names.index(name) for name in names]
    covariance = np.linalg.inv(J.matrix.T @ J.matrix)[np.ix_(asked, asked)]
    assert wrongness(found, covariance) < 1e-7
    assert [one.sd for one in found] == sorted(one.sd for one in found)
    vectors = np.array([list(one.weights.values()) for one in found])
    np.testing.assert_allclose(vectors @ vectors.T, np.eye(len(names)), atol=1e-12)
    # sabotage: thicknesses and own amplitudes that do not follow make errors too small
    stiff = np.linalg.inv((J.matrix.T @ J.matrix)[np.ix_(asked, asked)])
    assert len(J.names) == len(names) or wrongness(found, stiff) > 0.1


@pytest.mark.parametrize("quantity", ["torque", "torkance"])
def test_the_sloppiest_direction_of_figure_3_is_the_diffusion_length(quantity: str) -> None:
    """Five thicknesses: over 90 % of its squared weight, at any noise, and the error is proportional to the noise."""
    errors = []
    for noise in (0.01, 0.05, 0.1):
        model, values, amplitudes = at(simulated(FIVE, noise=noise, quantity=quantity, truth=FIG3), FIG3)
        last = directions(model, values, amplitudes)[-1]
        assert last.main == "lambda_sf_F"
        assert last.weights["lambda_sf_F"] ** 2 > 0.9
        assert last.words == "lambda_sf_F · lambda_sf_N^0.22"
        errors.append(last.sd)
    assert errors[1] / errors[0] == pytest.approx(5, rel=1e-6)
    assert errors[2] / errors[0] == pytest.approx(10, rel=1e-6)


def test_what_cannot_be_seen_is_infinite_and_named_first() -> None:
    """Λ alone is lost: exactly one infinite direction, by both factors to equal and opposite powers."""
    model, values, amplitudes = at(simulated(FIVE, D_ratio=LENGTH), {})
    *seen, last = directions(model, values, amplitudes)
    assert all(np.isfinite(one.sd) for one in seen)
    assert last.sd == np.inf
    assert last.words == "lambda_sf_N · D_ratio^-1"
    model, values, amplitudes = at(simulated(FIVE[:1], D_ratio=LENGTH), {})
    found = directions(model, values, amplitudes)
    assert [np.isfinite(one.sd) for one in found] == [True] * 3 + [False] * 4
    assert found[3].words == "lambda_sf_N · D_ratio^-1"
    # what is said to be unseen moves no measured value
    J = jacobian(model, values, amplitudes).matrix
    for one in found[3:]:
        assert np.linalg.norm(J @ list(one.weights.values())) < 1e-6
    assert np.linalg.norm(J @ list(found[2].weights.values())) == pytest.approx(1 / found[2].sd)


def test_a_dead_layer_of_zero_has_a_direction_all_the_same() -> None:
    """In units of its prior's width, because a logarithm of nothing says nothing."""
    study = simulated(FIVE, noise=0.003, dead_layer=Uniform(0.0, 0.5))
    model, values, amplitudes = at(study, {"dead_layer": 1e-15})
    found = directions(model, values, amplitudes)
    assert all(np.isfinite(one.sd) for one in found)
    assert any(one.main == "dead_layer" for one in found)


def test_nothing_free_has_no_directions() -> None:
    fixed = {name: Fixed(value) for name, value in FIG3.items()}
    model, values, amplitudes = at(simulated((1.5, 2.0), a1=Fixed(1.0), b2=Fixed(0.6), **fixed), {})
    assert directions(model, values, amplitudes) == ()
