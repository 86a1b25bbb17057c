"""Sampling the posterior of a study."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mtjfit.errors import MtjfitError, NotDetermined
from mtjfit.infer.drawn import drawn_back, drawn_exactly
from mtjfit.infer.fingerprint import describe
from mtjfit.infer.journal import Journal, open_journal
from mtjfit.infer.posterior import Posterior
from mtjfit.infer.run import run_ensembles
from mtjfit.model.pointwise import posterior_of
from mtjfit.study import LENGTHS, Study

__all__ = ["refuse_one_thickness", "sample"]


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
    model, wish = posterior_of(study), study.sampling
    if not model.priors:
        raise MtjfitError("every parameter of the study is fixed: there is nothing to sample; use mtjfit.fit")
    seed = wish.seed if seed is None else seed
    if model.size == 0:
        return drawn_exactly(model, seed)
    with _opened(journal, study, seed) as saved:
        run = run_ensembles(
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
    return drawn_back(model, run, seed)


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
