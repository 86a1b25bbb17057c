"""A posterior for ArviZ: the same numbers, the likelihood of every value by hand, and ArviZ's own answers."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from model_studies import TRUTH, simulated
from scipy import stats

from mtjfit.errors import MtjfitError
from mtjfit.infer import Check, Posterior, Verdict, draw_truth, free_names
from mtjfit.model import full_posterior
from mtjfit.results import errors_of, torque_at
from mtjfit.study import AboutNominal, Fixed, LogNormal, Study, Uniform

xarray = pytest.importorskip("xarray", reason="needs the extra arviz")


def posterior_near_truth(study: Study, shape: tuple[int, int, int] = (4, 5, 3), *, converged: bool = True) -> Posterior:
    """Draws of the prior: what the tree says of them does not depend on how they were sampled."""
    rng, names = np.random.default_rng(0), free_names(study)
    rows = [[draw_truth(study, rng)[name] for name in names] for _ in range(int(np.prod(shape)))]
    verdict = Verdict((Check("made", converged, "made by hand"),), {})
    return Posterior(study, verdict, names, np.reshape(rows, (*shape, -1)), rng.standard_normal(shape), {}, {})


@cache
def of_amplitudes(n_draws: int = 40) -> Posterior:
    """Exact, independent draws of the amplitudes of a study with known lengths, which are normal."""
    study = simulated(noise=0.3, **{name: Fixed(TRUTH[name]) for name in TRUTH if name != "D_ratio"})
    # no parameter acts on a torque at V = 0, and ArviZ refuses to smooth weights that are all the same
    study = study.replace(curves=tuple(curve.mask(curve.bias == 0, "zero") for curve in study.curves))
    model, rng = full_posterior(study), np.random.default_rng(1)
    given = model.conditional(np.zeros((1, 0)))
    x = given.x[0] + np.linalg.solve(given.chol[0].T, rng.standard_normal((2, 4 * n_draws * 8))).T
    chain = (model.amplitudes.mean + model.amplitudes.sd * x).reshape(4, n_draws, 8, 2)
    priors = dict(zip(model.amplitudes.names, model.amplitudes.priors, strict=True))
    verdict = Verdict((Check("made", True, "made by hand"),), {})
    likelihood = np.full((4, n_draws, 8), given.log_likelihood[0])
    return Posterior(study, verdict, tuple(priors), chain, likelihood, priors, {})


def groups(tree: Any) -> set[str]:
    """Of a tree, or of what an older ArviZ has in its place."""
    return set(tree.children if hasattr(tree, "children") else tree.groups())


CASES: dict[str, Any] = {
    "uncertain thickness": lambda: simulated(thickness=AboutNominal(0.05)),
    "fitted errors": lambda: simulated(fit_sigma=True, quantity="torkance", per="volume", unit="mT/V"),
    "jitter": lambda: simulated(jitter_par=LogNormal(0.02, 2.0), jitter_perp=LogNormal(0.02, 2.0)),
    "Student's t": lambda: simulated(noise_dof=Uniform(2.0, 30.0)),
    "two units, a mask": lambda: in_two_units(simulated(unit="1e-19 N m")),
}


def in_two_units(study: Study) -> Study:
    first, second, third = study.curves
    scaled = {name: 1e-19 * getattr(second, name) for name in ("par", "perp", "sigma_par", "sigma_perp")}
    masked = first.mask(first.bias > 0.3, "outside").mask(first.bias < -0.4, "outside", "perp")
    return study.replace(curves=(masked, replace(second, unit="N m", **scaled), third))


@pytest.mark.parametrize("case", CASES)
def test_the_likelihood_of_every_value_is_that_by_hand(case: str) -> None:
    study = CASES[case]()
    posterior = posterior_near_truth(study)
    tree = posterior.to_arviz()
    found = tree["log_likelihood"][study.curves[0].quantity]
    assert found.shape == (12, 5, study.n_values)
    for ensemble, step, walker in ((0, 0, 0), (2, 3, 1), (3, 4, 2)):
        values = dict(zip(posterior.names, posterior.chain[ensemble, step, walker], strict=True))
        row = found.sel(chain=3 * ensemble + walker, draw=step)
        for curve in study.curves:
            T, known = torque_at(study, values, curve, curve.bias), errors_of(study, values, curve)
            for c, name in enumerate(("par", "perp")):
                mine = row[(row.device == curve.device) & (row.component == name)]
                used, scale = curve.used_values[c], study.scale_of(curve)
                sigma = np.hypot(scale * known[c], values.get(f"jitter_{name}", 0.0))[used]
                law = stats.t(values["noise_dof"]) if "noise_dof" in values else stats.norm
                away = scale * (curve.component(c)[0] - (T.real, T.imag)[c])[used] / sigma
                np.testing.assert_allclose(mine, law.logpdf(away) - np.log(sigma), rtol=1e-8)
                np.testing.assert_array_equal(mine.bias, curve.bias[used])


def test_with_amplitudes_integrated_out_it_is_the_likelihood_that_was_sampled() -> None:
    """ln p(y) = Σ ln p(yᵢ | A) + ln p(A) − ln p(A | y), at any A."""
    posterior = of_amplitudes()
    tree, model = posterior.to_arviz(), full_posterior(posterior.study)
    given = model.conditional(np.zeros((1, 0)))
    x = (posterior.chain.swapaxes(1, 2).reshape(32, 40, 2) - model.amplitudes.mean) / model.amplitudes.sd
    prior = stats.norm.logpdf(x).sum(-1)
    after = stats.multivariate_normal(given.x[0], np.linalg.inv(given.chol[0] @ given.chol[0].T)).logpdf(x)
    total = tree["log_likelihood"]["torque"].sum("value") + prior - after
    np.testing.assert_allclose(total, given.log_likelihood[0], rtol=1e-10)


def test_the_draws_are_those_of_the_posterior_and_walkers_are_chains() -> None:
    study = simulated(thickness=AboutNominal(0.05))
    posterior = posterior_near_truth(study)
    tree = posterior.to_arviz()
    assert groups(tree) == {"posterior", "prior", "sample_stats", "observed_data", "posterior_predictive",
                                  "log_likelihood", "prior_predictive"}  # fmt: skip
    np.testing.assert_array_equal(tree["posterior"]["lambda_J"], posterior.walkers("lambda_J"))
    for device in study.devices:
        mine = tree["posterior"]["thickness"].sel(device=device)
        np.testing.assert_array_equal(mine, posterior.walkers(f"thickness[{device}]"))
    stats_of = tree["sample_stats"]
    np.testing.assert_array_equal(stats_of["log_likelihood_marginal"][4], posterior.log_likelihood[1, :, 1])
    assert stats_of["ensemble"].values.tolist() == np.repeat(range(4), 3).tolist()
    assert tree["posterior"]["lambda_J"].attrs["units"] == "nm"
    assert tree["observed_data"]["torque"].attrs["units"] == study.curves[0].unit
    assert tree.attrs["converged"] == 1
    few = posterior.to_arviz(thin=2)
    assert few["posterior"].sizes["draw"] == 3
    np.testing.assert_array_equal(few["log_likelihood"]["torque"], tree["log_likelihood"]["torque"][:, ::2])


def test_predictions_scatter_as_the_data_and_the_prior_as_declared() -> None:
    posterior = of_amplitudes()
    tree = posterior.to_arviz()
    predicted, data = tree["posterior_predictive"]["torque"], tree["observed_data"]["torque"]
    z = (data - predicted.mean(("chain", "draw"))) / predicted.std(("chain", "draw"))
    assert stats.kstest(z.values.ravel(), "norm").pvalue > 1e-4
    prior = posterior.priors["a1"]
    assert stats.kstest(tree["prior"]["a1"].values.ravel(), prior.cdf).pvalue > 1e-4
    assert tree["prior_predictive"]["torque"].std() > predicted.std()


def test_what_is_not_said_is_named() -> None:
    study = simulated()
    correlated = study.replace(curves=tuple(replace(c, rho=np.full(c.bias.size, 0.3)) for c in study.curves))
    tree = posterior_near_truth(correlated, converged=False).to_arviz()
    assert "log_likelihood" not in groups(tree)
    assert "correlated" in tree.attrs["log_likelihood"]
    assert tree.attrs["converged"] == 0
    for group in (tree, tree["posterior"]):
        assert group.attrs["verdict"].startswith("NOT CONVERGED, no result: made by hand")


def test_too_many_numbers_are_refused_with_the_thinning_that_suffices() -> None:
    one = of_amplitudes()
    many = replace(
        one, chain=np.tile(one.chain, (1, 300, 1, 1)), log_likelihood=np.tile(one.log_likelihood, (1, 300, 1))
    )
    with pytest.raises(MtjfitError, match=r"need more than 160 MB: give thin=2 ") as caught:
        many.to_arviz()
    assert str(384_000) in str(caught.value)
    with pytest.raises(ValueError, match="thin is 0"):
        one.to_arviz(thin=0)


def test_arviz_agrees_with_the_summary() -> None:
    az = pytest.importorskip("arviz", reason="needs the extra arviz")
    posterior = of_amplitudes()
    table, ours = az.summary(posterior.to_arviz(), round_to="none"), posterior.summary()
    for theirs, name in (("mean", "mean"), ("sd", "sd"), ("ess_bulk", "ess")):
        np.testing.assert_allclose(table[theirs].astype(float), ours[name], rtol=0.02)
    # walkers against each other, where ours compares ensembles
    np.testing.assert_allclose(table["r_hat"].astype(float), ours["r_hat"], atol=0.02)


def test_leaving_one_out_is_that_of_the_normal_posterior_itself() -> None:
    """Each value predicted from all others, by solving the linear problem without it."""
    az = pytest.importorskip("arviz", reason="needs the extra arviz")
    posterior = of_amplitudes()
    study, model = posterior.study, full_posterior(posterior.study)
    y = np.concatenate([part for c in study.curves for part in (c.par, c.perp)])
    sigma = np.concatenate([part for c in study.curves for part in (c.sigma_par, c.sigma_perp)])
    used = np.concatenate([c.used_values.ravel() for c in study.curves])
    columns = []
    for name in posterior.names:
        at = {**dict.fromkeys(posterior.names, 0.0), name: 1.0}
        T = [torque_at(study, at, curve, curve.bias) for curve in study.curves]
        columns.append(np.concatenate([part for each in T for part in (each.real, each.imag)]))
    y, sigma = y[used], sigma[used]
    design, mean, sd = np.stack(columns, axis=1)[used], model.amplitudes.mean, model.amplitudes.sd
    expected = 0.0
    for k in range(y.size):
        D, rest = np.delete(design / sigma[:, None], k, axis=0), np.delete(y / sigma, k)
        precision = D.T @ D + np.diag(sd**-2)
        centre = np.linalg.solve(precision, D.T @ rest + mean / sd**2)
        spread = np.sqrt(design[k] @ np.linalg.solve(precision, design[k]) + sigma[k] ** 2)
        expected += stats.norm.logpdf(y[k], design[k] @ centre, spread)
    loo = az.loo(posterior.to_arviz())
    assert float(getattr(loo, "elpd", getattr(loo, "elpd_loo", np.nan))) == pytest.approx(expected, abs=0.1)
