"""Global fits and posteriors of a catalogue, one for each split (stack)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from tqdm import tqdm

from mtjfit.infer.wafer import StackPosterior, sample_stack
from mtjfit.infer.wafer_fit import StackFit, fit_stack
from mtjfit.model.wafer_declared import Hierarchy
from mtjfit.study import AboutNominal, Fixed
from mtjfit.wafer.hierarchy import hierarchy_of, stack_model, stacks

if TYPE_CHECKING:
    from mtjfit.wafer.catalogue import Catalogue
    from mtjfit.wafer.declared import WaferStudy

__all__ = ["GroupFits", "GroupPosteriors", "fit_groups", "sample_groups"]


@dataclass(frozen=True, eq=False)
class GroupFits:
    """Global least squares of every split.

    Attributes
    ----------
    fits : mapping of str to StackFit
    left_out : mapping of str to tuple of str
        Flagged devices by split, which took no part.
    """

    fits: Mapping[str, StackFit]
    left_out: Mapping[str, tuple[str, ...]]

    def table(self) -> pd.DataFrame:
        """One row for each split and parameter: split, parameter, value, sd, unit, determined, reason."""
        return _stacked({split: fit.table for split, fit in self.fits.items()})

    def summary(self) -> pd.DataFrame:
        """One row for each split: devices, left_out, and both χ² tests with their degrees of freedom."""
        rows = [
            (split, one.devices.n, len(self.left_out[split]), one.chi2, one.dof, one.p_value, one.misfit_chi2,
             one.misfit_dof, one.misfit_p_value)
            for split, one in self.fits.items()
        ]  # fmt: skip
        columns = ["split", "devices", "left_out", "chi2", "dof", "p_value", "misfit_chi2", "misfit_dof",
                   "misfit_p_value"]  # fmt: skip
        return pd.DataFrame(rows, columns=columns)


@dataclass(frozen=True, eq=False)
class GroupPosteriors:
    """Posteriors of every split.

    Attributes
    ----------
    posteriors : mapping of str to StackPosterior
    left_out : mapping of str to tuple of str
        Flagged devices by split, which took no part.
    """

    posteriors: Mapping[str, StackPosterior]
    left_out: Mapping[str, tuple[str, ...]]

    @property
    def converged(self) -> bool:
        """True only if every posterior is."""
        return all(one.verdict.converged for one in self.posteriors.values())

    def table(self) -> pd.DataFrame:
        """One row for each split and parameter, columns as of `StackPosterior.summary`, and converged."""
        parts = {split: one.summary().assign(converged=one.verdict.converged) for split, one in self.posteriors.items()}
        return _stacked(parts)


def _stacked(parts: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    frames = [part.reset_index().assign(split=split) for split, part in parts.items()]
    together = pd.concat(frames, ignore_index=True)
    return together[["split", *(name for name in together.columns if name != "split")]]


def fit_groups(
    catalogue: Catalogue, study: WaferStudy, *, split: str | None = None, flagged: bool = False, progress: bool = True
) -> GroupFits:
    """Global least squares over all devices of each split, from the sums in the catalogue.

    Amplitudes that scatter are fitted for each device. Thicknesses may depart from nominal by the declared error, or by
    the median of ``thickness_scatter`` where that is declared.

    Parameters
    ----------
    catalogue : Catalogue
    study : WaferStudy
        Under which the devices were reduced.
    split : str, optional
        Only this one.
    flagged : bool
        Also devices with a flag.
    progress : bool
        Show a bar on a terminal.

    Raises
    ------
    DataError
        The catalogue holds no devices of this study, or no such split.
    ConfigError
        The parameters cannot be those of a wafer.

    Examples
    --------
    >>> fit_groups(catalogue, study).table()  # doctest: +SKIP
    """
    fits, left_out = {}, {}
    found = stacks(catalogue, study, split=split, flagged=flagged)
    for stack in tqdm(found, unit="split", leave=False, disable=None if progress else True):
        parameters = study.study_template.parameters
        fits[stack.split] = fit_stack(stack.devices, parameters, thickness_sd=_typical_sd(study))
        left_out[stack.split] = stack.left_out
    return GroupFits(fits, left_out)


def _typical_sd(study: WaferStudy) -> float | None:
    """Of thicknesses about nominal in nm, where the wafer declares it."""
    prior = hierarchy_of(study).thickness_scatter
    if prior is None or isinstance(prior, AboutNominal):
        return None
    return prior.value if isinstance(prior, Fixed) else float(prior.quantile(0.5))


def sample_groups(
    catalogue: Catalogue,
    study: WaferStudy,
    *,
    split: str | None = None,
    flagged: bool = False,
    hierarchy: Hierarchy | None = None,
    journal: str | Path | None = None,
    progress: bool = True,
) -> GroupPosteriors:
    """Hierarchical posterior of each split, from the sums in the catalogue.

    Parameters
    ----------
    catalogue : Catalogue
    study : WaferStudy
        Under which the devices were reduced.
    split : str, optional
        Only this one.
    flagged : bool
        Also devices with a flag.
    hierarchy : Hierarchy, optional
        In place of what the study declares.
    journal : str or Path, optional
        Folder with one run for each split, to go on from after an interruption.
    progress : bool
        Show a bar on a terminal.

    Raises
    ------
    DataError, ConfigError
        As `fit_groups`.

    Examples
    --------
    >>> sample_groups(catalogue, study).table()  # doctest: +SKIP
    """
    posteriors, left_out = {}, {}
    for number, stack in enumerate(stacks(catalogue, study, split=split, flagged=flagged)):
        model = stack_model(stack.devices, study, hierarchy)
        folder = None if journal is None else Path(journal) / f"stack{number}"
        if folder is not None:
            folder.parent.mkdir(parents=True, exist_ok=True)
        posteriors[stack.split] = sample_stack(model, study.study_template.sampling, journal=folder, progress=progress)
        left_out[stack.split] = stack.left_out
    return GroupPosteriors(posteriors, left_out)
