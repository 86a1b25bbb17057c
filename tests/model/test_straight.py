"""Straight coordinates: a change of variables with its Jacobian, and what data say of amplitudes by dense Gaussians.

The reference is built from raw points and `mtjfit.physics`: each device's data are normal about its amplitudes, with a
covariance of errors, of its own amplitudes, and of its thickness, linearised by finite differences.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pytest
from collapsed_brute import data, is_own, responses
from model_studies import label, named_points, simulated, value_of

from mtjfit.data import TorqueCurve
from mtjfit.model import Frame, JitterPosterior, MarginalPosterior, StudentPosterior, make_posterior
from mtjfit.study import AboutNominal, Fixed, LogNormal, LogUniform, Normal, Parameter, Study

A1, B2, B1 = Normal(0.8, 0.5), Normal(0.3, 0.9), Normal(0.2, 0.4)
LENGTHS = {"lambda_J": LogUniform(0.5, 2.0), "lambda_phi": LogUniform(0.5, 3.0), "lambda_sf_F": LogUniform(4.0, 20.0)}


def study(d: tuple[float, ...] = (1.0, 2.0, 3.5), sd: float = 0.08, **options: object) -> Study:
    thickness = {"thickness": AboutNominal(sd), "thickness_error": sd} if sd else {}
    return simulated(d, n_bias=7, **{**LENGTHS, **thickness, "a1": A1, "b2": B2, **options})


CASES: dict[str, Callable[[], Study]] = {
    "shared": study,
    "three amplitudes, torkance": lambda: study(quantity="torkance", b1=B1),
    "groups": lambda: study((1.0, 2.0, 3.5, 1.5), a1=(A1, "group")),
    "own a1": lambda: study(a1=(A1, "device")),
    "own a1 and b1": lambda: study(a1=(A1, "device"), b1=(B1, "device")),
    "scatter": lambda: study(scatter_a1=LogNormal(0.1, 2.0)),
    "known scatter of both": lambda: study(scatter_a1=Fixed(0.2), scatter_b2=Fixed(0.3)),
    "scatter, known thickness": lambda: study(sd=0.0, scatter_a1=LogNormal(0.1, 2.0)),
    "dead layer": lambda: study(dead_layer=LogUniform(0.05, 0.3)),
    "fitted noise": lambda: study(fit_sigma=True),
    "per volume": lambda: study(per="volume"),
    "jitter": lambda: study(jitter_par=LogNormal(0.02, 2.0), jitter_perp=LogNormal(0.05, 2.0)),
    "a fixed amplitude": lambda: study(b1=Fixed(0.4)),
    "a bounded amplitude": lambda: study(b1=Normal(0.2, 0.4, low=0.0)),
    "bounded own": lambda: study(sd=0.0, a1=(Normal(0.8, 0.5, low=0.0), "device")),
}


def scores(model: MarginalPosterior, n: int = 4, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, model.size))


def prior_of(study: Study, name: str) -> tuple[float, float]:
    """Mean and sd of an amplitude; no sd where it is fixed."""
    prior = study.parameters[name].prior
    return (prior.value, 0.0) if isinstance(prior, Fixed) else (prior.mean, prior.sd)  # type: ignore[union-attr]


def of_device(
    study: Study,
    curve: TorqueCurve,
    point: Mapping[str, float],
    priors: Mapping[str, tuple[float, float]],
    at: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """XᵀC⁻¹X and XᵀC⁻¹y of one device for scores of the straightened amplitudes, which are `at` where C needs them."""
    y, errors = data(study, curve, point)
    h, d = 1e-3, curve.thickness
    each = responses(study, curve, point, d + h * np.array([-2, -1, 0, 1, 2]))
    D = np.stack([row[2] for row in each.values()], axis=1)
    slope = np.stack([(8 * (x[3] - x[1]) - (x[4] - x[0])) / (12 * h) for x in each.values()], axis=1)
    labels = [label(study, curve, name) for name in study.amplitudes]
    # an amplitude that all devices share and that is integrated out is taken at its prior mean
    now = point | {name: mean + sd * x for (name, (mean, sd)), x in zip(priors.items(), at, strict=True)}
    mean, sd = np.array([prior_of(study, name) for name in study.amplitudes]).T
    c = np.array([now.get(one, middle) for one, middle in zip(labels, mean, strict=True)])
    C, thickness = errors, study.parameters["thickness"].prior
    if isinstance(thickness, AboutNominal):
        S = np.diag(sd**2)
        alone = c + S @ D.T @ np.linalg.solve(errors + D @ S @ D.T, y - D @ c)
        along = slope @ alone * thickness.sd
        C = C + np.outer(along, along)
    for k, name in enumerate(study.amplitudes):
        width = sd[k] if is_own(study, name) else 0.0
        if f"scatter_{name}" in study.parameters:
            width = abs(c[k]) * value_of(study, curve, f"scatter_{name}", point)
        C = C + np.outer(D[:, k], D[:, k]) * width**2
    X = np.stack(
        [D @ [width * (one == name) for one, width in zip(labels, sd, strict=True)] for name in priors], axis=1
    )
    left = y - D @ np.where([one in priors for one in labels], mean, c)
    return X.T @ np.linalg.solve(C, X), X.T @ np.linalg.solve(C, left)


def dense(model: MarginalPosterior, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Information and pull at one row, from Gaussians of all values of a device.

    Amplitudes that scatter do so by a share of what a first pass, with that of their prior means, finds.
    """
    study, (point,) = model.study, named_points(model, z[None])
    priors = {model.names[k]: prior_of(study, model.names[k].partition("[")[0]) for k in model.straightened}
    at = np.zeros(len(priors))
    for _ in range(2 if any(name.startswith("scatter_") for name in study.parameters) else 1):
        each = [of_device(study, curve, point, priors, at) for curve in study.curves]
        information, pull = (sum(parts) for parts in zip(*each, strict=True))
        at = np.linalg.solve(np.eye(at.size) + information, pull)
    return information, pull


def wrong(model: MarginalPosterior) -> float:
    """Largest error of information and pull relative to the largest of each, over some rows."""
    z, errors = scores(model), []
    frame = model.frame(z)
    for row, information, pull in zip(z, frame.information, frame.pull, strict=True):
        expected, expected_pull = dense(model, row)
        errors.append(np.max(np.abs(information - expected)) / np.max(np.abs(expected)))
        errors.append(np.max(np.abs(pull - expected_pull)) / np.max(np.abs(expected_pull)))
    return float(np.max(errors))


@pytest.mark.parametrize("case", list(CASES))
def test_information_and_pull_are_those_of_dense_gaussians(case: str) -> None:
    model = make_posterior(CASES[case]())
    if case == "jitter":
        assert isinstance(model, JitterPosterior)
    assert model.straightened.size > 0 or case == "bounded own"
    if case == "bounded own":
        assert [model.names[k] for k in model.straightened] == ["b2"]
        return
    assert wrong(model) < 1e-6


@pytest.mark.parametrize("case", ["shared", "own a1", "dead layer", "per volume"])
def test_sabotage_a_thickness_that_is_taken_as_known_is_noticed(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_posterior(CASES[case]())
    exact = model.thickness_priors
    monkeypatch.setitem(model.__dict__, "thickness_priors", replace(exact, sd=0.5 * exact.sd))
    assert wrong(model) > 1e-3


def test_student_errors_have_a_frame_of_normal_ones() -> None:
    """Every amplitude is a coordinate there, also those of single devices."""
    model = make_posterior(study(sd=0.0, noise_dof=Fixed(4.0), a1=(A1, "device")))
    assert isinstance(model, StudentPosterior)
    names = [model.names[k] for k in model.straightened]
    assert names == ["a1[A]", "a1[B]", "a1[C]", "b2"]
    z = scores(model)
    frame = model.frame(z)
    np.testing.assert_allclose(frame.information[:, 0, 1], 0.0, atol=1e-9)  # nothing joins two devices but b2
    assert np.all(np.linalg.eigvalsh(frame.information) > -1e-6)


def test_only_amplitudes_without_bounds_are_straightened() -> None:
    bounded = make_posterior(CASES["a bounded amplitude"]())
    assert [bounded.names[k] for k in bounded.straightened] == ["a1", "b2"]
    assert "b1" in bounded.names
    groups = make_posterior(CASES["groups"]())
    assert [groups.names[k] for k in groups.straightened] == ["a1[g0]", "a1[g1]", "b2"]


def test_the_frame_is_the_same_wherever_the_straightened_coordinates_are() -> None:
    """What makes the change of variables triangular, and its Jacobian what it is."""
    for case in ("shared", "scatter", "fitted noise", "a bounded amplitude"):
        model = make_posterior(CASES[case]())
        z = scores(model)
        moved = z.copy()
        moved[:, model.straightened] += 3.0
        one, two = model.frame(z), model.frame(moved)
        np.testing.assert_array_equal(one.information, two.information)
        np.testing.assert_array_equal(one.pull, two.pull)
        elsewhere = z.copy()
        elsewhere[:, 0] += 0.5
        assert not np.allclose(one.pull, model.frame(elsewhere).pull, rtol=1e-3)


def some_frame(n: int = 5, k: int = 3, size: int = 5) -> tuple[Frame, np.ndarray]:
    rng = np.random.default_rng(0)
    A = rng.standard_normal((n, k, k)) * 5
    return Frame(np.array([0, 2, 4]), A @ np.swapaxes(A, 1, 2), 20 * rng.standard_normal((n, k))), rng.standard_normal(
        (n, size)
    )


def test_outward_undoes_inward() -> None:
    frame, z = some_frame()
    v = frame.inward(z)
    np.testing.assert_allclose(frame.outward(v), z, rtol=1e-10, atol=1e-10)
    np.testing.assert_array_equal(v[:, [1, 3]], z[:, [1, 3]])
    assert np.max(np.abs(v - z)) > 1.0


def test_log_volume_is_the_jacobian() -> None:
    """ln |det dv/dz| of the map with its frame, which changes with the other coordinates; by central differences."""
    model = make_posterior(CASES["shared"]())
    for z in scores(model):
        h = 1e-4

        def inward(at: np.ndarray) -> np.ndarray:
            return model.frame(at[None]).inward(at[None])[0]

        columns = [(inward(z + h * e) - inward(z - h * e)) / (2 * h) for e in np.eye(model.size)]
        log_det = np.linalg.slogdet(np.stack(columns, axis=1))[1]
        assert float(model.frame(z[None]).log_volume[0]) == pytest.approx(log_det, abs=1e-6)
    frame, _ = some_frame()
    expected = 0.5 * np.linalg.slogdet(np.eye(3) + frame.information)[1]
    np.testing.assert_allclose(frame.log_volume, expected, rtol=1e-12)


def test_where_it_is_exact_the_posterior_is_a_standard_normal_distribution() -> None:
    """Amplitudes given the lengths, thicknesses known to 1e-6 nm: ln p + ½ v² is one number, whatever v."""
    model = make_posterior(study(sd=1e-6))
    rng = np.random.default_rng(1)
    v = rng.standard_normal((6, model.size))
    others = np.setdiff1d(np.arange(model.size), model.straightened)
    v[:, others] = v[0, others]
    z = model.frame(v).outward(v)
    left = model.log_posterior(z) + 0.5 * np.sum(v[:, model.straightened] ** 2, axis=1)
    np.testing.assert_allclose(left, left[0], atol=1e-5)
    assert np.ptp(model.log_posterior(z)) > 0.5


def test_known_thicknesses_need_no_frame_and_rows_do_not_know_of_each_other() -> None:
    known = make_posterior(study(sd=0.0))
    z = scores(known)
    assert known.straightened.size == 0
    np.testing.assert_array_equal(known.frame(z).inward(z), z)
    np.testing.assert_array_equal(known.frame(z).outward(z), z)
    model = make_posterior(CASES["shared"]())
    many = scores(model, 2000)
    np.testing.assert_array_equal(model.frame(many).pull[-3:], model.frame(many[-3:]).pull)


@pytest.mark.parametrize("case", ["shared", "groups", "dead layer", "per volume", "a fixed amplitude", "fitted noise"])
def test_t_errors_of_many_degrees_have_the_frame_of_normal_ones(case: str) -> None:
    normal = CASES[case]()
    student = normal.replace(parameters={**normal.parameters, "noise_dof": Parameter("noise_dof", Fixed(1e9))})
    model, collapsed = StudentPosterior(student), MarginalPosterior(normal)
    assert model.names == collapsed.names
    z = scores(model)
    found, expected = model.frame(z), collapsed.frame(z)
    np.testing.assert_array_equal(found.columns, expected.columns)
    np.testing.assert_allclose(found.information, expected.information, rtol=1e-6)
    np.testing.assert_allclose(found.pull, expected.pull, rtol=1e-6, atol=1e-6 * np.abs(expected.pull).max())


def test_outliers_are_worth_less_to_t_errors() -> None:
    """Information about the place of a t distribution: (ν + 1)/(ν + 3) of a normal one's (Fisher)."""

    def information(nu: float) -> np.ndarray:
        normal = study(sd=0.0)
        student = normal.replace(parameters={**normal.parameters, "noise_dof": Parameter("noise_dof", Fixed(nu))})
        model = StudentPosterior(student)
        return model.frame(scores(model)).information

    np.testing.assert_allclose(information(3.0), information(1e12) * 4 / 6, rtol=1e-9)


def test_rows_that_have_lost_their_digits_stay_as_they_are() -> None:
    """Noise of 1e-20 in a far tail of its prior: the information is 1e34, and rounding makes it indefinite."""
    bad, good = np.array([[-1.0, 0.0], [0.0, 4.0]]) - 2 * np.eye(2), np.diag([3.0, 8.0])
    columns = np.array([0, 2])
    both = Frame(columns, np.stack([bad, good]), np.ones((2, 2)))
    alone = Frame(columns, good[None], np.ones((1, 2)))
    z = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(both.inward(z)[0], z[0])
    np.testing.assert_array_equal(both.inward(z)[1:], alone.inward(z[1:]))
    np.testing.assert_allclose(both.outward(both.inward(z)), z)
    np.testing.assert_array_equal(both.log_volume, [0.0, *alone.log_volume])
