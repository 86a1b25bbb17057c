"""The posterior that is sampled against the one with every thickness as a coordinate, and against brute force."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import collapsed_brute as brute
import numpy as np
import pytest
from model_studies import A1, B2, OWN, TRUTH, at_values, half_fitted, named_points, peak_memory, simulated, uneven
from model_studies import NARROW as LENGTHS
from model_studies import UNCERTAIN_THICKNESS as FREE
from shortcuts import slow_after, slow_but

from mtjfit.errors import MtjfitError
from mtjfit.model import Coordinates, DeviceIntegral, FullPosterior, MarginalPosterior, Thickness
from mtjfit.model.amplitude_integral import Arrow
from mtjfit.study import AboutNominal, Fixed, LogNormal, LogUniform, Normal, Study, Uniform

SMALL = Normal(0.05, 0.3)
FITTED = {"fit_sigma": True, "noise_par": LogNormal(0.02, 1.3), "noise_perp": LogNormal(0.02, 1.3)}


def study(d: Sequence[float] = (1.0, 2.0, 3.5), **changes: Any) -> Study:
    return simulated(d, **(LENGTHS | changes))


def turned(**changes: Any) -> Study:
    """Values at angles that are declared; sin θ is in the values."""
    made = study(**changes)
    curves = zip(made.curves, (90.0, 60.0, 45.0), strict=True)
    return made.replace(curves=tuple(replace(c, angle=angle, sin_theta="included") for c, angle in curves))


KNOWN: dict[str, Callable[[], Study]] = {
    "shared": lambda: study(),
    "torkance per volume": lambda: study(quantity="torkance", per="volume"),
    "group and shared": lambda: study(a1=(A1, "group"), lambda_phi=(LogNormal(1.0, 1.5), "group")),
    "own and shared": lambda: study(a1=(A1, "device"), b1=SMALL, a2=SMALL),
    "own and group": lambda: study(a1=(A1, "group"), b2=(B2, "device"), quantity="torkance"),
    "all own": lambda: study(**OWN, a2=(SMALL, "device"), b0=(SMALL, "device")),
    "extra and fixed amplitudes": lambda: study(a1=Fixed(0.9), b1=Fixed(0.15), a2=SMALL, b0=SMALL),
    "own lengths": lambda: study(lambda_sf_F=(LogUniform(5.0, 20.0), "device"), Lambda=LogUniform(1.0, 4.0),
                                 lambda_sf_N=None, D_ratio=None),
    "D_ratio free, infinite lambda_phi": lambda: study(D_ratio=LogNormal(1.0, 1.5), lambda_phi=Fixed(np.inf)),
    "fitted noise": lambda: study(**FITTED),
    "own noise, own amplitudes": lambda: study(**(FITTED | {"noise_par": (LogNormal(0.02, 1.3), "device")} | OWN)),
    "half of the noise fitted": lambda: half_fitted(**(LENGTHS | FITTED), a1=(A1, "device")),
    "uneven": lambda: uneven(**(LENGTHS | OWN)),
    "angles": lambda: turned(a1=(A1, "device")),
    "dead layer": lambda: study(dead_layer=Uniform(0.0, 0.8), per="volume"),
    "dead layers of groups": lambda: study(dead_layer=(Uniform(0.0, 0.8), "group"), **OWN),
}  # fmt: skip
BOUNDED: dict[str, Callable[[], Study]] = {
    "half-normal": lambda: study(a1=Normal(0.0, 2.0, low=0.0)),
    "half-normal that the data contradict": lambda: study(b2=Normal(0.0, 0.5, high=0.0), noise=0.2),
    "one of a group bounded": lambda: study(a1=(A1, "group"), b2=Normal(0.5, 0.3, low=0.2, high=0.7)),
    "both bounded, the second sampled": lambda: study(a1=Normal(0.0, 2.0, low=0.0), b2=Normal(0.5, 0.3, low=0.2)),
    "bounded in every group": lambda: study(a1=(Normal(0.9, 0.5, low=0.0, high=1.0), "group")),
}
SCATTER = {"a1": A1, "b2": B2, "scatter_a1": LogNormal(0.05, 2.0)}
SCATTERED: dict[str, Callable[[], Study]] = {
    "known scatter": lambda: study(**(SCATTER | {"scatter_a1": Fixed(0.1)})),
    "scatter sampled": lambda: study(**SCATTER),
    "scatter of both amplitudes": lambda: study(**SCATTER, scatter_b2=Fixed(0.2)),
    "scatter of groups": lambda: study(a1=(A1, "group"), b2=B2, scatter_a1=(LogNormal(0.05, 2.0), "group")),
    "scatter beside own amplitudes": lambda: study(**(SCATTER | {"b2": (B2, "device")})),
    "bounded scatter": lambda: study(**(SCATTER | {"a1": Normal(0.0, 1.0, low=0.0), "b2": Normal(0.5, 0.3, low=0.2)})),
    "scatter about a fixed amplitude": lambda: study(**(SCATTER | {"a1": Fixed(0.95)})),
    "scatter, fitted noise": lambda: study(**SCATTER, **FITTED),
}
UNCERTAIN: dict[str, Callable[[], Study]] = {
    "shared": lambda: study(**FREE),
    "own": lambda: study(**FREE, **OWN),
    "own, torkance per volume": lambda: study(**FREE, **OWN, quantity="torkance", per="volume"),
    "own, group and shared": lambda: study(**FREE, a1=(A1, "group"), b2=(B2, "device"), b1=SMALL),
    "three own": lambda: study(**FREE, **OWN, a2=(SMALL, "device")),
    "fixed amplitudes": lambda: study(**FREE, a1=Fixed(1.0), b2=Fixed(0.6)),
    "fitted noise": lambda: study(**FREE, **FITTED, a1=(A1, "device")),
    "half of the noise fitted": lambda: half_fitted(**(LENGTHS | FITTED | FREE)),
    "angles": lambda: turned(**FREE, **OWN),
    "bounded shared": lambda: study(**FREE, a1=Normal(0.0, 2.0, low=0.0), b2=Normal(0.5, 0.3, low=0.2)),
    "bounded own": lambda: study(**FREE, a1=(Normal(0.0, 1.0, low=0.0), "device"), b2=(B2, "device")),
    "bound at work": lambda: study(**FREE, a1=(Normal(1.0, 0.5, high=0.9), "device"), b2=(B2, "device")),
    "bound that the data contradict": lambda: study(
        **FREE, a1=(Normal(1.0, 0.5, high=0.7), "device"), b2=(B2, "device")
    ),
    "bounded own, known thickness": lambda: study(a1=(Normal(1.0, 0.5, high=0.9), "device"), b2=B2),
    "wide prior": lambda: study(thickness=AboutNominal(0.3), thickness_error=0.2, **OWN),
    "scatter": lambda: study(**FREE, **SCATTER),
    "scatter of both, per volume": lambda: study(**FREE, **SCATTER, scatter_b2=LogNormal(0.05, 2.0), per="volume"),
    "scatter, bounded own": lambda: study(
        **(FREE | SCATTER | {"b2": (Normal(0.6, 0.3, low=0.0), "device")}), quantity="torkance"
    ),
    "dead layer": lambda: study(**FREE, dead_layer=Uniform(0.0, 0.8)),
    "dead layer, per volume, own": lambda: study(**FREE, **OWN, dead_layer=Uniform(0.0, 0.8), per="volume"),
}
QUICK = ("own, group and shared", "half of the noise fitted", "angles", "bounded own", "scatter of both, per volume",
         "dead layer")  # fmt: skip


def cases(table: dict[str, Callable[[], Study]]) -> Any:
    return pytest.mark.parametrize("make", table.values(), ids=list(table))


def scatter(model: MarginalPosterior, n: int = 3, width: float = 1.5) -> np.ndarray:
    """Scores over most of the prior."""
    return np.random.default_rng(3).uniform(-width, width, (n, model.size))


def near_truth(model: MarginalPosterior, n: int = 3) -> np.ndarray:
    """Scores about where the posterior lies."""
    return np.clip(at_values(model), -2, 2) + 0.03 * np.random.default_rng(4).standard_normal((n, model.size))


def size_of_numbers(made: Study) -> float:
    """Σ (y/σ)² + N: rounding errors of ln L are relative to it."""
    total = 0.0
    for curve in made.curves:
        total += sum(float(np.sum((part[curve.used] / 0.02) ** 2)) for part in (curve.par, curve.perp))
    return total + made.n_values


def marginal_error(model: MarginalPosterior) -> float:
    """Worst departure from `FullPosterior` over most of the prior, in units of the numbers that enter."""
    full, z = FullPosterior(model.study), scatter(model, 5)
    by_name = dict(zip(model.names, model.scores.values(z).T, strict=True))
    theta = full.layout.coordinates(np.stack([by_name[name] for name in full.layout.names], axis=-1))
    difference = model.log_likelihood(z) - full.log_likelihood(theta)
    return float(np.max(np.abs(difference))) / size_of_numbers(model.study)


@cases(KNOWN)
def test_equals_the_likelihood_with_all_amplitudes_as_one_block(make: Callable[[], Study]) -> None:
    model = MarginalPosterior(make())
    assert model.names == model.full.layout.names  # every amplitude is integrated out
    assert marginal_error(model) < 1e-10


@cases(BOUNDED | SCATTERED | {name: KNOWN[name] for name in ("shared", "own and group", "angles", "dead layer")})
def test_known_thicknesses_by_dense_covariance_and_quadrature(make: Callable[[], Study]) -> None:
    model = MarginalPosterior(make())
    z = np.concatenate([scatter(model, 1), near_truth(model, 2)])
    exact = [brute.shared_integrated(model.study, point) for point in named_points(model, z)]
    np.testing.assert_allclose(model.log_likelihood(z), exact, rtol=0, atol=1e-10 * size_of_numbers(model.study))


def by_raw_named_points(model: MarginalPosterior, z: np.ndarray) -> np.ndarray:
    return np.array([brute.all_devices(model.study, point) for point in named_points(model, z)])


@pytest.mark.parametrize("name", slow_but(QUICK, UNCERTAIN))
def test_uncertain_thicknesses_by_raw_points(name: str) -> None:
    """The integrand to rounding, wherever it lies; the quick quadrature to 1e-4 where the posterior is.

    Up to a constant, of 1e-5 for each device for the tails that its nodes leave out.
    """
    model = MarginalPosterior(UNCERTAIN[name]())
    z = near_truth(model)
    near = by_raw_named_points(model, z)
    difference = model.log_likelihood(z) - near
    assert np.ptp(difference) < 1e-4
    assert np.max(np.abs(difference)) < 3e-4
    if model.split.thickness_is_free:
        far = near_truth(model, 2) + scatter(model, 2, width=0.08)
        exact, scale = by_raw_named_points(model, far), 1e-10 * size_of_numbers(model.study) + 1e-8
        np.testing.assert_allclose(model.log_likelihood_everywhere(far), exact, rtol=0, atol=scale)
        np.testing.assert_allclose(model.log_likelihood_everywhere(z), near, rtol=0, atol=scale)


def test_a_prior_that_is_cut_at_zero() -> None:
    """The trapezoidal rule loses its speed where an integrand ends with a step, here 2.5 sd below nominal."""
    model = MarginalPosterior(study((0.5, 1.2, 2.0), thickness=AboutNominal(0.2), noise=0.2))
    z = near_truth(model, 6)
    exact = by_raw_named_points(model, z)
    assert np.ptp(model.log_likelihood(z) - exact) < 2e-3
    assert np.ptp(model.log_likelihood_everywhere(z) - exact) < 2e-5


def test_the_raw_reference_has_converged() -> None:
    made = UNCERTAIN["bound at work"]()
    model = MarginalPosterior(made)
    point = named_points(model, near_truth(model, 1))[0]
    coarse, fine = (brute.with_thickness_integrated(made, made.curves[0], point, panels) for panels in (8, 24))
    assert coarse == pytest.approx(fine, abs=1e-9)
    fixed = Fixed(0.0)
    known = made.replace(
        parameters=dict(made.parameters) | {"thickness": replace(made.parameters["thickness"], prior=fixed)}
    )
    narrow = made.replace(
        parameters=dict(made.parameters)
        | {"thickness": replace(made.parameters["thickness"], prior=AboutNominal(1e-6))}
    )
    assert brute.all_devices(narrow, point) == pytest.approx(brute.all_devices(known, point), abs=1e-6)


def test_a_thickness_known_ever_better_is_a_known_one() -> None:
    """No reference at all: sd → 0 must join on to the form for known thicknesses, with amplitudes sampled in both."""
    bounds = {"a1": (Normal(1.0, 0.5, low=0.0), "device"), "b2": B2}  # a bounded own one: the shared one is sampled
    known, nearly = (MarginalPosterior(study(**bounds, thickness=t)) for t in (Fixed(0.0), AboutNominal(1e-5)))
    assert known.names == nearly.names
    z = near_truth(known)
    np.testing.assert_allclose(nearly.log_likelihood(z), known.log_likelihood(z), rtol=0, atol=5e-5)


# the quadrature and its check


def test_the_error_of_the_quadrature_is_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    model = MarginalPosterior(UNCERTAIN["wide prior"]())
    z = near_truth(model, 6)
    assert model.quadrature_error(z) < 1e-4
    about = Thickness.about
    for nodes, smallest in ((2, 0.1), (4, 1e-3)):
        monkeypatch.setattr(Thickness, "about", lambda *a, n=nodes: replace(about(*a), wide_count=n))
        model = MarginalPosterior(UNCERTAIN["wide prior"]())
        true = np.ptp(model.log_likelihood(z) - by_raw_named_points(model, z))
        assert true > smallest
        assert model.quadrature_error(z) == pytest.approx(true, rel=1e-4)
    assert MarginalPosterior(study()).quadrature_error(np.zeros((2, 4))) == 0.0


def test_two_nodes_are_noticed_where_the_prior_is_narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    model = MarginalPosterior(UNCERTAIN["own"]())
    z = near_truth(model, 6) + 0.3 * np.random.default_rng(0).standard_normal((6, model.size))
    assert model.quadrature_error(z) < 1e-3
    about = Thickness.about
    monkeypatch.setattr(Thickness, "about", lambda *a: replace(about(*a), count=2))
    assert MarginalPosterior(model.study).quadrature_error(z) > 0.05


def test_the_brute_force_finds_integrands_far_narrower_than_its_nodes() -> None:
    """Errors of 1e-4 of the torque and a prior of 0.3 nm: the integrand is a thousandth of the prior wide."""
    model = MarginalPosterior(study(thickness=AboutNominal(0.3), noise=1e-4, thickness_error=0.2))
    z = at_values(model)
    np.testing.assert_allclose(model.log_likelihood_everywhere(z), by_raw_named_points(model, z), rtol=0, atol=1e-6)


# what is sampled, and what it costs


def test_dimension_does_not_grow_with_devices() -> None:
    for changes in (OWN, OWN | FREE, FREE, FREE | {"a1": (A1, "device")}):
        few, many = (MarginalPosterior(study(np.linspace(0.8, 4.0, n), n_bias=5, **changes)) for n in (4, 24))
        assert few.names == many.names
        assert set(few.priors) < set(many.priors)
        assert few.names[:4] == tuple(LENGTHS)
        assert few.size == 4 + ("thickness" in changes) * sum(name not in changes for name in ("a1", "b2"))


@pytest.mark.parametrize("changes", slow_after(1, [OWN | {"b1": SMALL}, OWN | FREE]), ids=["known", "uncertain"])
def test_memory_is_linear_in_devices(changes: dict[str, Any]) -> None:
    """Eight times the devices take at most ten times the memory: nothing is kept of pairs of devices."""

    def run(n: int) -> None:
        model = MarginalPosterior(study(np.linspace(0.8, 4.0, n), n_bias=5, **changes))
        model.log_likelihood(near_truth(model, 32))

    run(20)  # imports
    assert peak_memory(lambda: run(160)) < 10 * peak_memory(lambda: run(20))


def test_rows_do_not_know_of_each_other() -> None:
    for make in (KNOWN["own and shared"], UNCERTAIN["dead layer, per volume, own"], UNCERTAIN["fixed amplitudes"]):
        model = MarginalPosterior(make())
        z = scatter(model, 7)
        alone = np.concatenate([model.log_likelihood(row) for row in z])
        np.testing.assert_allclose(model.log_likelihood(z), alone, rtol=1e-12)
        few = MarginalPosterior(model.study, nodes_at_once=100)  # two rows at a time
        np.testing.assert_allclose(few.log_likelihood(z), alone, rtol=1e-12)


def test_amplitudes_that_a_fit_may_not_know_to_be_out_of_bounds() -> None:
    amplitudes = MarginalPosterior(BOUNDED["one of a group bounded"]()).full.amplitudes
    assert amplitudes.names == ("a1[g0]", "a1[g1]", "b2")
    assert amplitudes.out_of_bounds(np.array([-9.0, 9.0, 0.7])) == ()
    assert amplitudes.out_of_bounds(np.array([-9.0, 9.0, 0.71])) == ("b2",)
    assert amplitudes.out_of_bounds(np.array([-9.0, 9.0, 0.1])) == ("b2",)


def test_nothing_but_own_parameters_is_free() -> None:
    fixed = {name: Fixed(TRUTH[name]) for name in LENGTHS}
    model = MarginalPosterior(simulated(**(fixed | OWN | FREE)))
    assert (model.names, model.size) == ((), 0)
    found = model.log_posterior(np.zeros((2, 0)))
    np.testing.assert_allclose(found, brute.all_devices(model.study, {}), atol=1e-4)


def test_corner_values_raise_no_warning() -> None:
    """Scores at ±8, and as far as they reach: lengths of a hundredth of a nanometre and of a million."""
    corners = {"lambda_sf_F": Fixed(np.inf), "Lambda": Fixed(np.inf), "lambda_sf_N": None, "D_ratio": None}
    for changes in (FREE, FREE | OWN | {"per": "volume"}, FREE | corners, OWN | corners):
        model = MarginalPosterior(study(**changes))
        below, above = model.reach
        z = np.concatenate([8 * np.eye(model.size), -8 * np.eye(model.size), np.full((1, model.size), -8.0)])
        ends = np.concatenate([np.diag(-below), np.diag(above), -below[None], above[None]])
        with np.errstate(all="raise", under="ignore"):
            assert np.all(np.isfinite(model.log_posterior(np.concatenate([z, ends]))))
        assert np.all(model.log_posterior(1.001 * ends) == -np.inf)


def test_log_posterior_is_prior_times_likelihood_and_names_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    model = MarginalPosterior(study(**FREE))
    z = near_truth(model)
    np.testing.assert_array_equal(model.log_posterior(z), model.log_prior(z) + model.log_likelihood(z))
    np.testing.assert_allclose(model.prior_transform(np.full((1, model.size), 0.5)), 0.0, atol=1e-15)
    monkeypatch.setattr(MarginalPosterior, "log_likelihood", lambda self, z: np.array([-1.0, np.nan, -1.0]))
    with pytest.raises(MtjfitError) as caught:
        model.log_posterior(z)
    for name, value in named_points(model, z)[1].items():
        assert f"{name} = {value:.6g}" in str(caught.value)


# sabotage


def test_sabotage_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(target: Any, name: str, wrong: Any) -> Any:
        monkeypatch.setattr(target, name, wrong)

    shared = KNOWN["shared"]
    right = Arrow.of
    broken(Arrow, "of", lambda *a: replace(right(*a), A=right(*a).A + 1e-4 * np.eye(right(*a).A.shape[-1])))
    assert marginal_error(MarginalPosterior(shared())) > 1e-10  # a prior narrower by one in 20 000
    monkeypatch.undo()
    broken(Arrow, "log_integral", property(lambda self: self.rest + 0.5 * np.sum(self.h * np.linalg.solve(
        self.A, self.h[..., None])[..., 0], axis=-1)))  # fmt: skip
    assert marginal_error(MarginalPosterior(shared())) > 1e-5  # no determinant
    monkeypatch.undo()
    block = DeviceIntegral.block
    broken(DeviceIntegral, "block", lambda self, a, b: block(self, a, -b))
    model = MarginalPosterior(UNCERTAIN["own"]())
    z = near_truth(model, 1)
    assert abs(model.log_likelihood_everywhere(z) - by_raw_named_points(model, z))[0] > 1  # sign of i in one place only
    monkeypatch.undo()
    sd = Coordinates.own_sd
    broken(Coordinates, "own_sd", lambda self, values, centre: sd(self, values, centre) * 1.05)
    for make, exact in (
        (SCATTERED["scatter sampled"], brute.shared_integrated),
        (UNCERTAIN["scatter"], brute.all_devices),
    ):
        model = MarginalPosterior(make())
        z = near_truth(model)
        found = model.log_likelihood(z) - [exact(model.study, point) for point in named_points(model, z)]
        assert np.ptp(found) > 1e-3


def test_an_integral_narrower_than_doubles_has_no_value_and_no_warning() -> None:
    """Warnings are errors in tests; `log_posterior` refuses what is no number."""
    model = MarginalPosterior(simulated(noise=1e-18, **FREE))
    z = np.random.default_rng(1).standard_normal((6, model.size))
    assert np.isnan(model.log_likelihood(z)).any()
    with pytest.raises(MtjfitError, match="the likelihood is not finite"):
        model.log_posterior(z)
