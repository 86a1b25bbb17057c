"""From chains in the sampler's coordinates to the posterior of a study in natural units."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mtjfit.data import FloatArray
from mtjfit.infer.diagnostics import MAX_DRAWS, thinning
from mtjfit.infer.evidence import Evidence
from mtjfit.infer.gate import Chains, Check, Verdict, about_priors
from mtjfit.infer.posterior import Posterior
from mtjfit.infer.run import Run
from mtjfit.infer.streams import Stream, stream
from mtjfit.model.collapsed import CollapsedPosterior
from mtjfit.study import LENGTHS, ParameterName

__all__ = ["drawn_back", "drawn_exactly"]

_MAX_QUADRATURE_ERROR = 0.05


def drawn_exactly(model: CollapsedPosterior, seed: int) -> Posterior:
    """Nothing but amplitudes is free: every draw from their conditional is an independent draw of the posterior."""
    shape = (4, MAX_DRAWS // 16, 4)
    log_z = float(model.log_posterior(np.zeros((1, 0)))[0])
    says = "nothing is left to sample: independent draws from the exact posterior, nothing to converge"
    chains = Chains((), np.zeros((*shape, 0)), np.full(shape, log_z), np.ones((shape[0], shape[2])))
    verdict = Verdict((Check("exact", True, says),), {})
    return _posterior(model, chains, _with_quadrature(model, chains, verdict), Evidence(log_z, 0.0, "exact"), seed)


def drawn_back(model: CollapsedPosterior, run: Run, seed: int) -> Posterior:
    """The posterior of a run: what was integrated out is drawn back, and the priors have their say.

    Parameters
    ----------
    model : CollapsedPosterior
        What was sampled.
    run : Run
    seed : int
        That of the run.
    """
    verdict = about_priors(_with_quadrature(model, run.chains, run.verdict), run.chains, model.reach)
    return _posterior(model, run.chains, verdict, run.evidence, seed)


def _posterior(
    model: CollapsedPosterior, chains: Chains, verdict: Verdict, evidence: Evidence | None, seed: int
) -> Posterior:
    n_ensembles, n_steps, n_walkers, size = chains.theta.shape
    thin = _thin(chains)
    theta = chains.theta[:, ::thin]
    shape = theta.shape[:-1]
    flat = theta.reshape(int(np.prod(shape)), size)  # also where nothing was sampled, size 0
    columns = _in_order(model, model.draw(flat, stream(seed, Stream.DRAW_BACK)))
    log_likelihood = chains.log_posterior[:, ::thin].ravel() - model.log_prior(flat)
    return Posterior(
        study=model.study,
        verdict=verdict,
        names=tuple(columns),
        chain=np.stack(list(columns.values()), axis=-1).reshape(*shape, len(columns)),
        log_likelihood=log_likelihood.reshape(shape),
        priors=model.priors,
        settings={
            "seed": seed, "ensembles": n_ensembles, "walkers": n_walkers, "steps_after_warm_up": n_steps, "thin": thin,
        },
        evidence=evidence,
    )  # fmt: skip


def _thin(chains: Chains) -> int:
    """One draw in how many is kept."""
    n_ensembles, n_steps, n_walkers, _ = chains.theta.shape
    return thinning(n_ensembles * n_steps * n_walkers)


def _with_quadrature(model: CollapsedPosterior, chains: Chains, verdict: Verdict) -> Verdict:
    """The verdict with one more check where thicknesses were integrated out."""
    if not model.split.thickness_is_free:
        return verdict
    theta = chains.theta[:, :: _thin(chains)]
    error = model.quadrature_error(theta.reshape(int(np.prod(theta.shape[:-1])), theta.shape[-1]))
    says = f"integrals over thicknesses are right to {error:.1g} in ln L ({_MAX_QUADRATURE_ERROR:g} allowed)"
    return replace(verdict, checks=(*verdict.checks, Check("quadrature", error <= _MAX_QUADRATURE_ERROR, says)))


def _in_order(model: CollapsedPosterior, drawn: dict[str, FloatArray]) -> dict[str, FloatArray]:
    """Columns of the table: lengths, Λ, noise scales, amplitudes, thicknesses."""
    lengths = {name: x for name, x in drawn.items() if ParameterName(name).base in LENGTHS}
    thickness = {name: x for name, x in drawn.items() if ParameterName(name).is_thickness}
    noise = {name: x for name, x in drawn.items() if ParameterName(name).is_noise}
    rest = {name: x for name, x in drawn.items() if name not in lengths | thickness | noise}
    return lengths | _derived_Lambda(model, lengths) | noise | rest | thickness


def _derived_Lambda(model: CollapsedPosterior, lengths: dict[str, FloatArray]) -> dict[str, FloatArray]:
    """Λ = D_ratio λ_sf^N where a factor is free: one column, or one for each group or device that has its own."""
    parameters = model.study.parameters
    factors = [parameters[name] for name in ("lambda_sf_N", "D_ratio") if name in parameters]
    scopes = {factor.scope for factor in factors if not factor.is_fixed}
    if not scopes:
        return {}
    layout = model.full.layout
    n = next(iter(lengths.values())).shape[0]
    values = np.stack([lengths.get(name, np.full(n, np.nan)) for name in layout.names], axis=-1)
    Lambda = np.broadcast_to(model.full.Lambda(values), (n, len(model.study.curves)))
    if scopes == {"shared"}:
        return {"Lambda": Lambda[:, 0]}
    of = [curve.device if "device" in scopes else curve.group for curve in model.study.curves]
    return {ParameterName("Lambda", owner): Lambda[:, of.index(owner)] for owner in dict.fromkeys(of)}
