"""Other priors that a reasonable person might have declared, made from the declared ones.

Two are made for every study, of its lengths and of the amplitudes that devices share:

- ``"wider"``: 1.4 times as wide, twice the variance. A log-normal prior has its factor to the power 1.4, a normal one
  1.4 times its sd, a flat one 1.4 times its range in its own scale, to both sides.
- ``"other scale"``: what was declared of the logarithm is declared of the length, and the other way round. A
  log-uniform prior becomes uniform over the same range, a log-normal one normal with the same median and upper sd,
  positive; uniform and positive normal priors likewise become log-uniform and log-normal. Amplitudes, which may have
  either sign, have no other scale and keep their priors.

Both can be written into a study file. Why not twice as wide: draws of a parameter that the data leave open, weighted
to s times the width of a normal prior, have weights of tail index k = 1 − 1/s²: 0.49 for 1.4, but 0.75 for 2, which no
number of draws can answer. Why not flat in the rates 1/λ², which enter the equations: over three decades of λ such a
prior puts 99 % within a factor of ten of the lower bound, so that everything would hang on this bound.

What belongs to single devices, and noise, keeps its prior: a declared thickness is a measurement.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtr

from mtjfit.infer.posterior import Posterior
from mtjfit.study import LENGTHS, LogNormal, LogUniform, Normal, Parameter, Prior, Study, Uniform, is_amplitude
from mtjfit.study.parameter import AnyPrior

__all__ = ["WIDER", "Alternative", "alternatives", "on_other_scale", "wider"]

WIDER = 1.4
_DECADES = 1000.0  # a log-uniform prior cannot begin at zero


@dataclass(frozen=True)
class Alternative:
    """Other priors of some parameters.

    Attributes
    ----------
    name : str
        ``"wider"`` or ``"other scale"``.
    priors : mapping of str to Prior
        By declared name, without device or group; only those that differ from the study's.
    """

    name: str
    priors: Mapping[str, AnyPrior]

    def study(self, study: Study) -> Study:
        """The study with these priors declared: what to sample where draws cannot be weighted to them."""
        changed = {name: replace(study.parameters[name], prior=prior) for name, prior in self.priors.items()}
        return study.replace(parameters={**study.parameters, **changed})

    def describe(self) -> str:
        """The priors in words."""
        return "; ".join(f"{name}: {prior.describe()}" for name, prior in self.priors.items())


def _moved(x: float, by: float) -> float:
    """x + by with the digits that one would write into a study file: three of `by`."""
    return float(f"{x + float(f'{by:.3g}'):.12g}")


def wider(prior: Prior) -> AnyPrior | None:
    """A prior 1.4 times as wide, None for one of another kind; positive ones stay positive.

    Examples
    --------
    >>> wider(LogNormal(10.0, 2.0)), wider(Normal(0.0, 1.0, low=0.0))
    (LogNormal(median=10.0, factor=2.64), Normal(mean=0.0, sd=1.4, low=0.0, high=inf))
    >>> wider(LogUniform(0.1, 100.0)), wider(Uniform(0.0, 4.0))
    (LogUniform(low=0.0251, high=398.0), Uniform(low=0.0, high=4.8))
    """
    if isinstance(prior, LogNormal):
        return LogNormal(prior.median, _moved(1.0, prior.factor**WIDER - 1))
    if isinstance(prior, Normal):
        return replace(prior, sd=prior.sd * WIDER)
    if isinstance(prior, LogUniform):
        reach = (prior.high / prior.low) ** ((WIDER - 1) / 2)
        low, high = prior.low / reach, prior.high * reach
        return LogUniform(_moved(prior.low, low - prior.low), _moved(prior.high, high - prior.high))
    if isinstance(prior, Uniform):
        added = (prior.high - prior.low) * (WIDER - 1) / 2
        low = _moved(prior.low, -added)
        return Uniform(max(low, 0.0) if prior.low >= 0 else low, _moved(prior.high, added))
    return None


def on_other_scale(prior: Prior) -> AnyPrior | None:
    """A prior of the same range on the other scale, None where there is none.

    Examples
    --------
    >>> on_other_scale(LogUniform(0.1, 100.0)), on_other_scale(LogNormal(10.0, 2.0))
    (Uniform(low=0.1, high=100.0), Normal(mean=10.0, sd=10.0, low=0.0, high=inf))
    >>> on_other_scale(Uniform(0.0, 50.0)), on_other_scale(Normal(1.0, 0.1))
    (LogUniform(low=0.05, high=50.0), None)
    """
    if isinstance(prior, LogUniform):
        return Uniform(prior.low, prior.high)
    if isinstance(prior, LogNormal):
        return Normal(prior.median, prior.median * (prior.factor - 1), low=0.0)
    if prior.support[0] < 0:
        return None
    if isinstance(prior, Uniform):
        return LogUniform(max(prior.low, prior.high / _DECADES), prior.high)
    if isinstance(prior, Normal):
        median, upper = (float(x) for x in prior.quantile(np.array([0.5, ndtr(1.0)])))
        return LogNormal(median, upper / median)
    return None


def alternatives(posterior: Posterior) -> tuple[Alternative, ...]:
    """Both alternatives to the priors of a posterior's study; one that changes nothing is left out."""
    wide: dict[str, AnyPrior] = {}
    other: dict[str, AnyPrior] = {}
    for name, parameter in posterior.study.parameters.items():
        if not _is_meant(name, parameter):
            continue
        prior: Prior = parameter.prior  # type: ignore[assignment]
        broad, turned = wider(prior), None if is_amplitude(name) else on_other_scale(prior)
        if broad is not None:
            wide[name] = broad
        if turned is not None:
            other[name] = turned
    both = Alternative("wider", wide), Alternative("other scale", other)
    return tuple(one for one in both if one.priors)


def _is_meant(name: str, parameter: Parameter) -> bool:
    """True for lengths, and for amplitudes that are not each device's own."""
    free = isinstance(parameter.prior, Uniform | LogUniform | Normal | LogNormal)
    return free and (name in LENGTHS or (is_amplitude(name) and parameter.scope != "device"))
