"""Prior against posterior: how far the data narrowed each parameter, and how much they taught about all at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from mtjfit.data import FloatArray
from mtjfit.infer.diagnostics import ess
from mtjfit.infer.evidence import chains_of, log_evidence
from mtjfit.infer.information import BIT, Gain, gain_over_normal
from mtjfit.infer.posterior import Posterior
from mtjfit.model.pointwise import posterior_of
from mtjfit.model.scattered import Scattered
from mtjfit.model.scores import Scores
from mtjfit.study import Fixed, Prior

__all__ = ["FROM_PRIOR", "JointGain", "Product", "joint_gain", "narrowing", "prior_of", "scores_of"]

FROM_PRIOR = 0.1
"""Bits below which a parameter comes from its prior alone: a normal prior would keep three quarters of its width."""
_NODES = 256
_QUANTILES = (0.05, 0.5, 0.95)


@dataclass(frozen=True)
class Product:
    """Prior of a product of two independent positive parameters, as of Λ = D_ratio λ_sf^N.

    By quantiles of the second factor at equal distances in probability: right to about 1e-4 in probability.

    Examples
    --------
    >>> from mtjfit.study import LogUniform
    >>> prior = Product(LogUniform(0.1, 10.0), LogUniform(0.1, 10.0))
    >>> round(float(prior.cdf(1.0)), 6), [round(float(x), 2) for x in prior.quantile([0.125, 0.5])]
    (0.5, [0.1, 1.0])
    """

    one: Prior
    other: Prior | Fixed

    @cached_property
    def _factors(self) -> FloatArray:
        if isinstance(self.other, Fixed):
            return np.array([self.other.value])
        return self.other.quantile((np.arange(_NODES) + 0.5) / _NODES)

    @property
    def support(self) -> tuple[float, float]:
        """Smallest and largest possible value."""
        low, high = (self.other.value,) * 2 if isinstance(self.other, Fixed) else self.other.support
        return self.one.support[0] * low, self.one.support[1] * high

    def logpdf(self, x: ArrayLike) -> FloatArray:
        """Log of the density."""
        x = np.asarray(x, dtype=float)
        density = np.mean([np.exp(self.one.logpdf(x / factor)) / factor for factor in self._factors], axis=0)
        return np.log(density, out=np.full(density.shape, -np.inf), where=density > 0)

    def cdf(self, x: ArrayLike) -> FloatArray:
        """Probability of values up to x."""
        x = np.asarray(x, dtype=float)
        return np.asarray(np.mean([self.one.cdf(x / factor) for factor in self._factors], axis=0))

    def quantile(self, u: ArrayLike) -> FloatArray:
        """Inverse of `cdf`."""
        if isinstance(self.other, Fixed):
            return np.asarray(self.one.quantile(u) * self.other.value)
        values = np.outer(self.one.quantile((np.arange(_NODES) + 0.5) / _NODES), self._factors)
        return np.asarray(np.quantile(values, np.asarray(u, dtype=float)))

    def describe(self) -> str:
        """The prior in words."""
        return f"({self.one.describe()}) × ({self.other.describe()})"


def prior_of(posterior: Posterior, name: str) -> Prior | None:
    """The prior of a parameter; for Λ where it is derived, that of the product of its factors.

    None for amplitudes that scatter about a shared one: what they are drawn from is itself inferred.
    """
    if name in posterior.priors:
        prior = posterior.priors[name]
        return None if isinstance(prior, Scattered) else prior
    owner = name.removeprefix("Lambda")
    factors: list[Prior | Fixed] = []
    for base in ("lambda_sf_N", "D_ratio"):
        declared = posterior.study.parameters[base].prior
        given = posterior.priors.get(base + owner, posterior.priors.get(base))
        factors.append(declared if isinstance(declared, Fixed) or given is None else given)  # type: ignore[arg-type]
    one, other = factors
    if isinstance(one, Fixed):
        one, other = other, one
    return None if isinstance(one, Fixed) else Product(one, other)


def scores_of(posterior: Posterior, name: str, prior: Prior) -> FloatArray:
    """Normal scores of the draws of a parameter, as chains of single walkers, shape (n_chains, n_kept)."""
    chains = posterior.walkers(name)
    return Scores((prior,)).of(chains.reshape(-1, 1)).reshape(chains.shape)


def narrowing(posterior: Posterior) -> pd.DataFrame:
    """How far the data narrowed each parameter that has a prior.

    Parameters
    ----------
    posterior : Posterior

    Returns
    -------
    DataFrame
        Index parameter; columns prior_q05, prior_q50, prior_q95, q05, q50, q95 in natural units; shrinkage,
        1 − sd(posterior)/sd(prior) in the coordinate in which the prior is the standard normal, where it means the
        same for a length, its logarithm and its rate, and exists for priors without a variance; gain_bits and
        gain_error, see `mtjfit.infer.information.gain_over_normal`; from_prior, True below `FROM_PRIOR` bits.

        A gain belongs to one parameter, all others integrated out with their priors. Gains of correlated parameters
        do not add up, see `joint_gain`.

    Examples
    --------
    >>> from mtjfit.data import dataset
    >>> from mtjfit.infer import sample
    >>> from mtjfit.study import load_study
    >>> posterior = sample(load_study(dataset("thickness-series").study_file))  # doctest: +SKIP
    >>> narrowing(posterior).loc["lambda_sf_F", ["shrinkage", "gain_bits"]]  # doctest: +SKIP
    shrinkage    0.350
    gain_bits    0.341
    """
    rows: dict[str, tuple[float | bool, ...]] = {}
    for name in posterior.names:
        prior = prior_of(posterior, name)
        if prior is None:
            continue
        z = scores_of(posterior, name, prior)
        gain = gain_over_normal(z)
        before = np.asarray(prior.quantile(np.array(_QUANTILES)))
        after = np.quantile(posterior.draws[name], _QUANTILES)
        bits = max(gain.bits, 0.0)  # a divergence is never negative, its estimate may be
        rows[name] = (*before, *after, 1 - float(z.std()), bits, gain.error, bits < FROM_PRIOR)
    columns = ["prior_q05", "prior_q50", "prior_q95", "q05", "q50", "q95"]
    columns += ["shrinkage", "gain_bits", "gain_error", "from_prior"]
    return pd.DataFrame(list(rows.values()), index=pd.Index(list(rows), name="parameter"), columns=columns)


@dataclass(frozen=True)
class JointGain(Gain):
    """Information gain about several parameters together.

    Attributes
    ----------
    names : tuple of str
        What is sampled: lengths, noise scales, and shared amplitudes where they are not integrated out.
    reliable : bool
        False if the evidence behind it is not.
    """

    names: tuple[str, ...]
    reliable: bool


def joint_gain(posterior: Posterior) -> JointGain:
    """Gain about all sampled parameters at once, KL = ⟨ln L⟩ − ln Z.

    The average is over the posterior; L is the likelihood with all that is not sampled integrated out, Z the
    evidence. Larger than any single gain, because it counts what the data say of combinations: a thin, slanted ridge
    may leave each parameter wide.

    Parameters
    ----------
    posterior : Posterior
        Its `evidence` is used, or found from its draws if it has none.

    Returns
    -------
    JointGain
    """
    evidence = posterior.evidence
    if evidence is None:
        rng = np.random.default_rng(np.random.SeedSequence([posterior.settings.get("seed", 0), 3]))
        evidence = log_evidence(*chains_of(posterior), rng)
    log_l = posterior.log_likelihood
    n_effective = ess(log_l.swapaxes(1, 2).reshape(-1, log_l.shape[1]))
    nats = float(log_l.mean()) - evidence.value
    error = float(np.hypot(log_l.std() / np.sqrt(n_effective), evidence.error))
    names = posterior_of(posterior.study).names
    return JointGain(max(nats, 0.0) / BIT, error / BIT, names, evidence.reliable)
