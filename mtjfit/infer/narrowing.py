"""Prior against posterior: how far the data narrowed each parameter, and how much they taught about all at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from mtjfit.infer.diagnostics import ess
from mtjfit.infer.evidence import chains_of, log_evidence
from mtjfit.infer.information import BIT, Gain, gain_over_normal
from mtjfit.infer.posterior import Posterior
from mtjfit.model.pointwise import posterior_of

__all__ = ["FROM_PRIOR", "JointGain", "joint_gain", "narrowing"]

FROM_PRIOR = 0.1
"""Bits below which a parameter comes from its prior alone: a normal prior would keep three quarters of its width."""
_QUANTILES = (0.05, 0.5, 0.95)


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
        prior = posterior.prior_of(name)
        if prior is None:
            continue
        z = prior.score(posterior.walkers(name))
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
