"""Fits of splits alone beside posteriors of stacks: one table of intervals."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from mtjfit.cards import ShownAsCard
from mtjfit.data import Origin
from mtjfit.data.origin import kinds
from mtjfit.plain import csv_frame
from mtjfit.study import SCATTER
from mtjfit.wafer.stack.groups import GroupFits, GroupPosteriors
from mtjfit.wafer.stack.odd import MEASURED
from mtjfit.wafer.stack.sample import StackPosterior

FIT, POSTERIOR = "fit alone", "posterior"
_REACH = 1.645  # standard errors on either side of 90 %
_COLUMNS = ["parameter", "unit", "split", "source", "q05", "q50", "q95", "determined", "difference_in_errors", "origin"]


@dataclass(frozen=True, eq=False)
class FitsBesidePosterior(ShownAsCard):
    """Lengths and amplitudes from fits of splits alone, and from posteriors.

    Attributes
    ----------
    table : DataFrame
        parameter, unit, split, source (``"fit alone"`` or ``"posterior"``), q05, q50, q95 (of a fit, the best one and
        1.645 errors on either side; NaN where not determined), determined, difference_in_errors (of a fit, its value
        less the median of the posterior, in its errors; NaN unless both are known), origin.
    """

    table: pd.DataFrame
    origins: tuple[Origin, ...] = (Origin(),)

    @property
    def label(self) -> str:
        """Mark for plots; empty if everything was measured."""
        return "; ".join(dict.fromkeys(origin.label for origin in self.origins if origin.label))


def load_beside(path: str | Path, origins: tuple[Origin, ...] = (Origin(),)) -> FitsBesidePosterior:
    """Fits beside posteriors from ``stack-fits-beside-posteriors.csv``, for `mtjfit.wafer.plot.plot_beside`.

    Parameters
    ----------
    origins : tuple of Origin
        Whether the devices were measured, with the notes that the table does not hold, as of
        `mtjfit.wafer.Catalogue.origins`.

    Raises
    ------
    DataError
        The table is of something else, or damaged; with the line.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "stack-fits-beside-posteriors.csv"
    ...     _ = file.write_text(f"{','.join(_COLUMNS)}\\nlambda_J,nm,A,fit alone,0.9,1.0,1.1,yes,,measured\\n")
    ...     table = load_beside(file).table
    >>> table["parameter"].tolist(), table["q50"].tolist(), table["difference_in_errors"].tolist()
    (['lambda_J'], [1.0], [nan])
    """
    texts = ("parameter", "unit", "split", "source", "determined", "origin")
    table = csv_frame(path, "stack-fits-beside-posteriors.csv", _COLUMNS, texts)
    return FitsBesidePosterior(table[_COLUMNS], origins)


def fits_beside_posterior(fits: GroupFits, posterior: StackPosterior | GroupPosteriors) -> FitsBesidePosterior:
    """Fits of splits alone beside the posterior of the stack that they belong to, or beside the one of each split.

    The fit of a split knows nothing of the others, of smooth parts, or of how much devices scatter. Its difference from
    the posterior is that of two answers that share data: less than one of its errors as a rule.

    Parameters
    ----------
    posterior : StackPosterior or GroupPosteriors
        One posterior of all splits, if they are of one stack, or one of each split. Those that did not converge are
        left out.

    Examples
    --------
    >>> from mtjfit.wafer.stack.groups import fit_groups
    >>> fits_beside_posterior(fit_groups(catalogue, study), posterior).table              # doctest: +SKIP
    """
    single = isinstance(posterior, StackPosterior)
    every = {"": posterior} if isinstance(posterior, StackPosterior) else dict(posterior.posteriors)
    summaries = {split: one.summary() for split, one in every.items() if one.verdict.converged}
    rows = []
    for split, fit in fits.fits.items():
        beside = summaries.get("" if single else split)
        medians = {} if beside is None else beside.loc[beside["determined"].isin(MEASURED), "q50"].to_dict()
        for name, row in fit.table.iterrows():
            value, error = float(row["value"]), float(row["sd"])
            known = bool(row["determined"])
            reach = _REACH * error if known else np.nan
            away = (value - float(medians[name])) / error if known and name in medians else np.nan
            rows.append((name, row["unit"], split, FIT, value - reach, value if known else np.nan, value + reach,
                         "yes" if known else "no", away))  # fmt: skip
    for split, summary in summaries.items():
        shown = [name for name in summary.index if not str(name).startswith(SCATTER)]
        for name, row in summary.loc[shown].iterrows():
            if any(name in fit.table.index for fit in fits.fits.values()):
                quantiles = (row[each] for each in ("q05", "q50", "q95"))
                rows.append((name, row["unit"], split, POSTERIOR, *quantiles, row["determined"], np.nan))
    table = pd.DataFrame(rows, columns=_COLUMNS[:-1]).assign(origin=kinds(fits.origins))
    order = {name: k for k, name in enumerate(dict.fromkeys(table["parameter"]))}
    place = table["parameter"].map(order)
    return FitsBesidePosterior(table.iloc[np.argsort(place, kind="stable")].reset_index(drop=True), fits.origins)
