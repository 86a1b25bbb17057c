"""The posterior of a study: draws, their summary, and whether they may be trusted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from mtjfit.arrays import FloatArray
from mtjfit.cards import Card, ShownAsCard
from mtjfit.data import pretty
from mtjfit.infer.convergence.diagnostics import ess_bulk, r_hat
from mtjfit.infer.convergence.gate import Chains, Verdict
from mtjfit.infer.evidence import Evidence
from mtjfit.infer.level import BAND, INTERVAL, Level
from mtjfit.model.layout import Scattered
from mtjfit.model.marginal import MarginalPosterior
from mtjfit.model.noise_models import make_posterior
from mtjfit.model.profile import EDGE, OPEN, answer_of_sides
from mtjfit.study import AnyPrior, EqualTo, Fixed, ParameterName, Prior, Product, Study
from mtjfit.study.correlated import log_normal_product
from mtjfit.text import number

FROM_PRIOR = 0.1
"""Bits of information below which a parameter comes from its prior alone, limits included."""
_SLICES = round(1 / EDGE)
_DEGENERATE = ((0.0, 0.0), (np.inf, np.inf))  # a factor that leaves nothing of the other


def determined_sides(u: FloatArray) -> str:
    """``"yes"``, ``"lower limit"``, ``"upper limit"`` or ``"no"``, from the prior probability below each draw.

    See `Posterior.determined`.

    >>> determined_sides(np.linspace(0.4, 0.6, 1000)), determined_sides(np.linspace(0.0, 1.0, 1000))
    ('yes', 'no')
    >>> determined_sides(np.linspace(0.04, 1.0, 1000)), determined_sides(np.linspace(0.2, 1.0, 1000))
    ('no', 'lower limit')
    """
    heights = np.histogram(u, bins=_SLICES, range=(0.0, 1.0))[0] / u.size
    seen = heights[heights > 0]
    if float(seen @ np.log2(seen * _SLICES)) < FROM_PRIOR:
        return "no"
    low, high = np.mean([u < EDGE, u > 1 - EDGE], axis=1)
    return answer_of_sides(bool(low > OPEN * heights.max()), bool(high > OPEN * heights.max()))


def draws_summary(
    names: Sequence[str],
    chain: FloatArray,
    unit_of: Callable[[str], str],
    determined: Callable[[str], str],
    level: Level = INTERVAL,
) -> pd.DataFrame:
    """Moments, quantiles and diagnostics by parameter, for draws of shape (n_ensembles, n_kept, n_walkers, n_names)."""
    rows = []
    for k, name in enumerate(names):
        ensembles = chain[..., k]
        values = ensembles.ravel()
        rows.append((
            values.mean(), values.std(ddof=1), *np.quantile(values, level.quantiles),
            ess_bulk(ensembles.swapaxes(1, 2).reshape(-1, ensembles.shape[1])),
            r_hat(ensembles.reshape(ensembles.shape[0], -1)), unit_of(name), determined(name),
        ))  # fmt: skip
    columns = ["mean", "sd", *level.names, "ess", "r_hat", "unit", "determined"]
    return pd.DataFrame(rows, index=pd.Index(names, name="parameter"), columns=columns)


def summary_header(level: Level = INTERVAL) -> tuple[str, ...]:
    """Over `summary_rows`."""
    return "parameter", f"median ({level} interval), or {level.one_sided} limit", "unit", "ESS", "R-hat"


def summary_rows(table: pd.DataFrame, level: Level = INTERVAL) -> list[list[str]]:
    """The rows of a summary in words, under `summary_header`."""
    rows = []
    for name, row in table.iterrows():
        low, median, high = (number(float(row[key])) for key in level.names)
        says = {
            "yes": f"{median} ({low} to {high})", "lower limit": f"> {low}", "upper limit": f"< {high}",
            "no": f"not determined (with its prior {low} to {high})",
            "with priors": f"only with the priors of others ({low} to {high})",
        }[str(row["determined"])]  # fmt: skip
        rows.append([str(name), says, pretty(str(row["unit"])), f"{row['ess']:.0f}", f"{row['r_hat']:.3f}"])
    return rows


@dataclass(frozen=True, eq=False)
class Posterior(ShownAsCard):
    """Draws from the posterior of a study.

    Attributes
    ----------
    verdict : Verdict
        Answer of the convergence gate.
    names : tuple of str
        Parameters: lengths, Λ where it is derived, noise scales, amplitudes, thicknesses.
    chain : ndarray, shape (n_ensembles, n_kept, n_walkers, n_names)
        Thinned draws in natural units; amplitudes drawn from their exact conditionals.
    log_likelihood : ndarray, shape (n_ensembles, n_kept, n_walkers)
        With amplitudes integrated out.
    priors : mapping of str to Prior
        Prior of every sampled parameter.
    settings : mapping of str to number
        Ensembles, walkers, steps, warm-up and thinning of the run.
    evidence : Evidence or None
        ln ∫ prior · likelihood of the study; None where the run did not converge.
    level : float or None
        Share of the draws in every interval and band of tables and figures, 0.5 to 0.999 (else ValueError); None for
        0.9 in tables and 0.95 in bands. ``dataclasses.replace(posterior, level=0.8)`` shows the same draws with others.
    """

    study: Study
    verdict: Verdict
    names: tuple[str, ...]
    chain: FloatArray
    log_likelihood: FloatArray
    priors: Mapping[str, Prior]
    settings: Mapping[str, int]
    evidence: Evidence | None = None
    level: float | None = None

    def __post_init__(self) -> None:
        if self.level is not None:
            Level(self.level)

    @property
    def interval(self) -> Level:
        """The level of intervals in tables; a limit is one end of such an interval."""
        return INTERVAL if self.level is None else Level(self.level)

    @property
    def band(self) -> Level:
        """The level of the bands of figures, and of intervals beside them."""
        return BAND if self.level is None else Level(self.level)

    @cached_property
    def draws(self) -> pd.DataFrame:
        """All draws, one row each, columns by parameter."""
        return pd.DataFrame(self.chain.reshape(-1, len(self.names)), columns=list(self.names))

    def spaced(self, most: int = 2000) -> pd.DataFrame:
        """At most so many of the draws, evenly spaced."""
        return self.draws.iloc[np.linspace(0, len(self.draws) - 1, min(len(self.draws), most)).round().astype(int)]

    def walkers(self, name: str) -> FloatArray:
        """One parameter as chains of single walkers, shape (n_ensembles · n_walkers, n_kept)."""
        k = self.names.index(name)
        return np.asarray(self.chain[..., k].swapaxes(1, 2).reshape(-1, self.chain.shape[1]))

    def determined(self, name: str) -> str:
        """Whether the data alone determine a parameter: ``"yes"``, ``"lower limit"``, ``"upper limit"`` or ``"no"``.

        In prior probability u the density of the draws is the likelihood with all else integrated out. A side is open
        if that likelihood, at the edge of the prior, is still a tenth of its largest value: then only the prior bounds
        the parameter. Below `FROM_PRIOR` bits of information the answer is "no", too: a limit would be that of the
        prior. The priors of the other parameters enter: where the design has undetermined directions
        (`mtjfit.identify`), "yes" is conditional on those priors.
        """
        return determined_sides(self.prior_cdf(name))

    def prior_cdf(self, name: str) -> FloatArray:
        """Prior probability below each draw of a parameter, shape (n_draws,); for Λ from the priors of its factors."""
        prior, draws = self._prior(name), self.draws[name].to_numpy()
        return np.zeros(draws.size) if prior is None else prior.cdf(draws)

    def prior_of(self, name: str) -> Prior | None:
        """Prior of a parameter; of a derived Λ, of the product of its factors.

        None for amplitudes that scatter about a shared one, whose distribution is itself inferred.
        """
        prior = self._prior(name)
        return None if isinstance(prior, Scattered) else prior

    def _prior(self, name: str) -> Prior | None:
        if name in self.priors:
            return self.priors[name]
        declared = self.study.parameters.get(ParameterName(name).base)
        if declared is not None and declared.tie is not None:
            return declared.tie.prior if isinstance(declared.tie.prior, Prior) else None
        if ParameterName(name).base != "Lambda":
            return None
        factors = [ParameterName(name).of(base) for base in ("lambda_sf_N", "D_ratio")]
        one, other = (self._factor(each) for each in factors)
        joint = log_normal_product(one, other, factors[1].base)
        if joint is not None:
            return joint
        if isinstance(one, Fixed):
            one, other = other, one
        if not (isinstance(one, Prior) and isinstance(other, Prior | Fixed)) or other.support in _DEGENERATE:
            return None
        return Product(one, other)

    def _factor(self, name: ParameterName) -> AnyPrior | None:
        """Prior of a factor of Λ, of its owner or of all."""
        found = self.priors.get(name, self.priors.get(name.base, self.study.parameters[name.base].prior))
        return found.prior if isinstance(found, EqualTo) else found

    @cached_property
    def _summary(self) -> pd.DataFrame:
        return draws_summary(self.names, self.chain, self.study.unit_of, self.determined, self.interval)

    def summary(self) -> pd.DataFrame:
        """Table by parameter.

        Returns
        -------
        DataFrame
            Index parameter; columns mean, sd, q05, q50, q95, ess, r_hat, unit, determined. With another `level` the
            quantiles are those of its ends and the median, such as q10, q50, q90. Where `determined` is not
            ``"yes"``, mean and sd describe the prior as much as the data and are no measurement.
        """
        return self._summary.copy()

    def curve(self, device: str, bias: ArrayLike | None = None, *, level: float = 0.95) -> pd.DataFrame:
        """The model of one device with its band, at any bias; noise of the data is not in it.

        Parameters
        ----------
        device : str
            One of `study.devices`.
        bias : array_like, optional
            In volts, by default that of the data.
        level : float
            Share of the draws in the band, at each bias.

        Returns
        -------
        DataFrame
            One row for each bias: bias (V), par, par_low, par_high, perp, perp_low, perp_high, and their unit. `par`
            and `perp` are medians, between `_low` and `_high` lies the central interval, all of `spaced`, as in the
            figures.

        Raises
        ------
        ValueError
            There is no such device, a bias is no finite number, or the level does not lie between 0 and 1.

        Examples
        --------
        >>> band = posterior.curve("F0.8nm", [0.0, 0.1], level=0.68)  # doctest: +SKIP
        """
        from mtjfit.infer.fitted import band_table

        return band_table(self.study, self.spaced(), device, bias, level)

    def save(self, path: str | Path) -> None:
        """Write the posterior with its study to one file, for `mtjfit.load_posterior`; by custom it ends in ``.npz``.

        The file has no pickles. Other programs find ``draws``, ``names``, ``log_likelihood`` and ``shape`` in it
        (`numpy.load`). MtjfitError where `path` is a file that mtjfit did not write, or cannot be written.
        """
        from mtjfit.infer.saved import save_posterior

        save_posterior(self, Path(path))

    def _card(self) -> Card:
        """The posterior in a notebook: what the data say of each parameter, and loudly if it is not to be believed."""
        return Card(
            f"Posterior of {self.study.name}", marks=[self.verdict.refusal, self.study.label],
            facts={"draws": f"{len(self.draws)}", "fixed": ", ".join(f"{n} = {v:g}" for n, v in self.fixed.items())},
            header=summary_header(self.interval), rows=summary_rows(self.summary(), self.interval),
        )  # fmt: skip

    def to_arviz(self, thin: int = 1) -> Any:
        """The posterior for ArviZ, with priors, data, predictions and the log-likelihood of every value.

        Groups posterior, sample_stats, prior, observed_data, log_likelihood (of each value given all parameters,
        amplitudes included), prior_predictive and posterior_predictive. Each walker is a chain: effective draws are
        those of `summary`, which compares whole ensembles for R-hat, where ArviZ compares walkers. Parameters of single
        devices or groups have a dimension `device`, `curve` or `group`. Values in use have the coordinates device,
        condition, component and bias (V); units are in the attributes, those of values as of the first curve. The
        log-likelihood is left out where errors are correlated, and the attributes say so. Predictions are of 200 truths
        of the prior and of about as many draws, at least one of each walker.

        Parameters
        ----------
        thin : int
            Keep every such draw of each walker.

        Returns
        -------
        xarray.DataTree
            For ArviZ 1.0 or newer, or none; arviz.InferenceData where an older one is installed.

        Raises
        ------
        MtjfitError
            xarray is not installed, or the log-likelihoods need more than 160 MB; says which `thin` suffices.
        """
        from mtjfit.infer.arviz import data_tree

        return data_tree(self, thin)

    @property
    def fixed(self) -> dict[str, float]:
        """Parameters that were taken as known."""
        return {n: p.value for n, p in self.study.parameters.items() if p.value is not None}


def chains_of(posterior: Posterior) -> tuple[MarginalPosterior, Chains]:
    """Density of a posterior, and its thinned draws in the coordinates of that density."""
    model = make_posterior(posterior.study)
    shape = posterior.chain.shape[:-1]
    z = model.scores.of(posterior.draws[list(model.names)].to_numpy()) if model.size else np.zeros((np.prod(shape), 0))
    log_posterior = posterior.log_likelihood + model.log_prior(z).reshape(shape)
    theta = z.reshape(*shape, model.size)
    moved = np.any(theta[:, 1:] != theta[:, :-1], axis=-1)
    return model, Chains(model.names, theta, log_posterior, moved.mean(axis=1))
