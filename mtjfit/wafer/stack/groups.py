"""Global fits and posteriors of a catalogue, one for each split (stack)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from mtjfit.data import Origin
from mtjfit.data.origin import kinds
from mtjfit.infer.ensembles.run import Run
from mtjfit.infer.sampling import run_model
from mtjfit.output import prepare_folder
from mtjfit.progress import bar
from mtjfit.study import Sampling
from mtjfit.wafer.stack.fit import FitEffort, StackFit, fit_stack
from mtjfit.wafer.stack.from_catalogue import catalogue_stacks, hierarchy_of, stack_model
from mtjfit.wafer.stack.hierarchy import Hierarchy
from mtjfit.wafer.stack.posterior import WaferPosterior
from mtjfit.wafer.stack.sample import StackPosterior, describe_stack, sample_stack

if TYPE_CHECKING:
    from mtjfit.wafer.catalogue import Catalogue
    from mtjfit.wafer.declaration import WaferStudy


@dataclass(frozen=True, eq=False)
class GroupFits:
    """Global least squares of every split."""

    fits: Mapping[str, StackFit]
    left_out: Mapping[str, tuple[str, ...]]  # flagged devices by split, which took no part
    origins: tuple[Origin, ...] = (Origin(),)  # whether the devices were measured

    def table(self) -> pd.DataFrame:
        """One row for each split and parameter: split, parameter, value, sd, unit, determined, reason, origin."""
        return _stacked({split: fit.table for split, fit in self.fits.items()}, self.origins)

    def summary(self) -> pd.DataFrame:
        """One row for each split: devices, left_out, both χ² tests with their degrees of freedom, origin."""
        tests = ["chi2", "dof", "p_value", "misfit_chi2", "misfit_dof", "misfit_p_value"]
        rows = [
            (split, one.devices.n, len(self.left_out[split]), *(getattr(one, name) for name in tests))
            for split, one in self.fits.items()
        ]
        found = pd.DataFrame(rows, columns=["split", "devices", "left_out", *tests])
        return found.assign(origin=kinds(self.origins))


@dataclass(frozen=True, eq=False)
class GroupPosteriors:
    """Posteriors of every split; `left_out` and `origins` as of `GroupFits`."""

    posteriors: Mapping[str, StackPosterior]
    left_out: Mapping[str, tuple[str, ...]]
    origins: tuple[Origin, ...] = (Origin(),)

    @property
    def converged(self) -> bool:
        """True only if every posterior is."""
        return all(one.verdict.converged for one in self.posteriors.values())

    def table(self) -> pd.DataFrame:
        """One row for each split and parameter, columns as of `StackPosterior.summary`, converged, and origin."""
        parts = {split: one.summary().assign(converged=one.verdict.converged) for split, one in self.posteriors.items()}
        return _stacked(parts, self.origins)


def _stacked(parts: Mapping[str, pd.DataFrame], origins: tuple[Origin, ...]) -> pd.DataFrame:
    if not parts:
        return pd.DataFrame(columns=["split", "parameter", "origin"])
    frames = [part.reset_index().assign(split=split, origin=kinds(origins)) for split, part in parts.items()]
    together = pd.concat(frames, ignore_index=True)
    return together[["split", *(name for name in together.columns if name != "split")]]


def fit_groups(
    catalogue: Catalogue,
    study: WaferStudy,
    *,
    split: str | None = None,
    flagged: bool = False,
    leave: Collection[str] = (),
    progress: bool = True,
    effort: FitEffort | None = None,
) -> GroupFits:
    """Global least squares over all devices of each split, from the sums in the catalogue.

    Amplitudes that scatter are fitted for each device. Thicknesses may depart from nominal by the declared error, or by
    the median of ``thickness_scatter`` where that is declared.

    Parameters
    ----------
    study, split, flagged, leave
        As of `catalogue_stacks`.
    progress : bool
        Show a bar on a terminal.
    effort : FitEffort, optional
        Of the search in each split.

    Raises
    ------
    DataError
        The catalogue holds no devices of this study, or no such split.
    ConfigError
        The parameters cannot be those of a wafer.
    """
    fits, left_out = {}, {}
    scatter = hierarchy_of(study).thickness_scatter
    sd = None if scatter is None else float(scatter.quantile(0.5))
    found = catalogue_stacks(catalogue, study, split=split, flagged=flagged, leave=leave)
    for stack in bar("fitting", progress, found, unit="split"):
        parameters = study.study_template.parameters
        fits[stack.split] = fit_stack(stack.devices, parameters, thickness_sd=sd, effort=effort)
        left_out[stack.split] = stack.left_out
    return GroupFits(fits, left_out, catalogue.origins(study.fingerprint()))


def sample_groups(
    catalogue: Catalogue,
    study: WaferStudy,
    *,
    split: str | None = None,
    flagged: bool = False,
    leave: Collection[str] = (),
    hierarchy: Hierarchy | None = None,
    journal: str | Path | None = None,
    progress: bool = True,
    workers: int | None = None,
    scheduler: str = "",
    run: Callable[..., Run] = run_model,
) -> GroupPosteriors:
    """Hierarchical posterior of each split, from the sums in the catalogue.

    Parameters
    ----------
    study, split, flagged, leave
        As of `catalogue_stacks`.
    hierarchy : Hierarchy, optional
        In place of what the study declares.
    journal : str or Path, optional
        Folder with one run for each model of a split, which is resumed: the same devices under the same declarations
        have the same run.
    progress : bool
        Show a bar on a terminal.
    workers, scheduler, run
        As of `sample_stack`, for each split.

    Raises
    ------
    DataError, ConfigError
        As `fit_groups`.
    MtjfitError, ValueError
        As `sample_stack`.
    """
    posteriors, left_out = {}, {}
    for stack in catalogue_stacks(catalogue, study, split=split, flagged=flagged, leave=leave):
        model, wish, folder = stack_model(stack.devices, study, hierarchy), study.study_template.sampling, None
        if journal is not None:
            folder = run_folder(journal, model, wish)
        posteriors[stack.split] = sample_stack(
            model, wish, journal=folder, progress=progress, workers=workers, scheduler=scheduler, run=run
        )
        left_out[stack.split] = stack.left_out
    return GroupPosteriors(posteriors, left_out, catalogue.origins(study.fingerprint()))


def run_folder(journal: str | Path, model: WaferPosterior, sampling: Sampling) -> Path:
    """Folder for the run of a model inside `journal`, which is made: the same model has the same folder."""
    described = json.dumps(describe_stack(model, sampling.seed), sort_keys=True)  # all that its chain depends on
    folder = Path(journal) / f"stack-{hashlib.sha256(described.encode()).hexdigest()[:16]}"
    prepare_folder(folder.parent)
    return folder
