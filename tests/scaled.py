"""Twins of studies in which every torque is multiplied by one number, and studies of every kind to make twins of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from model_studies import simulated

from mtjfit.data import TorqueCurve
from mtjfit.infer import FitResult
from mtjfit.study import (
    DOF,
    JITTER,
    NOISE,
    AboutNominal,
    AnyPrior,
    Fixed,
    LogNormal,
    LogUniform,
    Normal,
    Study,
    Uniform,
    is_amplitude,
)

UP, DOWN = 2.0**100, 2.0**-100
"""1.27e30 and 7.9e-31: powers of two, so that the numbers of a twin differ in their exponents alone."""


def carries_torque(name: str) -> bool:
    """True for parameters in the torque unit: amplitudes, noise and jitter; `name` may carry its owner."""
    base = name.split("[")[0]
    return is_amplitude(base) or base in (*NOISE, *JITTER)


def scaled_prior(prior: AnyPrior, s: float) -> AnyPrior:
    """The same distribution of s times the parameter."""
    if isinstance(prior, Fixed):
        return Fixed(s * prior.value)
    if isinstance(prior, Uniform | LogUniform):
        return type(prior)(s * prior.low, s * prior.high)
    if isinstance(prior, LogNormal):
        return LogNormal(s * prior.median, prior.factor)
    assert isinstance(prior, Normal)
    return Normal(s * prior.mean, s * prior.sd, s * prior.low, s * prior.high)


def scaled_curve(curve: TorqueCurve, s: float, unit: str | None = None) -> TorqueCurve:
    """All torques and their errors times s; the numbers are then in `unit`."""

    def times(values: np.ndarray | None, factor: float = s) -> np.ndarray | None:
        return None if values is None else factor * values

    return replace(
        curve, par=s * curve.par, perp=s * curve.perp, sigma_par=times(curve.sigma_par),
        sigma_perp=times(curve.sigma_perp), covariance=times(curve.covariance, s * s), unit=unit or curve.unit,
    )  # fmt: skip


def scaled(study: Study, s: float, unit: str | None = None) -> Study:
    """The twin of a study; without `unit` its numbers pretend to be in the same unit."""
    parameters = {
        name: replace(known, prior=scaled_prior(known.prior, s)) if carries_torque(name) else known
        for name, known in study.parameters.items()
    }
    curves = tuple(scaled_curve(curve, s, unit) for curve in study.curves)
    return study.replace(curves=curves, parameters=parameters)


def with_errors(study: Study, **errors: Callable[[TorqueCurve], np.ndarray]) -> Study:
    """A study whose curves have further errors, such as ``rho`` or ``covariance``."""
    made = tuple(replace(c, **{name: of(c) for name, of in errors.items()}) for c in study.curves)  # type: ignore[arg-type]
    return study.replace(curves=made)


def _covariance(curve: TorqueCurve) -> np.ndarray:
    """A common error of all values beside independent ones."""
    assert curve.sigma_par is not None
    assert curve.sigma_perp is not None
    sigma = np.concatenate([curve.sigma_par, curve.sigma_perp])
    return np.outer(sigma, sigma) * (0.75 * np.eye(sigma.size) + 0.25)


_JITTER = {name: LogNormal(0.01, 3.0) for name in JITTER}

KINDS: Mapping[str, Callable[[], Study]] = {
    "known errors": lambda: simulated(unit="1e-19 N m"),
    "torkance": lambda: simulated(quantity="torkance", thickness=AboutNominal(0.05)),
    "per volume": lambda: simulated(per="volume"),
    "fitted noise": lambda: simulated(fit_sigma=True),
    "noise of a device": lambda: simulated(
        fit_sigma=True, noise_par=(LogUniform(1e-3, 1.0), "device"), noise_perp=(LogUniform(1e-3, 1.0), "device")
    ),
    "jitter": lambda: simulated(**_JITTER),
    "half-normal jitter": lambda: simulated(**{name: Normal(0.0, 0.02, low=0.0) for name in JITTER}),
    "Student-t": lambda: simulated(**{DOF: LogUniform(2.0, 50.0)}),
    "Student-t with fitted noise": lambda: simulated(fit_sigma=True, **{DOF: Fixed(4.0)}),
    "bounded amplitudes": lambda: simulated(a1=Normal(0.0, 3.0, low=0.0), b2=Normal(0.0, 3.0, low=0.0, high=0.55)),
    "scatter": lambda: simulated(scatter_a1=LogNormal(0.05, 2.0), scatter_b2=LogNormal(0.05, 2.0)),
    "own amplitudes": lambda: simulated(
        a1=(Normal(0.0, 3.0), "device"), b2=(Normal(0.0, 3.0), "group"), thickness=AboutNominal(0.05)
    ),
    "all amplitudes": lambda: simulated(a2=Normal(0.0, 3.0), b0=Normal(0.0, 3.0), b1=Normal(0.0, 3.0)),
    "fixed amplitude": lambda: simulated(a1=Fixed(1.0), dead_layer=Uniform(0.0, 0.5)),
    "rho": lambda: with_errors(simulated(), rho=lambda c: np.full(c.bias.size, 0.4)),
    "covariance": lambda: with_errors(simulated(), covariance=_covariance),
    "errors of the bias": lambda: with_errors(
        simulated(quantity="torkance"), sigma_bias=lambda c: np.full(c.bias.size, 0.01)
    ),
    "conflict": lambda: simulated(a1=Normal(3.0, 0.05), thickness=AboutNominal(0.05)),
    "one thickness": lambda: simulated((2.0,)),
}
"""A study of every kind that can be declared, each small."""

TAKEN_LOGS = ("fitted noise", "noise of a device", "jitter", "half-normal jitter", "Student-t with fitted noise")
"""Kinds whose fit takes logarithms or searches scales in the unit of the data: their last bits depend on it."""


def same_number(one: float | None, other: float | None, *, rtol: float, atol: float = 0.0) -> bool:
    """Equal within a tolerance; None and NaN only to themselves."""
    if one is None or other is None:
        return one is other
    return bool(np.isclose(one, other, rtol=rtol, atol=atol, equal_nan=True))


def differences(one: FitResult, other: FitResult, s: float, rtol: float) -> list[str]:
    """What a fit and that of its twin do not have in common.

    Lengths that the data do not determine lie anywhere in a flat valley and count for nothing; nor does a value within
    rounding of an edge. χ² of what fits exactly is zero to rounding.
    """
    found = [] if one.identifiability.rank == other.identifiability.rank else ["rank"]
    found += [] if one.identifiability.null_directions == other.identifiability.null_directions else ["null directions"]
    for name, value in one.values.items():
        factor, error = s if carries_torque(name) else 1.0, one.errors[name]
        if not same_number(None if error is None else factor * error, other.errors[name], rtol=10 * rtol):
            found.append(f"error of {name}")
        if error is not None and not same_number(factor * value, other.values[name], rtol=rtol):
            found.append(name)
    for what in ("chi2", "p_value", "dof", "p_value_flipped"):
        if not same_number(getattr(one, what), getattr(other, what), rtol=rtol, atol=1e-9 if rtol else 0.0):
            found.append(what)
    for mine, twin in zip(one.devices, other.devices, strict=True):
        tests, atol = ("chi2", "dof", "scatter_chi2", "scatter_dof"), 1e-9 if rtol else 0.0
        found += [f"{t} of {mine.device}" for t in tests
                  if not same_number(getattr(mine, t), getattr(twin, t), rtol=rtol, atol=atol)]  # fmt: skip
    mine, twin = one.combinations, other.combinations
    if list(mine["quantity"]) != list(twin["quantity"]):
        return [*found, "combinations"]
    factors = np.where(mine["quantity"].str.startswith("|kappa"), s, 1.0)
    for column in ("value", "sd"):
        if not np.allclose(factors * mine[column], twin[column], rtol=rtol, atol=0.0):
            found.append(f"{column} of combinations")
    return found
