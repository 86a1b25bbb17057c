"""Sampling the posterior: independent emcee ensembles, run until the gate says yes or the steps run out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from mtjfit.data import FloatArray
from mtjfit.errors import MtjfitError, NotDetermined
from mtjfit.infer.crosscheck import cross_check
from mtjfit.infer.ensemble import Stage, advanced, prepared, refitted
from mtjfit.infer.fingerprint import describe
from mtjfit.infer.gate import Chains, Check, Verdict, judge
from mtjfit.infer.history import History, is_look, next_block
from mtjfit.infer.interrupt import finishing_blocks
from mtjfit.infer.journal import Journal, open_journal
from mtjfit.infer.posterior import Posterior
from mtjfit.infer.proposal import fitted_jump
from mtjfit.infer.starts import Target
from mtjfit.model.collapsed import CollapsedPosterior
from mtjfit.model.pointwise import posterior_of
from mtjfit.study import LENGTHS, Study

__all__ = ["refuse_one_thickness", "run_ensembles", "sample"]

_MAX_DRAWS = 10_000
_MAX_QUADRATURE_ERROR = 0.05
_FIRST_REFIT = 400  # steps without convergence after which they only serve to improve the proposal; then doubled
_SAME_POSTERIOR = 1e-6  # relative; another machine rounds differently, another model differs by more


def refuse_one_thickness(study: Study) -> None:
    """Say no to a study in which no length can be determined.

    Raises
    ------
    NotDetermined
        All devices have the same thickness and some length is free.
    """
    free = [name for name in LENGTHS if name in study.parameters and not study.parameters[name].is_fixed]
    if study.n_thicknesses == 1 and free:
        raise NotDetermined(
            f"one thickness ({study.thicknesses[0]:g} nm) does not determine {', '.join(free)}: it determines the "
            "amplitude |kappa| a1, the ratio b2/a1 and the slope ratio T_perp/T_par, see fit(study).combinations. "
            "Measure devices of more thicknesses, or fix every length"
        )


def _n_walkers(size: int, asked: int) -> int:
    """Even, at least 32 and four for each dimension, unless asked otherwise."""
    chosen = asked or max(32, 4 * size)
    return max(chosen + chosen % 2, 2 * (size + 1))


def _same_posterior(target: Target, stage: Stage) -> None:
    """Make sure that walkers from a file have the log posterior that they had when they were saved.

    Raises
    ------
    MtjfitError
        They have not: the program computes something else.
    """
    for one in stage.walkers:
        now = target.log_posterior(one.coords)
        if not np.allclose(now, one.log_posterior, rtol=_SAME_POSTERIOR, atol=_SAME_POSTERIOR):
            raise MtjfitError(
                "the saved run was begun by a version of mtjfit that computes another posterior from the same study; "
                "go on with that version, or name another folder to start anew"
            )


def run_ensembles(
    target: Target,
    names: tuple[str, ...],
    *,
    seed: int,
    target_ess: float,
    n_ensembles: int = 4,
    n_walkers: int = 0,
    max_steps: int = 50_000,
    progress: bool = True,
    journal: Journal | None = None,
) -> tuple[Chains, Verdict]:
    """Sample any vectorised posterior until the gate is content.

    Parameters
    ----------
    target : Target
        `log_prior`, `log_posterior` and `prior_transform`, vectorised over rows.
    names : tuple of str
        Coordinates.
    seed : int
        Same seed, same numbers.
    target_ess : float
        Bulk ESS wanted of every coordinate.
    n_ensembles, n_walkers, max_steps : int
    progress : bool
        Show a bar on a terminal.
    journal : Journal, optional
        Saves every block, and has what an earlier, interrupted run has saved. The numbers are those of a run that was
        never interrupted, to the last bit.

    Returns
    -------
    chains : Chains
        After warm-up.
    verdict : Verdict

    Raises
    ------
    Interrupted
        Ctrl-C with a journal; every block is saved.
    MtjfitError
        The journal is damaged, cannot be written, or belongs to another posterior.
    """
    n_walkers = _n_walkers(len(names), n_walkers)
    with _bar(max_steps, progress) as show, finishing_blocks(wanted=journal is not None) as end_if_asked:
        show(0, "annealing")
        history = None if journal is None else journal.history()
        if history is None:
            history = History(prepared(target, len(names), n_ensembles, n_walkers, seed))
            if journal is not None:
                journal.begin(history.stage)
        else:
            _same_posterior(target, history.stage)
        while True:
            end_if_asked()
            spent, steps = history.spent, history.steps
            done = spent + steps >= max_steps and steps > 0
            show(spent + steps, "sampling")
            if done or is_look(steps):
                chains = history.chains(names)
                verdict = judge(chains, target_ess)
                if verdict.converged or done:
                    return chains, verdict
                show(spent + steps, verdict.reasons[0])
                if steps >= _FIRST_REFIT * 2**history.n_refits:
                    history = history.refitted(refitted(history.stage, history.blocks, seed))
                    if journal is not None:
                        journal.begin(history.stage)
                    continue
            block, stage = advanced(target, history.stage, next_block(steps, max_steps - spent - steps))
            history = history.advanced(block, stage)
            if journal is not None:
                journal.append(block, stage)


@contextmanager
def _bar(total: int, wanted: bool) -> Iterator[Callable[[int, str], None]]:
    """A progress bar on a terminal, silent elsewhere."""
    with tqdm(total=total, unit="step", leave=False, disable=None if wanted else True) as bar:

        def show(steps: int, says: str) -> None:
            bar.set_description(says[:60], refresh=False)
            bar.update(steps - bar.n)

        yield show


def sample(
    study: Study, seed: int | None = None, *, journal: Journal | str | Path | None = None, progress: bool = True
) -> Posterior:
    """Posterior of a study: what devices share by emcee, what is a device's own integrated out and drawn back exactly.

    Parameters
    ----------
    study : Study
    seed : int, optional
        Default: the seed of the study.
    journal : str or Path, or Journal, optional
        Folder to save every block in. If a run of the same study is there already, it is gone on with: the draws are
        those of a run that was never interrupted, to the last bit. The folder stays; delete it when it has served.
    progress : bool
        Show a bar on a terminal.

    Returns
    -------
    Posterior
        Look at `.verdict` before anything else: a run that did not converge is returned too.

    Raises
    ------
    NotDetermined
        One thickness, free lengths.
    MtjfitError
        The journal is of another study, in use, damaged, or cannot be written.
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
    model, wish = posterior_of(study), study.sampling
    seed = wish.seed if seed is None else seed
    if model.size == 0:
        return _posterior(model, *_exact(model), seed)
    with _opened(journal, study, seed) as saved:
        chains, verdict = run_ensembles(
            model,
            model.names,
            seed=seed,
            target_ess=wish.target_ess,
            n_ensembles=wish.ensembles,
            n_walkers=wish.walkers,
            max_steps=wish.max_steps,
            progress=progress,
            journal=saved,
        )
    return _posterior(model, chains, _with_second_method(model, chains, verdict, seed), seed)


def _with_second_method(model: CollapsedPosterior, chains: Chains, verdict: Verdict, seed: int) -> Verdict:
    """The verdict with the opinion of an importance sample from a proposal fitted to the draws."""
    rng = np.random.default_rng(np.random.SeedSequence([seed, 2]))
    jump = fitted_jump(chains.theta.reshape(-1, model.size), rng)
    return replace(verdict, checks=(*verdict.checks, cross_check(model, chains, jump, rng)))


@contextmanager
def _opened(journal: Journal | str | Path | None, study: Study, seed: int) -> Iterator[Journal | None]:
    """The journal of this study and seed."""
    if isinstance(journal, str | Path):
        with open_journal(journal, describe(study, seed)) as opened:
            yield opened
        return
    if journal is not None and journal.description != describe(study, seed):
        raise ValueError("the journal was opened for another study or seed")
    yield journal


def _exact(model: CollapsedPosterior) -> tuple[Chains, Verdict]:
    """Nothing but amplitudes is free: every draw from their conditional is an independent draw of the posterior."""
    shape = (4, _MAX_DRAWS // 16, 4)
    log_posterior = np.full(shape, float(model.log_posterior(np.zeros((1, 0)))[0]))
    says = "nothing is left to sample: independent draws from the exact posterior, nothing to converge"
    chains = Chains((), np.zeros((*shape, 0)), log_posterior, np.ones((shape[0], shape[2])))
    return chains, Verdict((Check("exact", True, says),), {})


def _posterior(model: CollapsedPosterior, chains: Chains, verdict: Verdict, seed: int) -> Posterior:
    n_ensembles, n_steps, n_walkers, size = chains.theta.shape
    thin = max(1, -(-n_ensembles * n_steps * n_walkers // _MAX_DRAWS))
    theta = chains.theta[:, ::thin]
    shape = theta.shape[:-1]
    flat = theta.reshape(-1, size)
    # a stream of its own: what is drawn back does not change what the ensembles draw
    rng = np.random.default_rng(np.random.SeedSequence([seed, 1]))
    columns = _in_order(model, model.draw(flat, rng))
    log_likelihood = chains.log_posterior[:, ::thin].ravel() - model.log_prior(flat)
    return Posterior(
        study=model.study,
        verdict=_with_quadrature(model, flat, verdict),
        names=tuple(columns),
        chain=np.stack(list(columns.values()), axis=-1).reshape(*shape, len(columns)),
        log_likelihood=log_likelihood.reshape(shape),
        priors=model.priors,
        settings={
            "seed": seed, "ensembles": n_ensembles, "walkers": n_walkers, "steps_after_warm_up": n_steps, "thin": thin,
        },
    )  # fmt: skip


def _with_quadrature(model: CollapsedPosterior, theta: FloatArray, verdict: Verdict) -> Verdict:
    """The verdict with one more check where thicknesses were integrated out."""
    if not model.split.thickness_is_free:
        return verdict
    error = model.quadrature_error(theta)
    says = f"integrals over thicknesses are right to {error:.1g} in ln L ({_MAX_QUADRATURE_ERROR:g} allowed)"
    return replace(verdict, checks=(*verdict.checks, Check("quadrature", error <= _MAX_QUADRATURE_ERROR, says)))


def _in_order(model: CollapsedPosterior, drawn: dict[str, FloatArray]) -> dict[str, FloatArray]:
    """Columns of the table: lengths, Λ, noise scales, amplitudes, thicknesses."""
    lengths = {name: x for name, x in drawn.items() if name.split("[")[0] in LENGTHS}
    thickness = {name: x for name, x in drawn.items() if name.startswith("thickness")}
    noise = {name: x for name, x in drawn.items() if name.startswith(("noise", "jitter"))}
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
    return {f"Lambda[{label}]": Lambda[:, of.index(label)] for label in dict.fromkeys(of)}
