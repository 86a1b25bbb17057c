"""Two sweeps of one device, with nothing of their own, are one curve: two ways to the same numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from model_studies import simulated
from shortcuts import slow_after

import mtjfit
from mtjfit.data import TorqueCurve
from mtjfit.errors import ConfigError
from mtjfit.infer.convergence.excess import excess
from mtjfit.infer.store.fingerprint import describe
from mtjfit.model import make_posterior
from mtjfit.study import AboutNominal, Fixed, LogUniform, Normal, Parameter, Study

KINDS = {
    "thicknesses known": {},
    "thicknesses uncertain": {"thickness": AboutNominal(0.1), "thickness_error": 0.1},
    "amplitudes of devices": {"a1": (Normal(0.0, 3.0), "device")},
    "both": {"thickness": AboutNominal(0.1), "thickness_error": 0.1, "a1": (Normal(0.0, 3.0), "device")},
    "Student": {"thickness": AboutNominal(0.1), "noise_dof": Fixed(5.0)},
    "errors fitted": {"thickness": AboutNominal(0.1), "fit_sigma": True},
}


def part(curve: TorqueCurve, which: slice, condition: str) -> TorqueCurve:
    arrays = ("bias", "par", "perp", "sigma_par", "sigma_perp")
    cut = {name: value[which] for name in arrays if (value := getattr(curve, name)) is not None}
    n = len(cut["bias"])
    return replace(curve, **cut, used=np.ones(n, bool), used_values=np.ones((2, n), bool), reasons=(),
                   condition=condition)  # fmt: skip


def both(kind: str) -> tuple[Study, Study]:
    """Each device in one curve, and all but the last in two sweeps."""
    one = simulated((1.0, 2.0, 3.5), n_bias=22, **KINDS[kind])
    curves = [part(curve, slice(k, None, 2), f"sweep {k}") for curve in one.curves[:-1] for k in (0, 1)]
    return one, one.replace(curves=(*curves, one.curves[-1]))


@pytest.mark.parametrize("kind", slow_after(1, [kind for kind in KINDS if kind not in ("Student", "errors fitted")]))
def test_fits_are_those_of_the_whole_curve(kind: str) -> None:
    """Where errors come from the scatter, it is that about polynomials of each curve, and numbers differ a little."""
    one, two = map(mtjfit.fit, both(kind))
    assert two.chi2 == pytest.approx(one.chi2, rel=1e-4)
    assert (two.dof, two.identifiability.rank) == (one.dof, one.identifiability.rank)
    assert set(two.values) == set(one.values)
    for name, value in one.values.items():
        error = one.errors[name] or abs(value)
        assert two.values[name] == pytest.approx(value, abs=1e-2 * error), name
        if one.errors[name] is not None:
            assert two.errors[name] == pytest.approx(error, rel=1e-2), name


@pytest.mark.parametrize("kind", slow_after(1, KINDS))
def test_posteriors_are_those_of_the_whole_curve(kind: str) -> None:
    """Also where amplitudes of devices are sampled for two sweeps, and integrated out for one."""
    one, two = map(make_posterior, both(kind))
    rng = np.random.default_rng(0)
    if one.names != two.names:
        assert set(one.priors) == set(two.priors)
        return
    best = mtjfit.fit(one.study).values
    middle = [float(np.clip(best.get(name, 0.1), *one.priors[name].support)) for name in one.names]
    z = one.scores.of(np.array([middle])) + 0.05 * rng.standard_normal((20, one.size))
    first, second = one.log_likelihood(z), two.log_likelihood(z)
    np.testing.assert_allclose(first - first[0], second - second[0], atol=2e-3)
    assert first[0] == pytest.approx(second[0], abs=2e-3)


@pytest.mark.slow
def test_evidence_is_that_of_the_whole_curve() -> None:
    """Amplitudes of devices: sampled for two sweeps, integrated out for one."""
    one, two = (mtjfit.sample(study, seed=1, progress=False) for study in both("both"))
    assert two.evidence.value == pytest.approx(one.evidence.value, abs=0.1)
    for name in one.summary().index:
        row, other = one.summary().loc[name], two.summary().loc[name]
        assert other["mean"] == pytest.approx(row["mean"], abs=0.2 * row["sd"]), name
        assert other["sd"] == pytest.approx(row["sd"], rel=0.2), name


@pytest.mark.slow
def test_a_thickness_counts_once_for_each_device() -> None:
    fits = [mtjfit.fit(study) for study in both("thicknesses uncertain")]
    (one, dof, _), (two, dof_of_two, _) = (excess(fit, {n: np.array([1.1 * v]) for n, v in fits[0].values.items()})
                                           for fit in fits)  # fmt: skip
    assert two[0] == pytest.approx(one[0], rel=1e-4)
    assert dof == dof_of_two


def test_scatter_between_devices_is_refused_where_one_has_several_curves() -> None:
    one, two = both("thicknesses known")
    more = {"scatter_a1": Parameter("scatter_a1", LogUniform(0.01, 0.1))}
    assert one.replace(parameters={**one.parameters, **more})
    with pytest.raises(ConfigError, match="scatter_a1: is between devices, but device 'A' has several curves"):
        two.replace(parameters={**two.parameters, **more})


def test_fingerprints_tell_who_shares_a_thickness() -> None:
    one, two = both("thicknesses known")
    assert not [key for key in describe(one, 1) if key.endswith(("is of", "condition"))]
    apart = two.replace(curves=tuple(replace(curve, device=curve.name, condition="") for curve in two.curves))
    assert apart.devices == two.devices
    assert describe(apart, 1) != describe(two, 1)
