"""Properties every prior must have, and agreement with scipy.stats as an independent program."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats
from shortcuts import slow_after

from mtjfit.study import AboutNominal, Fixed, LogNormal, LogUniform, Normal, Parameter, Prior, Uniform
from mtjfit.study.schema import parameter_from


class ExpOf:
    """exp(x) of a distribution of scipy's."""

    def __init__(self, of_log: stats.rv_continuous):
        self.of_log = of_log

    def ppf(self, u: np.ndarray) -> np.ndarray:
        return np.exp(self.of_log.ppf(u))

    def cdf(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self.of_log.cdf(np.log(x)))

    def logpdf(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self.of_log.logpdf(np.log(x)) - np.log(x))


CASES = {
    "uniform": (Uniform(-1.0, 3.0), stats.uniform(-1.0, 4.0)),
    "loguniform": (LogUniform(0.1, 100.0), stats.loguniform(0.1, 100.0)),
    "normal": (Normal(2.0, 0.5), stats.norm(2.0, 0.5)),
    "half-normal": (Normal(0.0, 3.0, low=0.0), stats.halfnorm(0.0, 3.0)),
    "both bounds": (Normal(1.0, 2.0, low=0.0, high=2.5), stats.truncnorm(-0.5, 0.75, 1.0, 2.0)),
    "lower tail": (Normal(5.0, 1.0, high=-1.0), stats.truncnorm(-np.inf, -6.0, 5.0, 1.0)),
    "10 sd out": (Normal(0.0, 1.0, low=10.0), stats.truncnorm(10.0, np.inf)),
    "interval 10 sd out": (Normal(0.0, 1.0, low=10.0, high=10.5), stats.truncnorm(10.0, 10.5)),
    "lognormal": (LogNormal(10.0, 2.0), stats.lognorm(math.log(2.0), scale=10.0)),
    "lognormal, cut": (
        LogNormal(math.e, math.e, low=0.5, high=6.0),
        ExpOf(stats.truncnorm(math.log(0.5) - 1, math.log(6.0) - 1, 1.0, 1.0)),
    ),
    "lognormal, 8 sd out": (LogNormal(1.0, 2.0, low=256.0), ExpOf(stats.truncnorm(8.0, np.inf, 0.0, math.log(2.0)))),
    "thickness": (AboutNominal(0.1).about(2.0), stats.truncnorm(-20.0, np.inf, 2.0, 0.1)),
}
IDS = list(CASES)
all_priors = pytest.mark.parametrize(("prior", "reference"), CASES.values(), ids=IDS)
U = np.array([1e-9, 1e-4, 0.01, 0.2, 0.5, 0.8, 0.99, 0.9999])


@all_priors
def test_density_agrees_with_scipy(prior: Prior, reference: stats.rv_continuous) -> None:
    x = np.asarray(reference.ppf(U[1:-1]))
    np.testing.assert_allclose(prior.logpdf(x), reference.logpdf(x), rtol=1e-9, atol=1e-9)


@all_priors
def test_distribution_function_and_quantile_agree_with_scipy(prior: Prior, reference: stats.rv_continuous) -> None:
    x = np.asarray(reference.ppf(U[1:-1]))
    np.testing.assert_allclose(prior.cdf(x), reference.cdf(x), rtol=1e-8)
    np.testing.assert_allclose(prior.quantile(U[1:-1]), x, rtol=1e-8, atol=1e-12)


@all_priors
def test_the_density_integrates_to_one(prior: Prior, reference: stats.rv_continuous) -> None:
    low, high = prior.quantile([1e-13, 1 - 1e-13])
    middle = prior.quantile(np.linspace(0.02, 0.98, 25))
    total, _ = integrate.quad(lambda x: math.exp(prior.logpdf(x)), low, high, points=middle, limit=400, epsabs=1e-11)
    assert total == pytest.approx(1.0, abs=1e-8)


@all_priors
def test_the_density_is_the_derivative_of_the_distribution_function(
    prior: Prior, reference: stats.rv_continuous
) -> None:
    x = prior.quantile([0.1, 0.4, 0.7])
    step = 1e-5 * (prior.quantile(0.75) - prior.quantile(0.25))
    slope = (prior.cdf(x + step) - prior.cdf(x - step)) / (2 * step)
    np.testing.assert_allclose(slope, np.exp(prior.logpdf(x)), rtol=1e-6)


@all_priors
def test_quantile_inverts_the_distribution_function(prior: Prior, reference: stats.rv_continuous) -> None:
    # 10 sd out one rounding of x already moves the probability by some 1e-14.
    np.testing.assert_allclose(prior.cdf(prior.quantile(U)), U, rtol=1e-8, atol=1e-13)
    x = prior.quantile(np.linspace(0.001, 0.99, 300))
    np.testing.assert_allclose(prior.quantile(prior.cdf(x)), x, rtol=1e-9, atol=1e-12)
    assert np.all(np.diff(x) > 0)


@all_priors
def test_draws_follow_the_distribution_function(prior: Prior, reference: stats.rv_continuous) -> None:
    # Fixed seed; over other seeds a correct prior fails once in 1e5.
    draws = prior.quantile(np.random.default_rng(20).random(20_000))
    assert stats.kstest(draws, lambda x: np.asarray(prior.cdf(x))).pvalue > 1e-5
    assert stats.kstest(draws, reference.cdf).pvalue > 1e-5


class OneFunctionWider:
    """A prior of which one function is that of another, wider prior."""

    def __init__(self, prior: Prior, wider: Prior, function: str):
        self.prior, self.wider, self.function = prior, wider, function

    def __getattr__(self, name: str) -> object:
        return getattr(self.wider if name == self.function else self.prior, name)


PROPERTIES = (
    test_density_agrees_with_scipy,
    test_distribution_function_and_quantile_agree_with_scipy,
    test_the_density_integrates_to_one,
    test_the_density_is_the_derivative_of_the_distribution_function,
    test_quantile_inverts_the_distribution_function,
    test_draws_follow_the_distribution_function,
)
WIDER = {
    "uniform": Uniform(-1.24, 3.24),
    "loguniform": LogUniform(0.1 / 1000**0.06, 100 * 1000**0.06),
    "normal": Normal(2.0, 0.56),
    "half-normal": Normal(0.0, 3.36, low=0.0),
    "both bounds": Normal(1.0, 2.24, low=0.0, high=2.5),
    "lognormal": LogNormal(10.0, 2.0**1.12),
    "lognormal, cut": LogNormal(math.e, math.e**1.12, low=0.5, high=6.0),
    "thickness": AboutNominal(0.112).about(2.0),
}


def broken(prior: Prior, reference: stats.rv_continuous) -> list[str]:
    """Names of the properties that a prior lacks."""
    found = []
    for check in PROPERTIES:
        try:
            check(prior, reference)
        except AssertionError:
            found.append(check.__name__)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", slow_after(3, list(WIDER)))
def test_sabotage_a_width_12_per_cent_off_is_seen(name: str) -> None:
    """Too little for simulation-based calibration with 300 runs; as a whole, or in one of the functions only."""
    prior, reference = CASES[name]
    against_scipy = {check.__name__ for check in PROPERTIES[:2]}
    assert broken(prior, reference) == []
    assert set(broken(WIDER[name], reference)) >= against_scipy
    for function in ("logpdf", "cdf", "quantile"):
        mixed = OneFunctionWider(prior, WIDER[name], function)
        alone = set(broken(mixed, reference)) - against_scipy  # by the properties among themselves, without scipy
        assert alone, function


def test_sabotage_a_density_that_is_not_normalised_is_seen() -> None:
    class Doubled(Normal):
        def logpdf(self, x):  # type: ignore[no-untyped-def]
            return super().logpdf(x) + math.log(1.12)

    with pytest.raises(AssertionError):
        test_the_density_integrates_to_one(Doubled(2.0, 0.5), stats.norm(2.0, 0.5))


@all_priors
def test_nothing_lies_outside_the_support(prior: Prior, reference: stats.rv_continuous) -> None:
    low, high = prior.support
    ends = prior.quantile([0.0, 1.0])
    assert low <= ends[0] <= ends[1] <= high
    for end, beyond, mass in ((low, low - 1.0, 0.0), (high, high + 1.0, 1.0)):
        if math.isfinite(end):
            assert prior.logpdf(beyond) == -np.inf
            assert prior.cdf(beyond) == mass
    assert prior.cdf(-np.inf) == 0.0
    assert prior.cdf(np.inf) == 1.0
    # Every draw, the extreme ones too, has a finite density where the support is bounded.
    if math.isfinite(low) and math.isfinite(high):
        assert np.all(np.isfinite(prior.logpdf(ends)))


@all_priors
def test_pickle_and_shapes(prior: Prior, reference: stats.rv_continuous) -> None:
    assert pickle.loads(pickle.dumps(prior)) == prior  # noqa: S301 - our own bytes
    for function in (prior.logpdf, prior.cdf, prior.quantile):
        assert function(0.5).shape == ()
        assert function(np.full((2, 3), 0.5)).shape == (2, 3)
        assert function([0.25, 0.5]).dtype == float
    assert prior.logpdf(np.nan) == -np.inf


@pytest.mark.parametrize("sd_out", [10.0, 38.0, 60.0, 300.0])
@pytest.mark.parametrize("side", [1, -1])
def test_far_tails_follow_the_asymptotic_exponential(sd_out: float, side: int) -> None:
    # Beyond L sd the excess over L is exponential with mean 1/L, up to 1/L².
    prior = Normal(0.0, 1.0, low=sd_out) if side > 0 else Normal(0.0, 1.0, high=-sd_out)
    excess = side * np.asarray(prior.quantile(0.5)) - sd_out
    assert excess == pytest.approx(math.log(2) / sd_out, rel=2 / sd_out**2)
    assert prior.cdf(prior.quantile(0.3)) == pytest.approx(0.3, rel=1e-7)
    at_bound = prior.logpdf(side * sd_out)
    assert at_bound == pytest.approx(math.log(sd_out), abs=2 / sd_out**2)


BOUNDED = {
    "loguniform": (lambda low, by: LogUniform(low, low * (1 + by)), st.floats(1e-290, 1e290), st.floats(1e-12, 1e12)),
    "uniform": (lambda low, width: Uniform(low, low + width), st.floats(-1e6, 1e6), st.floats(1e-3, 1e6)),
    "normal": (lambda low, width: Normal(0.0, 1.0, low, low + width), st.floats(-50, 50), st.floats(1e-3, 60)),
}


@pytest.mark.parametrize("name", BOUNDED)
@settings(max_examples=150, deadline=None)
@given(st.data(), st.floats(0, 1))
def test_bounded_priors_never_leave_their_bounds(name: str, data: st.DataObject, u: float) -> None:
    make, lows, widths = BOUNDED[name]
    prior = make(data.draw(lows), data.draw(widths))
    x, (low, high) = prior.quantile(u), prior.support
    assert low <= x <= high
    assert np.isfinite(prior.logpdf(x))
    assert 0.0 <= prior.cdf(x) <= 1.0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Uniform(1.0, 1.0), "uniform needs finite low < high"),
        (lambda: Uniform(0.0, np.inf), "uniform needs finite low < high"),
        (lambda: Uniform(-1.7e308, 1.7e308), "uniform needs a finite range"),
        (lambda: LogUniform(0.0, 1.0), "loguniform needs 0 < low < high, both finite"),
        (lambda: LogUniform(1.0, np.inf), "loguniform needs 0 < low < high, both finite"),
        (lambda: Normal(np.nan, 1.0), "normal needs a finite mean"),
        (lambda: Normal(0.0, 0.0), "normal needs 0 < sd, finite"),
        (lambda: Normal(0.0, np.inf), "normal needs 0 < sd, finite"),
        (lambda: Normal(0.0, 1.0, low=1.0, high=1.0), "normal needs low < high"),
        (lambda: Normal(0.0, 1.0, low=np.nan), "normal needs low < high"),
        (lambda: Normal(0.0, 1e-200, low=1.0), "normal needs bounds that leave some probability between them"),
        (lambda: LogNormal(0.0, 2.0), "lognormal needs a positive, finite median"),
        (lambda: LogNormal(1.0, 1.0), "lognormal needs factor > 1 (2 means: one sd is a factor of two)"),
        (lambda: LogNormal(1.0, 2.0, low=-1.0), "lognormal needs 0 <= low < high"),
        (lambda: LogNormal(1.0, 2.0, low=3.0, high=3.0), "lognormal needs 0 <= low < high"),
        (
            lambda: LogNormal(1.0, 2.0, low=1e300, high=float(np.nextafter(1e300, np.inf))),
            "lognormal needs bounds that leave some probability between them",
        ),
        (lambda: AboutNominal(0.0), "normal needs 0 < sd, finite"),
    ],
)
def test_impossible_priors_are_refused(make, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError) as caught:
        make()
    assert str(caught.value) == message


def test_descriptions() -> None:
    priors = [*(case[0] for case in CASES.values()), Fixed(math.inf), AboutNominal(0.1)]
    assert [prior.describe() for prior in priors] == [
        "uniform -1 to 3", "log-uniform 0.1 to 100", "normal 2 ± 0.5", "normal 0 ± 3, restricted to 0 to inf",
        "normal 1 ± 2, restricted to 0 to 2.5", "normal 5 ± 1, restricted to -inf to -1",
        "normal 0 ± 1, restricted to 10 to inf", "normal 0 ± 1, restricted to 10 to 10.5",
        "log-normal, median 10, factor 2",
        "log-normal, median 2.71828, factor 2.71828, restricted to 0.5 to 6",
        "log-normal, median 1, factor 2, restricted to 256 to inf", "normal 2 ± 0.1, restricted to 0 to inf",
        "fixed at inf",
        "normal, nominal ± 0.1",
    ]  # fmt: skip


@all_priors
def test_the_spread_is_the_standard_deviation_of_many_draws(prior: Prior, reference: stats.rv_continuous) -> None:
    x = prior.quantile((np.arange(200_000) + 0.5) / 200_000)
    assert prior.spread == pytest.approx(np.std(np.log(x) if prior.is_log else x), rel=3e-3)


@all_priors
def test_the_density_in_its_own_coordinate_peaks_where_it_says(prior: Prior, reference: stats.rv_continuous) -> None:
    def density(x: np.ndarray) -> np.ndarray:
        return np.asarray(prior.logpdf(x) + (np.log(x) if prior.is_log else 0.0))

    highest = density(prior.quantile(np.linspace(0.0005, 0.9995, 1000))).max()
    assert highest - 1e-9 <= density(np.array(prior.peak)) < highest + 1e-2


def test_priors_are_stretched_by_the_factor() -> None:
    assert Uniform(1.0, 4.0).stretched(2.0) == Uniform(0.5, 8.0)
    assert LogUniform(1.0, 4.0).stretched(1 / 3) == LogUniform(1.0, 4.0)  # nothing would be left
    assert Normal(1.0, 2.0, low=0.0).stretched(3.0) == Normal(1.0, 6.0, low=0.0)
    assert LogNormal(1.0, 2.0).stretched(1 / 3) == LogNormal(1.0, np.sqrt(2.0))


def test_a_prior_just_above_its_bound_has_a_probability() -> None:
    """There Φ may fall by a rounding error although its argument grows."""
    prior = Normal(0.0, 1.0, low=0.9507953618415292, high=1.9507953618415292)
    assert prior.cdf(np.nextafter(prior.low, 2.0)) == pytest.approx(0.0, abs=1e-12)


DECLARED = [
    Parameter("lambda_J", Uniform(1.0, 4.0)), Parameter("lambda_phi", LogUniform(0.1, 50.0), "group"),
    Parameter("a1", Normal(0.0, 2.0, high=3.0), "device"), Parameter("lambda_sf_F", LogNormal(3.0, 2.0)),
    Parameter("lambda_sf_F", LogNormal(3.0, 2.0, low=0.5)), Parameter("lambda_sf_F", LogNormal(3.0, 2.0, high=7.0)),
    Parameter("D_ratio", Fixed(1.5)), Parameter("thickness", AboutNominal(0.1), "device"),
    Parameter("thickness", Fixed(0.0), "device"),
]  # fmt: skip


@pytest.mark.parametrize("parameter", DECLARED, ids=lambda one: f"{one.name} {one.prior.describe()}")
def test_what_a_parameter_writes_into_a_study_file_is_read_back(parameter: Parameter) -> None:
    assert parameter_from(parameter.name, parameter.to_toml(), "parameters") == parameter
