"""Distributions of scipy.stats as priors: the same as priors of mtjfit where both exist, and what is refused."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from scipy import stats

from mtjfit.study import FromScipy, LogNormal, LogUniform, Normal, Parameter, Prior, Uniform
from mtjfit.study.schema import parameter_from

TWINS: dict[str, tuple[Any, Prior]] = {
    "uniform": (stats.uniform(1.0, 4.0), Uniform(1.0, 5.0)),
    "loguniform": (stats.loguniform(0.1, 100.0), LogUniform(0.1, 100.0)),
    "half-normal": (stats.halfnorm(scale=3.0), Normal(0.0, 3.0, low=0.0)),
    "lognorm": (stats.lognorm(np.log(2.0), scale=10.0), LogNormal(10.0, 2.0)),
    "normal": (stats.norm(2.0, 3.0), Normal(2.0, 3.0)),
}
each_twin = pytest.mark.parametrize(("frozen", "twin"), TWINS.values(), ids=list(TWINS))


@each_twin
def test_it_is_the_prior_of_this_program_where_there_is_one(frozen: Any, twin: Prior) -> None:
    prior, u, z = FromScipy.of(frozen), np.linspace(0.0005, 0.9995, 50), np.linspace(-6.0, 6.0, 49)
    x = twin.quantile(u)
    np.testing.assert_allclose(prior.quantile(u), x, rtol=1e-9)
    np.testing.assert_allclose(prior.cdf(x), u, rtol=1e-9)
    np.testing.assert_allclose(prior.logpdf(x), twin.logpdf(x), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(prior.at_score(z), twin.at_score(z), rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(prior.score(twin.at_score(z)), z, atol=1e-3)
    assert prior.support == twin.support
    assert prior.logpdf(-1e300) == -np.inf
    assert not prior.plain


@each_twin
@pytest.mark.parametrize("factor", [1.4, 0.5])
def test_its_wider_form_has_all_distances_from_the_median_multiplied(frozen: Any, twin: Prior, factor: float) -> None:
    prior = FromScipy.of(frozen)
    wide, u = prior.widened(factor), np.array([0.001, 0.2, 0.5, 0.9, 0.999])
    own = np.log if prior.is_log else np.asarray
    middle = own(prior.quantile(0.5))
    np.testing.assert_allclose(own(wide.quantile(u)) - middle, factor * (own(prior.quantile(u)) - middle), atol=1e-12)
    np.testing.assert_allclose(wide.cdf(wide.quantile(u)), u, rtol=1e-9)
    x, h = wide.quantile(u[1:4]), 1e-6
    slope = (wide.cdf(x * (1 + h)) - wide.cdf(x * (1 - h))) / (2 * h * x)
    np.testing.assert_allclose(np.exp(wide.logpdf(x)), slope, rtol=1e-6)


@pytest.mark.parametrize(("method", "by", "sds"), [("widened", 1.4, 1.4), ("stretched", 3.0, 1 + np.log(3) / np.log(2)),
                                                   ("stretched", 0.5, 0.5)])  # fmt: skip
def test_a_wider_log_normal_is_one_with_a_larger_factor(method: str, by: float, sds: float) -> None:
    x, prior = np.geomspace(0.5, 200.0, 9), FromScipy.of(stats.lognorm(np.log(2.0), scale=10.0))
    np.testing.assert_allclose(getattr(prior, method)(by).logpdf(x), LogNormal(10.0, 2.0**sds).logpdf(x), atol=2e-2)


@pytest.mark.parametrize("frozen", [stats.gamma(2.0, scale=3.0), stats.beta(2, 3, loc=1.0), stats.expon(scale=2.0)])
def test_what_is_written_is_read_back(frozen: Any) -> None:
    parameter = Parameter("lambda_sf_F", frozen, "group")
    assert parameter.prior == FromScipy.of(frozen)
    assert parameter_from("lambda_sf_F", parameter.to_toml(), "parameters") == parameter
    assert pickle.loads(pickle.dumps(parameter)) == parameter  # noqa: S301 - our own bytes


REFUSED = {
    "no distribution": ({"name": "gama", "numbers": {}}, "did you mean 'gamma'?"),
    "a function": ({"name": "bootstrap", "numbers": {}}, "has no distribution 'bootstrap'"),
    "an attribute": ({"name": "gamma.__class__", "numbers": {}}, "has no distribution 'gamma.__class__'"),
    "discrete": ({"name": "poisson", "numbers": {"mu": 1.0}}, "has no distribution 'poisson'"),
    "slow": ({"name": "studentized_range", "numbers": {"k": 3.0, "df": 10.0}}, "has no distribution"),
    "missing": ({"name": "gamma", "numbers": {"scale": 2.0}}, "gamma needs a"),
    "unknown": ({"name": "gamma", "numbers": {"a": 2.0, "shape": 2.0}}, "gamma has no 'shape', but a, loc, scale"),
    "negative": ({"name": "gamma", "numbers": {"a": -2.0}}, "correct the numbers"),
    "infinite": ({"name": "gamma", "numbers": {"a": float("inf")}}, "gamma needs a up to 1e+06"),
    "huge": ({"name": "ncx2", "numbers": {"df": 1.0, "nc": 1e15}}, "ncx2 needs nc up to 1e+06"),
    "no scale": ({"name": "gamma", "numbers": {"a": 2.0, "scale": 0.0}}, "correct the numbers"),
    "a long name": ({"name": "g" * 100_000, "numbers": {}}, "has no distribution"),
    "a text": ({"name": "gamma", "numbers": {"a": "2"}}, "numbers"),
    "no numbers": ({"name": "gamma"}, "a scipy prior needs name and numbers"),
    "of another": ({"name": "gamma", "numbers": {"a": 2.0}, "low": 1.0}, "is no key of a scipy prior"),
}


@pytest.mark.parametrize(("table", "said"), REFUSED.values(), ids=list(REFUSED))
def test_a_table_that_is_no_distribution_is_refused(table: dict[str, Any], said: str) -> None:
    problems = parameter_from("lambda_J", {"prior": "scipy", **table}, "parameters.lambda_J")
    assert isinstance(problems, list)
    assert said in " ".join(map(str, problems))
    assert len(str(problems[0])) < 700


@pytest.mark.parametrize("thing", [stats.poisson(2.0), 3.0, stats.rv_histogram(np.histogram([1.0, 2.0]))()])
def test_only_frozen_continuous_distributions_are_taken(thing: Any) -> None:
    with pytest.raises(TypeError, match=r"make a subclass of mtjfit.study.Prior"):
        FromScipy.of(thing)
