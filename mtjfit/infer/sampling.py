"""Sampling the posterior of a study."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from mtjfit.arrays import FloatArray
from mtjfit.errors import MtjfitError, NotDetermined
from mtjfit.infer.convergence.diagnostics import MAX_DRAWS, thinning
from mtjfit.infer.convergence.gate import Chains, Check, Verdict, about_priors
from mtjfit.infer.ensembles.ensemble import Pace, Stream, stream
from mtjfit.infer.ensembles.run import Run, run_ensembles
from mtjfit.infer.evidence import Evidence
from mtjfit.infer.posterior import Posterior
from mtjfit.infer.store.fingerprint import describe
from mtjfit.infer.store.journal import Journal, open_journal
from mtjfit.model.layout import joint_scope
from mtjfit.model.marginal import MarginalPosterior
from mtjfit.model.noise_models import make_posterior
from mtjfit.model.posterior import SharedPosterior
from mtjfit.study import Parameter, ParameterName, Sampling, Study

_MAX_QUADRATURE_ERROR = 0.05


def _drawn_exactly(model: MarginalPosterior, seed: int) -> Posterior:
    """Nothing but amplitudes is free: every draw from their conditional is an independent draw of the posterior."""
    shape = (4, MAX_DRAWS // 16, 4)
    log_z = float(model.log_posterior(np.zeros((1, 0)))[0])
    says = "nothing is left to sample: independent draws from the exact posterior, nothing to converge"
    chains = Chains((), np.zeros((*shape, 0)), np.full(shape, log_z), np.ones((shape[0], shape[2])))
    verdict = Verdict((Check("exact", True, says),), {})
    return _posterior(model, chains, verdict, Evidence(log_z, 0.0, "exact"), seed)


def _posterior(
    model: MarginalPosterior, chains: Chains, verdict: Verdict, evidence: Evidence | None, seed: int
) -> Posterior:
    """Draw the integrated parameters of a run, and add the checks of quadrature and priors to its verdict."""
    n_ensembles, n_steps, n_walkers, _ = chains.theta.shape
    thin, z, log_likelihood = kept_draws(model, chains)
    shape = log_likelihood.shape
    columns = _in_order(model, model.draw(_flat(z), stream(seed, Stream.DRAW_BACK)))
    return Posterior(
        study=model.study,
        verdict=checked_verdict(model, chains, verdict),
        names=tuple(columns),
        chain=np.stack(list(columns.values()), axis=-1).reshape(*shape, len(columns)),
        log_likelihood=log_likelihood,
        priors=model.priors,
        settings={
            "seed": seed, "ensembles": n_ensembles, "walkers": n_walkers, "steps_after_warm_up": n_steps, "thin": thin,
        },
        evidence=evidence,
    )  # fmt: skip


def kept_draws(model: SharedPosterior, chains: Chains) -> tuple[int, FloatArray, FloatArray]:
    """Thinning, kept coordinates (n_ensembles, n_kept, n_walkers, size), and their ln L without the last axis."""
    n_ensembles, n_steps, n_walkers, _ = chains.theta.shape
    thin = thinning(n_ensembles * n_steps * n_walkers)
    z = chains.theta[:, ::thin]
    return thin, z, chains.log_posterior[:, ::thin] - model.log_prior(_flat(z)).reshape(z.shape[:-1])


def _flat(z: FloatArray) -> FloatArray:
    return z.reshape(int(np.prod(z.shape[:-1])), z.shape[-1])  # also where nothing was sampled, size 0


def checked_verdict(model: SharedPosterior, chains: Chains, verdict: Verdict) -> Verdict:
    """The verdict of a run with checks of the priors, and of the quadrature where thicknesses were integrated out."""
    if model.thickness_is_free:
        error = model.quadrature_error(_flat(kept_draws(model, chains)[1]))
        says = f"integrals over thicknesses are right to {error:.1g} in ln L ({_MAX_QUADRATURE_ERROR:g} allowed)"
        check = Check("quadrature", error <= _MAX_QUADRATURE_ERROR, says)
        verdict = replace(verdict, checks=(*verdict.checks, check))
    return about_priors(verdict, chains, model.reach) if model.size else verdict


def _in_order(model: MarginalPosterior, drawn: dict[str, FloatArray]) -> dict[str, FloatArray]:
    """Columns of the table: lengths, Λ, noise scales, amplitudes, thicknesses."""
    lengths = {name: x for name, x in drawn.items() if ParameterName(name).shapes_kappa}
    thickness = {name: x for name, x in drawn.items() if ParameterName(name).is_thickness}
    noise = {name: x for name, x in drawn.items() if ParameterName(name).is_noise}
    rest = {name: x for name, x in drawn.items() if name not in lengths | thickness | noise}
    return lengths | _derived_Lambda(model, lengths) | noise | rest | thickness


def _derived_Lambda(model: MarginalPosterior, lengths: dict[str, FloatArray]) -> dict[str, FloatArray]:
    """Λ = D_ratio λ_sf^N where a factor is free: one column, or one for each group, device or curve with its own."""
    parameters = model.study.parameters
    if not model.study.model.is_eq12:
        return {}
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
    joint = Parameter("Lambda", factors[0].prior, joint_scope(model.study, scopes))
    of = [joint.name_for(curve).owner for curve in model.study.curves]
    return {ParameterName("Lambda", owner): Lambda[:, of.index(owner)] for owner in dict.fromkeys(of)}


def refuse_one_thickness(study: Study) -> None:
    """NotDetermined if all devices have the same thickness and some length is free."""
    free = [name for name in study.lengths if not study.parameters[name].is_fixed]
    if study.n_thicknesses == 1 and free:
        raise NotDetermined(
            f"one thickness ({study.thicknesses[0]:g} nm) does not determine {', '.join(free)}: it determines the "
            "amplitude |kappa| a1, the ratio b2/a1 and the slope ratio T_perp/T_par, see fit(study).combinations. "
            "Measure devices of more thicknesses, or fix every length"
        )


def sample(
    study: Study,
    seed: int | None = None,
    *,
    journal: Journal | str | Path | None = None,
    progress: bool = True,
    pace: Pace | None = None,
) -> Posterior:
    """Posterior of a study: shared parameters by emcee, those of single devices integrated out and drawn back exactly.

    Parameters
    ----------
    seed : int, optional
        Default: the seed of the study.
    journal : str or Path, or Journal, optional
        Folder to save every block in. A run of the same study is resumed; its draws are bit-identical to those of an
        uninterrupted run. The folder is not deleted.
    progress : bool
        Show a bar on a terminal.
    pace : Pace, optional
        Lengths of the parts of the run.

    Returns
    -------
    Posterior
        Check `.verdict` first: a run that did not converge is returned, too.

    Raises
    ------
    NotDetermined
        One thickness, free lengths.
    MtjfitError
        Every parameter is fixed, or the journal is of another study, in use, damaged, or cannot be written.
    KeyboardInterrupt
        Ctrl-C. With a journal the first one lets the block finish and saves it, and the second stops at once.

    Examples
    --------
    >>> from mtjfit.data import dataset
    >>> from mtjfit.study import load_study
    >>> posterior = sample(load_study(dataset("thickness-series").study_file), seed=1)  # doctest: +SKIP
    >>> posterior.verdict.converged  # doctest: +SKIP
    True
    """
    refuse_one_thickness(study)
    model, wish = make_posterior(study), study.sampling
    if not model.priors:
        raise MtjfitError("every parameter of the study is fixed: there is nothing to sample; use mtjfit.fit")
    seed = wish.seed if seed is None else seed
    if model.size == 0:
        return _drawn_exactly(model, seed)
    run = run_model(model, wish, seed, describe(study, seed), journal, progress=progress, pace=pace)
    return _posterior(model, run.chains, run.verdict, run.evidence, seed)


def run_model(
    model: SharedPosterior,
    wish: Sampling,
    seed: int,
    description: Mapping[str, str],
    journal: Journal | str | Path | None = None,
    *,
    progress: bool = True,
    pace: Pace | None = None,
) -> Run:
    """The ensembles of a posterior, saved to and resumed from a journal of that description, else ValueError."""
    if isinstance(journal, str | Path):
        with open_journal(journal, description) as opened:
            return run_model(model, wish, seed, description, opened, progress=progress, pace=pace)
    if journal is not None and journal.description != description:
        raise ValueError("the journal was opened for another study or seed")
    return run_ensembles(
        model,
        model.names,
        seed=seed,
        target_ess=wish.target_ess,
        n_ensembles=wish.ensembles,
        n_walkers=wish.walkers,
        max_steps=wish.max_steps,
        progress=progress,
        journal=journal,
        pace=pace,
    )
