"""What was integrated out comes back from its exact conditional, and everything together from the posterior."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import collapsed_brute as brute
import numpy as np
import pytest
from model_studies import A1, AMPLITUDES, B2, OWN, TRUTH, at_values, dense_conditional, naive, named_points, simulated
from model_studies import NARROW as LENGTHS
from model_studies import UNCERTAIN_THICKNESS as FREE
from scipy import stats
from shortcuts import slow_but

from mtjfit.data import TorqueCurve
from mtjfit.model import DeviceIntegral, MarginalPosterior, Scattered, Thickness, with_own_amplitudes
from mtjfit.physics import Interface, torque
from mtjfit.study import AboutNominal, Fixed, LogNormal, Normal, Parameter, Study, Uniform

N = 4000
ALARM = 1e-5
"""Of each test; a fixed seed fails by chance once in some thousand choices of it, over all tests of this file."""


def at_truth(model: MarginalPosterior, n: int = N) -> np.ndarray:
    """The same coordinates n times, near where the data came from."""
    return np.repeat(np.clip(at_values(model), -2, 2) + 0.02, n, axis=0)


def drawn(made: Study) -> tuple[MarginalPosterior, dict[str, float], dict[str, np.ndarray]]:
    model = MarginalPosterior(made)
    z = at_truth(model)
    (point,) = named_points(model, z[:1])
    return model, point, model.draw(z, np.random.default_rng(8))


# known thicknesses

KNOWN: dict[str, Callable[[], Study]] = {
    "shared": lambda: simulated(**LENGTHS),
    "own": lambda: simulated(**(LENGTHS | OWN)),
    "own, group and shared": lambda: simulated(
        **(LENGTHS | {"a1": (A1, "group"), "b2": (B2, "device"), "b1": Normal(0.05, 0.3)})
    ),
    "per volume, torkance": lambda: simulated(**(LENGTHS | {"a1": (A1, "device")}), per="volume", quantity="torkance"),
}


def amplitude_p_value(made: Study) -> float:
    """KS of every whitened amplitude and of their squared distance from the dense conditional; thicknesses known."""
    model, point, found = drawn(made)
    parts = naive(model.study, point)
    mean, covariance = dense_conditional(parts)
    draws = np.stack([found[name] for name in parts["labels"]], axis=-1)
    white = np.linalg.solve(np.linalg.cholesky(covariance), (draws - mean).T)
    tests = [stats.kstest(row, "norm").pvalue for row in white]
    tests.append(stats.kstest(np.sum(white**2, axis=0), stats.chi2(white.shape[0]).cdf).pvalue)
    return float(min(tests))


@pytest.mark.parametrize("make", KNOWN.values(), ids=list(KNOWN))
def test_amplitudes_for_known_thicknesses(make: Callable[[], Study]) -> None:
    assert amplitude_p_value(make()) > ALARM


def test_a_bounded_shared_amplitude() -> None:
    """Among 40 000 draws without the bound, those that respect it have the same distribution: two-sample KS."""
    bound = Normal(1.0, 0.5, high=0.98)
    model, _, found = drawn(simulated(**(LENGTHS | {"a1": bound}), noise=0.1))
    free = MarginalPosterior(simulated(**LENGTHS | {"a1": Normal(1.0, 0.5)}, noise=0.1))
    many = free.draw(at_truth(free, 40_000), np.random.default_rng(1))
    kept = many["a1"] <= 0.98
    assert 0.02 < kept.mean() < 0.98
    for name in ("a1", "b2"):
        assert stats.ks_2samp(found[name], many[name][kept]).pvalue > ALARM
    slope, exact = (np.corrcoef(one["a1"], one["b2"])[0, 1] for one in (found, {k: v[kept] for k, v in many.items()}))
    assert slope == pytest.approx(exact, abs=0.08)
    assert "a1" not in model.names  # integrated out with its bound


# uncertain thicknesses

UNCERTAIN: dict[str, Callable[[], Study]] = {
    "shared": lambda: simulated(**(LENGTHS | FREE)),
    "own": lambda: simulated(**(LENGTHS | FREE | OWN)),
    "own, few data": lambda: simulated(**(LENGTHS | FREE | OWN | {"noise": 0.2, "n_bias": 5})),
    "own, wide prior, per volume": lambda: simulated(
        **(LENGTHS | OWN | {"thickness": AboutNominal(0.3), "per": "volume"})
    ),
    "bounded own": lambda: simulated(**(LENGTHS | FREE | {"a1": (Normal(1.0, 0.5, high=0.9), "device"), "noise": 0.1})),
    "dead layer, torkance": lambda: simulated(
        **(LENGTHS | FREE | {"a1": (A1, "device"), "dead_layer": Uniform(0.0, 0.8), "quantity": "torkance"})
    ),
}


def probability_below(made: Study, curve: TorqueCurve, point: dict[str, float], d: np.ndarray) -> np.ndarray:
    """Distribution function of one device's thickness at draws d, by raw points and a fine trapezoidal rule."""
    prior = made.parameters["thickness"].prior.about(curve.thickness)
    x = np.linspace(max(d.min() - 0.3 * np.ptp(d), 1e-6), d.max() + 0.3 * np.ptp(d), 500)
    log = brute.given_thickness(made, curve, point, x) + prior.logpdf(x)
    density = np.exp(log - log.max())
    assert density[-1] < 1e-4
    mass = np.concatenate([[0.0], np.cumsum(density[1:] + density[:-1])])
    return np.asarray(np.interp(d, x, mass / mass[-1]))


def thickness_p_value(made: Study) -> float:
    """KS of the thickness of every device against its distribution function, and correlations between devices."""
    _, point, found = drawn(made)
    ranks = [probability_below(made, curve, point, found[f"thickness[{curve.device}]"]) for curve in made.curves]
    tests = [stats.kstest(one, "uniform").pvalue for one in ranks]
    tests += [stats.spearmanr(ranks[0], one).pvalue for one in ranks[1:]]
    return float(min(tests))


class _InOrder(np.random.Generator):
    """Uniform numbers (k + ½)/n instead of random ones, the same for every device."""

    def random(self, size: Any = None, *args: Any, **kwargs: Any) -> Any:
        n = size[0]
        return np.broadcast_to(((np.arange(n) + 0.5) / n)[:, None], size)


def thickness_error(made: Study) -> float:
    """Worst departure of the distribution function at thicknesses drawn for known uniform numbers from these."""
    model = MarginalPosterior(made)
    z, n = at_truth(model, 400), 400
    batch = model.batch(model.scores.values(z), model.blocks[0])
    d = batch.thickness.draw(batch.form, batch.integral, batch.dead, _InOrder(np.random.PCG64(0)))
    (point,) = named_points(model, z[:1])
    exact = [probability_below(made, curve, point, d[:, j]) for j, curve in enumerate(made.curves)]
    return float(np.max(np.abs(np.stack(exact) - (np.arange(n) + 0.5) / n)))


@pytest.mark.parametrize("make", UNCERTAIN.values(), ids=list(UNCERTAIN))
def test_thicknesses_are_read_off_the_right_distribution_function(make: Callable[[], Study]) -> None:
    """No chance involved; an error of 2e-4 in probability would be seen in a million draws."""
    assert thickness_error(make()) < 2e-4


def own_p_value(made: Study) -> float:
    """Own amplitudes given the thickness they were drawn with: KS when whitened, and no correlation left with it."""
    _, point, found = drawn(made)
    own = [name for name in made.amplitudes if brute.is_own(made, name) or f"scatter_{name}" in made.parameters]
    tests = []
    for curve in made.curves:
        free = f"thickness[{curve.device}]" in found
        d = found[f"thickness[{curve.device}]"][:1500] if free else np.full(1500, curve.thickness)
        mean, covariance = brute.own_given_thickness(made, curve, point, d, own)
        c = np.stack([found[f"{name}[{curve.device}]"][:1500] for name in own], axis=-1)
        white = np.linalg.solve(np.linalg.cholesky(covariance), (c - mean)[..., None])[..., 0]
        bounded = [k for k, name in enumerate(own) if made.parameters[name].prior.truncated]
        if bounded:
            assert len(own) == 1
            ends = (made.parameters[own[0]].prior.high - mean[:, 0]) / np.sqrt(covariance[:, 0, 0])
            white = stats.norm.ppf(np.clip(stats.norm.cdf(white[:, 0]) / stats.norm.cdf(ends), 1e-12, 1 - 1e-12))[
                :, None
            ]
        tests += [stats.kstest(column, "norm").pvalue for column in white.T]
        tests += [stats.spearmanr(column, d).pvalue for column in white.T if free]
        if len(own) > 1:
            tests.append(stats.spearmanr(white[:, 0], white[:, 1]).pvalue)
    return float(min(tests))


@pytest.mark.parametrize("name", slow_but(("bounded own", "dead layer, torkance"), UNCERTAIN))
def test_thicknesses_and_own_amplitudes(name: str) -> None:
    made = UNCERTAIN[name]()
    assert thickness_p_value(made) > ALARM
    if any(brute.is_own(made, name) for name in made.amplitudes):
        assert own_p_value(made) > ALARM


SCATTER = {"a1": A1, "b2": B2, "scatter_a1": LogNormal(0.05, 2.0)}


@pytest.mark.parametrize(
    "changes",
    [{"scatter_b2": Fixed(0.2)}, {"b2": (B2, "device")}, FREE | {"scatter_b2": LogNormal(0.05, 2.0), "per": "volume"}],
    ids=["both amplitudes", "beside own amplitudes", "uncertain, both, per volume"],
)
def test_amplitudes_that_scatter(changes: dict[str, Any]) -> None:
    assert own_p_value(simulated(**(LENGTHS | SCATTER | changes))) > ALARM


def test_every_row_has_its_own_conditional() -> None:
    """Two rows far apart, repeated in turn over several chunks: each half is what it is alone. Two-sample KS."""
    model = MarginalPosterior(UNCERTAIN["own"]())
    one, two = at_truth(model, 1), at_truth(model, 1) + 0.8
    mixed = model.draw(np.tile(np.concatenate([one, two]), (1500, 1)), np.random.default_rng(1))
    for k, z in enumerate((one, two)):
        alone = model.draw(np.repeat(z, 1500, axis=0), np.random.default_rng(2))
        for name in alone:
            if "[" in name:
                assert stats.ks_2samp(mixed[name][k::2], alone[name]).pvalue > ALARM
            else:
                np.testing.assert_allclose(mixed[name][k::2], alone[name], rtol=1e-14)


def test_names_come_in_the_order_of_tables() -> None:
    model = MarginalPosterior(UNCERTAIN["dead layer, torkance"]())
    found = model.draw(at_truth(model, 3), np.random.default_rng(0))
    assert list(found) == [
        *LENGTHS, "dead_layer", "thickness[A]", "thickness[B]", "thickness[C]", "a1[A]", "a1[B]", "a1[C]", "b2",
    ]  # fmt: skip
    assert set(found) == set(model.priors)
    assert all(column.shape == (3,) for column in found.values())


# everything together

SIMULATIONS, RANKS = 120, 31


def _at(study: Study, truth: dict[str, float], rng: np.random.Generator) -> Study:
    """The study with data simulated from a truth that was drawn from its prior."""
    curves = []
    for curve in study.curves:
        known = {
            n: truth.get(f"{n}[{curve.device}]", truth.get(n, AMPLITUDES.get(n))) for n in ("a1", "b2", "thickness")
        }
        T = torque(
            curve.bias, known["thickness"], *(truth[name] for name in LENGTHS),
            interface=Interface.of(a1=known["a1"], b2=known["b2"]),
        )  # fmt: skip
        par, perp = (part + 0.2 * rng.standard_normal(T.size) for part in (T.real, T.imag))
        curves.append(replace(curve, par=par, perp=perp))
    return study.replace(curves=tuple(curves))


def designed(**priors: Any) -> Study:
    """Two thin devices with known lengths and large errors, so that all priors matter."""
    fixed = {name: Fixed(TRUTH[name]) for name in LENGTHS}
    bias, zero = np.linspace(-1.0, 1.0, 5), np.zeros(5)
    made = simulated((0.6, 1.0), n_bias=5, thickness=AboutNominal(0.15), **(fixed | priors))
    errors = {"sigma_par": np.full(5, 0.2), "sigma_perp": np.full(5, 0.2)}
    curves = [TorqueCurve(c.device, bias, zero, zero, c.thickness, "torque", "device", **errors) for c in made.curves]
    return made.replace(curves=tuple(curves))


def posterior_draws(model: MarginalPosterior, n: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Of all parameters; a single coordinate from its distribution function on a fine grid."""
    if model.size == 0:
        return model.draw(np.zeros((n, 0)), rng)
    grid = np.linspace(-4.5, 4.5, 181)
    log = model.log_posterior(grid[:, None])
    mass = np.cumsum(np.exp(log - log.max()))
    return model.draw(np.interp(rng.random(n), mass / mass[-1], grid)[:, None], rng)


def rank_p_value(study: Study, draw: Callable[..., dict[str, np.ndarray]] = posterior_draws) -> float:
    """Ranks of truths drawn from the prior among posterior draws are uniform: χ² test of 8 bins for each parameter."""
    rng = np.random.default_rng(11)
    priors = MarginalPosterior(study).priors
    lengths = {name: TRUTH[name] for name in LENGTHS}
    ranks: dict[str, list[int]] = {name: [] for name in priors}
    for _ in range(SIMULATIONS):
        truth = {name: float(prior.quantile(rng.random())) for name, prior in priors.items()}
        for name in (name for name, prior in priors.items() if isinstance(prior, Scattered)):
            truth[name] = AMPLITUDES["a1"] * (1 + truth["scatter_a1"] * rng.standard_normal())
        found = draw(MarginalPosterior(_at(study, lengths | truth, rng)), RANKS, rng)
        for name in priors:
            ranks[name].append(int(np.sum(found[name] < truth[name])))
    counts = [np.histogram(one, bins=8, range=(0, RANKS + 1))[0] for one in ranks.values()]
    return float(min(stats.chisquare(one).pvalue for one in counts))


JOINT = {
    "own": {"a1": (Normal(1.0, 0.5), "device"), "b2": (Normal(0.6, 0.5), "device")},
    "own half-normal": {"a1": (Normal(0.0, 1.0, low=0.0), "device"), "b2": (Normal(0.6, 0.5), "device")},
    "shared, sampled": {"a1": Normal(1.0, 0.5), "b2": (Normal(0.6, 0.5), "device")},
    "shared half-normal, sampled": {"a1": Normal(0.0, 1.0, low=0.0), "b2": (Normal(0.6, 0.5), "device")},
    "scatter": {"a1": Fixed(AMPLITUDES["a1"]), "b2": Fixed(AMPLITUDES["b2"]), "scatter_a1": Uniform(0.02, 1.0)},
}


@pytest.mark.slow
@pytest.mark.parametrize("priors", JOINT.values(), ids=list(JOINT))
def test_the_joint_distribution_is_calibrated(priors: dict[str, Any]) -> None:
    """Up to six parameters at 1e-4 each, five designs: one seed in 300 would fail."""
    assert rank_p_value(designed(**priors)) > 1e-4


# sabotage


@pytest.mark.slow
def test_sabotage_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    made = UNCERTAIN["own, few data"]()
    about = Thickness.about  # a grid too coarse to draw from
    monkeypatch.setattr(Thickness, "about", lambda *a: replace(about(*a), cells=6))
    assert thickness_error(made) > 1e-3
    monkeypatch.undo()
    right = DeviceIntegral.draw
    # at thicknesses that were drawn as well, but for other rows
    monkeypatch.setattr(DeviceIntegral, "draw", lambda self, K, rng: right(self, K[::-1], rng))
    assert own_p_value(UNCERTAIN["own"]()) < ALARM
    monkeypatch.undo()
    monkeypatch.setattr(DeviceIntegral, "draw", lambda self, K, rng: self.centre[..., list(self.own)] + 0.9 * (
        right(self, K, rng) - self.centre[..., list(self.own)]))  # fmt: skip
    assert amplitude_p_value(KNOWN["own"]()) < ALARM


@pytest.mark.slow
def test_sabotage_of_the_joint_distribution_is_noticed() -> None:
    study = designed(**JOINT["shared, sampled"])

    def with_the_wrong_prior(model: MarginalPosterior, n: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        parameters = dict(model.study.parameters)
        parameters["thickness"] = replace(parameters["thickness"], prior=AboutNominal(0.05))
        return posterior_draws(MarginalPosterior(model.study.replace(parameters=parameters)), n, rng)

    assert rank_p_value(study, with_the_wrong_prior) < 1e-4


# amplitudes that scatter between devices about a shared one

SOME = {"scatter_a1": LogNormal(0.05, 2.0)}


def study(**changes: Any) -> Study:
    return simulated(**(LENGTHS | {"a1": A1, "b2": B2} | changes))


def near_truth(model: MarginalPosterior) -> np.ndarray:
    return at_values(model) + 0.1 * np.random.default_rng(4).standard_normal((3, model.size))


def test_scatter_about_a_known_amplitude_is_a_prior_of_every_device() -> None:
    for more in ({}, FREE):
        one = MarginalPosterior(study(a1=Fixed(1.1), scatter_a1=Fixed(0.3), **more))
        other = MarginalPosterior(study(a1=(Normal(1.1, 0.33), "device"), **more))
        assert one.names == other.names
        z = near_truth(one)
        np.testing.assert_allclose(one.log_likelihood(z), other.log_likelihood(z), rtol=1e-11)
        a, b = (model.draw(z, np.random.default_rng(1)) for model in (one, other))
        np.testing.assert_allclose(a["a1[B]"], b["a1[B]"], rtol=1e-9)


def test_no_scatter_is_a_shared_amplitude() -> None:
    none, shared = MarginalPosterior(study(**FREE, scatter_a1=Fixed(1e-7))), MarginalPosterior(study(**FREE))
    z = near_truth(shared)
    np.testing.assert_allclose(none.log_likelihood(z), shared.log_likelihood(z), atol=1e-6)


def test_what_is_sampled() -> None:
    """The shared amplitude and its scatter, whatever the number of devices; others are integrated out as ever."""
    model = MarginalPosterior(simulated(np.linspace(1.0, 4.0, 20), **(LENGTHS | SOME)))
    assert model.names == (*LENGTHS, "a1", "scatter_a1")
    found = model.draw(near_truth(model), np.random.default_rng(0))
    assert set(found) == set(model.priors) == {*model.names, "b2", *(f"a1[{d}]" for d in model.study.devices)}
    assert model.study.unit_of("scatter_a1") == ""
    assert model.study.unit_of("a1[A]") == model.study.unit_of("a1")
    groups = MarginalPosterior(study(a1=(A1, "group"), scatter_a1=(LogNormal(0.05, 2.0), "group")))
    assert groups.names[4:] == ("a1[g0]", "a1[g1]", "scatter_a1[g0]", "scatter_a1[g1]")


def test_least_squares_give_every_device_its_own() -> None:
    made = study(**FREE, scatter_a1=Fixed(0.1), b2=Fixed(0.6), scatter_b2=LogNormal(0.1, 2.0))
    found = with_own_amplitudes(made)
    assert found.parameters["a1"] == Parameter("a1", A1, "device")
    assert found.parameters["b2"] == Parameter("b2", Normal(0.6, 0.6), "device")
    assert list(found.parameters) == [name for name in made.parameters if not name.startswith("scatter")]
    assert with_own_amplitudes(found) is found
    bounded = with_own_amplitudes(study(a1=Normal(0.0, 1.0, low=0.0), **SOME))
    assert not bounded.parameters["a1"].prior.truncated  # the bounds are those of the shared one


CASES: dict[str, tuple[Scattered, Callable[[np.ndarray], np.ndarray]]] = {
    "known": (Scattered(Fixed(2.0), Fixed(0.1)), lambda x: stats.norm.cdf(x, 2.0, 0.2)),
    "no scatter": (Scattered(Normal(1.0, 0.4), Fixed(1e-9)), lambda x: stats.norm.cdf(x, 1.0, 0.4)),
    "scatter with a prior": (
        Scattered(Fixed(1.0), Uniform(0.1, 0.5)),
        lambda x: np.mean(stats.norm.cdf(x[:, None], 1.0, np.linspace(0.1, 0.5, 2001)), axis=1),
    ),
    "both": (
        Scattered(Normal(1.0, 0.3, low=0.0), Fixed(0.2)),
        lambda x: np.mean(
            [stats.norm.cdf(x, a, 0.2 * a) for a in Normal(1.0, 0.3, low=0.0).quantile((np.arange(4000) + 0.5) / 4000)],
            axis=0,
        ),
    ),
}


@pytest.mark.parametrize(("prior", "exact"), CASES.values(), ids=list(CASES))
def test_the_prior_of_one_device(prior: Scattered, exact: Callable[[np.ndarray], np.ndarray]) -> None:
    x = prior.quantile(np.linspace(0.01, 0.99, 25))
    np.testing.assert_allclose(prior.cdf(x), np.linspace(0.01, 0.99, 25), atol=1e-9)
    np.testing.assert_allclose(prior.cdf(x), exact(x), atol=2e-3)
    slope = (exact(x + 1e-4) - exact(x - 1e-4)) / 2e-4
    np.testing.assert_allclose(np.exp(prior.logpdf(x)), slope, atol=0.05 * slope.max())
    assert prior.logpdf(1e9) == -np.inf
