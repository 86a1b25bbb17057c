"""Sampling the posterior of a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np

from mtjfit.arrays import FloatArray
from mtjfit.errors import MtjfitError, NotDetermined
from mtjfit.infer.convergence.diagnostics import MAX_DRAWS, thinning
from mtjfit.infer.convergence.gate import Chains, Check, Verdict, about_priors
from mtjfit.infer.ensembles.ensemble import Moves, Pace, Stream, stream, weighted
from mtjfit.infer.ensembles.run import Callback, Run, run_ensembles
from mtjfit.infer.evidence import Evidence
from mtjfit.infer.nested import run_nested
from mtjfit.infer.posterior import Posterior
from mtjfit.infer.store.fingerprint import describe
from mtjfit.infer.store.journal import Journal, open_journal
from mtjfit.model.layout import joint_scope
from mtjfit.model.marginal import MarginalPosterior
from mtjfit.model.noise_models import make_posterior
from mtjfit.model.posterior import SharedPosterior
from mtjfit.study import Parameter, ParameterName, Sampling, Study

RNG: TypeAlias = np.random.Generator | np.random.BitGenerator | np.random.SeedSequence | int | Sequence[int] | None
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


def drawn_names(model: MarginalPosterior) -> tuple[str, ...]:
    """Columns of the draws of a posterior, in the order of its table."""
    return tuple(_in_order(model, model.draw(np.zeros((1, model.size)), np.random.default_rng(0))))


def _in_order(model: MarginalPosterior, drawn: dict[str, FloatArray]) -> dict[str, FloatArray]:
    """Columns of the table: lengths, Λ, noise scales, amplitudes, thicknesses."""
    lengths = {name: x for name, x in drawn.items() if ParameterName(name).shapes_kappa}
    tied = {name: tie.ratio * drawn[of] for name, of, tie in model.study.tied}
    derived = _derived_Lambda(model, lengths)
    found = lengths | tied
    lengths = {name: found[name] for base in model.study.lengths for name in found if ParameterName(name).base == base}
    thickness = {name: x for name, x in drawn.items() if ParameterName(name).is_thickness}
    noise = {name: x for name, x in drawn.items() if ParameterName(name).is_noise}
    rest = {name: x for name, x in drawn.items() if name not in lengths | thickness | noise}
    return lengths | derived | noise | rest | thickness


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
    rng: RNG = None,
    target_ess: int | None = None,
    method: Literal["emcee", "nested"] = "emcee",
    moves: Moves | None = None,
    callback: Callback | None = None,
    journal: Journal | str | Path | None = None,
    progress: bool = True,
    pace: Pace | None = None,
) -> Posterior:
    """Posterior of a study: shared parameters are sampled, those of single devices integrated out and drawn back.

    Parameters
    ----------
    seed : int, optional
        Default: the seed of the study.
    rng : Generator, SeedSequence, int or sequence of int, optional
        Whatever `numpy.random.default_rng` takes (SPEC 7), in place of `seed`: the seed is drawn from it, and stands in
        the `settings` of the posterior.
    target_ess : int, optional
        Effective draws wanted, in place of those of the study.
    method : {"emcee", "nested"}
        Ensembles of emcee, or nested sampling by dynesty (``pip install 'mtjfit[evidence]'``): slower, and a check by
        another algorithm. Both are judged by the same gate. Of the study's `sampling`, nested sampling has as many runs
        as `ensembles`; `walkers` and `max_steps` are of emcee alone.
    moves : sequence of emcee moves, or of pairs of a move and its weight, optional
        In place of jumps that are fitted to the posterior; in its coordinates, in which priors are standard normal.
    callback : callable, optional
        Called with the steps so far and the `Verdict` on them whenever the gate is asked. If it returns True the run
        ends.
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
        Every parameter is fixed, or the journal is of another study, in use, damaged, or cannot be written; or dynesty
        is missing.
    ConfigError
        `target_ess` is outside its range.
    ValueError
        Both `seed` and `rng` are given, or options that do not go together.
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
    _refuse_options(method, moves, callback, journal, pace)
    if target_ess is not None:
        study = study.replace(sampling=replace(study.sampling, target_ess=target_ess))
    seed, wish = _seed(study, seed, rng), study.sampling
    model = make_posterior(study)
    if not model.priors:
        raise MtjfitError("every parameter of the study is fixed: there is nothing to sample; use mtjfit.fit")
    if model.size == 0:
        return _drawn_exactly(model, seed)
    if method == "nested":
        found = run_nested(
            model, model.names, seed=seed, target_ess=wish.target_ess, n_runs=wish.ensembles, progress=progress
        )
    else:
        found = run_model(
            model, wish, seed, describe(study, seed), journal, progress=progress, moves=moves, callback=callback,
            pace=pace,
        )  # fmt: skip
    return _posterior(model, found.chains, found.verdict, found.evidence, seed)


def _seed(study: Study, seed: int | None, rng: RNG) -> int:
    if rng is not None:
        if seed is not None:
            raise ValueError("give seed or rng, not both")
        return int(np.random.default_rng(rng).integers(2**63))
    if seed is None:
        return study.sampling.seed
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer):
        raise TypeError(f"seed is a {type(seed).__name__}: give a whole number, or a generator as rng=")
    if seed < 0:
        raise ValueError(f"seed is {seed}: give a whole number from 0 on")
    return int(seed)


def _refuse_options(method: str, moves: Moves | None, callback: object, journal: object, pace: Pace | None) -> None:
    """ValueError for options that do not go together, and for a move that samples another density."""
    if method not in ("emcee", "nested"):
        raise ValueError(f"method is {method!r}: choose 'emcee' or 'nested'")
    given = {"moves": moves, "callback": callback, "journal": journal, "pace": pace}
    if method == "nested" and any(each is not None for each in given.values()):
        names = ", ".join(name for name, each in given.items() if each is not None)
        raise ValueError(f"nested sampling has no {names}: leave out what only ensembles have")
    if moves is not None and journal is not None:
        raise ValueError("a run with moves of its own cannot be resumed: leave out the journal")
    for move, _ in weighted(moves or ()):
        if type(move).__name__ == "DESnookerMove":
            raise ValueError("DESnookerMove of emcee samples another density: its acceptance ratio lacks a square")


def run_model(
    model: SharedPosterior,
    wish: Sampling,
    seed: int,
    description: Mapping[str, str],
    journal: Journal | str | Path | None = None,
    *,
    progress: bool = True,
    moves: Moves | None = None,
    callback: Callback | None = None,
    pace: Pace | None = None,
) -> Run:
    """The ensembles of a posterior, saved to and resumed from a journal of that description, else ValueError."""
    if isinstance(journal, str | Path):
        with open_journal(journal, description) as opened:
            return run_model(
                model, wish, seed, description, opened, progress=progress, moves=moves, callback=callback, pace=pace
            )
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
        moves=moves,
        callback=callback,
        pace=pace,
    )
