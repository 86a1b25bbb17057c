"""Lengths of a stack with all of its devices, and without those that are odd."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from mtjfit.cards import ShownAsCard
from mtjfit.data import pretty
from mtjfit.infer.ensembles.ensemble import Stream, stream
from mtjfit.study import LENGTHS, ParameterName
from mtjfit.text import number, some
from mtjfit.wafer.stack.deviations import spaced
from mtjfit.wafer.stack.posterior import WaferPosterior
from mtjfit.wafer.stack.sample import StackPosterior
from mtjfit.wafer.stack.some_devices import SomeDevices
from mtjfit.wafer.stack.without import WithoutDevices, without_devices

_MOST_DRAWS = 2000  # that are weighted: with more k̂ may be no larger
_ENOUGH = 0.5  # k̂ of weights with a variance: quantiles need more than the mean
_FEWEST = 100.0  # effective draws
_SMALL = 0.1  # of an error: no change
_QUANTILES = ["q05", "q50", "q95"]
_ERRORS = 2 * 1.645  # standard deviations between the outer two, of a normal distribution
MEASURED = ("yes", "with priors")
"""How a parameter is determined that has an interval."""
REWEIGHTED, SAMPLED, OPEN = "draws reweighted", "sampled again", "not decided"


def bounded_text(row: Mapping[Hashable, Any], ending: str = "") -> str:
    """A parameter as the data bound it, from the columns q05, q50, q95, determined with some `ending`, and unit.

    >>> row = {"q05": 0.9, "q50": 1.0, "q95": 1.2, "unit": "nm"}
    >>> bounded_text(row | {"determined": "yes"}), bounded_text(row | {"determined": "lower limit"})
    ('1 nm (0.9 to 1.2)', '> 0.9 nm')
    """
    low, middle, high = (number(float(row[f"{name}{ending}"]), 3) for name in _QUANTILES)
    unit = f" {pretty(str(row['unit']))}".rstrip()
    says = str(row[f"determined{ending}"])
    limits = {"lower limit": f"> {low}{unit}", "upper limit": f"< {high}{unit}"}
    if says in limits:
        return limits[says]
    if says not in MEASURED:
        return "not determined"
    return f"{middle}{unit} ({low} to {high}{', with priors' if says != 'yes' else ''})"


@dataclass(frozen=True, eq=False)
class WithoutOdd(ShownAsCard):
    """The posterior of a stack with and without its odd devices.

    Attributes
    ----------
    odd : tuple of str
        Devices that were removed, ``wafer: device`` where wafers have names.
    without : StackPosterior or None
        Of the other devices; None where it could not be had.
    how : str
        ``"draws reweighted"``, ``"sampled again"``, or ``"not decided"``.
    k_hat : float
        Pareto k̂ of the weights; −∞ where nothing was removed, NaN where nothing was weighted.
    why : str
        Reason why it was not decided.
    """

    whole: StackPosterior
    odd: tuple[str, ...]
    without: StackPosterior | None
    how: str
    k_hat: float
    why: str = ""

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row for each length that is sampled: with all devices, without the odd ones, and the change.

        Columns are parameter, unit, q05_with, q50_with, q95_with (quantiles), determined_with (as of
        `StackPosterior.determined`), the same ``…_without`` (NaN where it was not decided), change (of the median) and
        change_in_errors (the same in errors of the length without the odd devices; both NaN unless it is measured, if
        only with the priors of others, in both cases), how, k_hat, says.
        """
        names = [name for name in self.whole.names if ParameterName(name).base in LENGTHS]
        before = self.whole.summary().loc[names]
        after = before[_QUANTILES].mul(np.nan).assign(determined=OPEN)
        if self.without is not None:
            after = self.without.summary().loc[names]
        columns = [*_QUANTILES, "determined"]
        found = before[["unit"]].join(before[columns].add_suffix("_with")).join(after[columns].add_suffix("_without"))
        known = found["determined_with"].isin(MEASURED) & found["determined_without"].isin(MEASURED)
        found["change"] = (found["q50_without"] - found["q50_with"]).where(known)
        found["change_in_errors"] = found["change"] * _ERRORS / (found["q95_without"] - found["q05_without"])
        found = found.assign(how=self.how, k_hat=self.k_hat).reset_index()
        return found.assign(says=[self._says(row) for row in found.to_dict("records")])

    def _says(self, row: Mapping[Hashable, Any]) -> str:
        """One length in a sentence."""
        name = row["parameter"]
        if self.without is None:
            return f"{name}: not decided, {self.why}"
        both = f"{bounded_text(row, '_with')} with all devices, {bounded_text(row, '_without')} without the odd ones"
        change = float(row["change_in_errors"])
        if not np.isfinite(change):
            return f"{name}: {both}"
        if abs(change) < _SMALL:
            return f"{name} stays: {both}"
        return f"{name} {'rises' if change > 0 else 'falls'} by {abs(change):.1f} of its errors: {both}"

    def sentences(self) -> tuple[str, ...]:
        """Each length in one sentence; one that says so if no device is odd."""
        if not self.odd:
            return ("No device is odd: lengths without odd devices are the same.",)
        return tuple(f"{each}." for each in self.table["says"])


def lengths_without(
    posterior: StackPosterior,
    odd: Collection[int] | np.ndarray,
    *,
    sample: Callable[[WaferPosterior], StackPosterior] | None = None,
) -> WithoutOdd:
    """Lengths of a stack with and without some of its devices.

    The draws are weighted by the reciprocal likelihood of the removed devices (`mtjfit.wafer.stack.without`), which is
    exact where Pareto k̂ is 0.5 at most. Where it is not the other devices are sampled, if `sample` is given; otherwise
    the result says that it was not decided.

    Parameters
    ----------
    odd : array of bool, shape (n_devices,), or places
        Devices to remove, such as ``predictive_check(posterior)["odd"]``.
    sample : callable, optional
        Samples a model of the other devices, such as `mtjfit.wafer.stack.sample.sample_stack`.

    Raises
    ------
    ValueError
        No device would be left.

    Examples
    --------
    >>> changed = lengths_without(posterior, predictive_check(posterior)["odd"])          # doctest: +SKIP
    >>> print(*changed.sentences(), sep="\\n")                                            # doctest: +SKIP
    """
    devices = posterior.model.devices
    gone = np.zeros(devices.n, dtype=bool)
    gone[np.asarray(odd)] = True
    if gone.all():
        raise ValueError("no device would be left")
    names = tuple(f"{devices.wafer[k]}: {devices.device[k]}".removeprefix(": ") for k in np.flatnonzero(gone))
    if not posterior.verdict.converged:
        why = "the posterior of the stack did not converge"
        return WithoutOdd(posterior, names, None, OPEN, float("nan"), why)
    if not gone.any():
        return WithoutOdd(posterior, names, posterior, REWEIGHTED, float("-inf"))
    rest, removed = (SomeDevices.at(posterior.model, which) for which in (~gone, gone))
    z = spaced(posterior, _MOST_DRAWS)
    weighted = without_devices(z, posterior.model.log_posterior, removed, removed.log_likelihood(z), _ENOUGH)
    if weighted.k_hat <= _ENOUGH and weighted.n_effective >= _FEWEST:
        return WithoutOdd(posterior, names, _of_others(posterior, rest, weighted), REWEIGHTED, weighted.k_hat)
    why = f"the draws do not reach the posterior without {some(names)} "
    why += f"(Pareto k̂ {number(weighted.k_hat, 2)}, {weighted.n_effective:.0f} effective draws)"
    if sample is None:
        return WithoutOdd(posterior, names, None, OPEN, weighted.k_hat, f"{why}; sample the other devices")
    found = sample(rest.model)
    if found.verdict.converged:
        return WithoutOdd(posterior, names, found, SAMPLED, weighted.k_hat)
    why += ", and their own run did not converge"
    return WithoutOdd(posterior, names, None, OPEN, weighted.k_hat, why)


def _of_others(posterior: StackPosterior, rest: SomeDevices, weighted: WithoutDevices) -> StackPosterior:
    """Draws of the other devices, of equal weight, in as many ensembles and walkers as there were."""
    shape = posterior.z.shape[:-1]
    drawn = weighted.resampled(int(np.prod(shape)), stream(posterior.seed, Stream.DRAW_BACK, 1))
    z = rest.coordinates(drawn)
    # many draws are repeated: their likelihoods are computed once
    different, of = np.unique(z, axis=0, return_inverse=True)
    log_likelihood = rest.model.log_likelihood(different)[of.ravel()]
    return replace(
        posterior, model=rest.model, z=z.reshape(*shape, -1), log_likelihood=log_likelihood.reshape(shape),
        evidence=None,
    )  # fmt: skip
