"""Means of wafers and their differences, with the scatter between devices apart from common errors."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import t

from mtjfit.arrays import FloatArray
from mtjfit.errors import ConfigError, Problem, did_you_mean
from mtjfit.multiple_tests import FALSE_ALARM, benjamini_hochberg, holm
from mtjfit.wafer.survey.alike import spreads_alike
from mtjfit.wafer.survey.robust import estimates, medians
from mtjfit.wafer.survey.spread import Spread, pooled_spread
from mtjfit.wafer.survey.survey import Survey, rows_by

MOST_PAIRS = 20_000
"""Pairs of wafers that pages list; beyond, each wafer is compared with all."""
_FEWEST = 3  # wafers whose means have a spread
_PER_WAFER = ["mean", "sd_devices", "sd_wafer", "sd", "dof"]


@dataclass(frozen=True, eq=False)
class WaferMeans:
    """One-way hierarchy: devices scatter about the mean of their wafer, means of wafers about a common one.

    Attributes
    ----------
    table : DataFrame
        Index: the wafer, followed by the population if some wafer holds several. wafer, population, n, mean, sd_devices
        (scatter and errors of its devices, smaller for more devices), sd_wafer (error that all its devices share), sd
        of both; spread, spread_low, spread_high of the true values between its devices, determined, error; dof of
        `sd_devices`, and dof_others, the part of it that the spreads of other wafers gave; shrunk, shrunk_sd: the mean
        given all wafers of its population.
    between : Spread
        Of the true means of wafers about the centre of their population.
    p_equal : dict of str to float
        By population, the p-value of equal spreads on all its wafers; NaN for a single one.
    common : float
        Relative error that all wafers share.
    """

    quantity: str
    table: pd.DataFrame
    between: Spread
    p_equal: Mapping[str, float]
    common: float


def wafer_means(
    survey: Survey, quantity: str, *, own: float | Mapping[str, float] = 0.0, common: float = 0.0
) -> WaferMeans:
    r"""Mean of each wafer with its error.

    The mean of a wafer is robust (`spread_of`), with the scatter between its own devices estimated beside their known
    errors, without flagged devices. Where many wafers scatter alike, their spreads help where there are few devices
    (`mtjfit.wafer.survey.alike.spreads_alike`).

    Between wafers, the equations of Paule and Mandel give the spread ω of their true
    means, and a wafer's mean m given all others is $(m/e^2 + M/ω^2)/(1/e^2 + 1/ω^2)$ with its error e and the mean M of
    its population (`Survey`). Each population of a wafer counts as a wafer here: they differ by design.

    Parameters
    ----------
    own : float, or mapping of wafer to float
        Relative error that the devices of one wafer share, such as the area of its junctions: 0.03 for 3 %. More
        devices do not make it smaller.
    common : float
        Relative error that all wafers share, such as a calibration of the set-up.

    Raises
    ------
    ConfigError
        An error is negative or no number, or stands beside the name of no wafer.
    DataError
        There is no such quantity.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> frame = pd.DataFrame({"device": np.tile(np.arange(200), 2).astype(str), "wafer": np.repeat(["A", "B"], 200),
    ...                       "b": rng.normal(5, 0.5, 400), "b_sd": 0.1})
    >>> found = wafer_means(Survey("two", frame), "b", own=0.01).table
    >>> found[["sd_devices", "sd_wafer"]].round(3).values.tolist()
    [[0.035, 0.05], [0.034, 0.05]]
    """
    relative = _relative(survey, own, common)
    values, errors, usable = survey.values(quantity), survey.errors(quantity), survey.usable(quantity)
    if not usable.any():
        columns = ["wafer", "population", "n", "mean", "sd", "sd_wafer"]
        empty = pd.DataFrame(columns=columns, index=pd.Index([], name="name"))
        return WaferMeans(quantity, empty, Spread(0, math.nan, math.nan, 0.0, 0.0, math.inf, math.nan, 0.0), {}, common)
    codes, owners = pd.factorize(pd.MultiIndex.from_frame(survey.frame.loc[usable, ["wafer", "population"]]))
    mixed = len(owners) > owners.get_level_values(0).nunique()
    wafers, populations = owners.get_level_values(0), owners.get_level_values(1)
    share = np.array([relative.get(wafer, 0.0) for wafer in wafers])
    population, names_of = pd.factorize(populations)
    rows, p_equal = _rows(values[usable], errors[usable], codes, population, share)
    names = [", ".join(part for part in pair if part) for pair in owners] if mixed else wafers
    rows = rows.set_axis(pd.Index(names, name="name"))
    rows.insert(0, "wafer", wafers)
    rows.insert(1, "population", populations)
    known = ((survey.populations, populations), (survey.wafers, wafers))
    table = rows.iloc[np.lexsort([pd.Index(names).get_indexer(of) for names, of in known])].copy()
    mean, sd = table["mean"].to_numpy(), table["sd"].to_numpy()
    of = np.unique(table["population"].to_numpy(dtype=str), return_inverse=True)[1]
    between = pooled_spread(mean, sd, of, robust=False)
    table["shrunk"], table["shrunk_sd"] = _shrunk(mean, sd, of, between.spread)
    return WaferMeans(quantity, table, between, dict(zip(names_of, p_equal, strict=True)), common)


def _relative(survey: Survey, own: float | Mapping[str, float], common: float) -> dict[str, float]:
    """Own errors by wafer; raises ConfigError with all that is wrong about them and the common one."""
    names = dict.fromkeys(survey.wafers)
    given = dict(own) if isinstance(own, Mapping) else dict.fromkeys(names, own)
    where = {name: f"own error of wafer {name!r}" for name in given}
    problems = [
        Problem(where[name], "is the name of no wafer", did_you_mean(name, names))
        for name in given if name not in names
    ]  # fmt: skip
    problems += [
        Problem(place, f"is {value:g}", "give a relative standard error, such as 0.03 for 3 %")
        for place, value in [("common error", common), *zip(where.values(), given.values(), strict=True)]
        if not (math.isfinite(value) and value >= 0)
    ]
    if problems:
        raise ConfigError(problems)
    return given


def _rows(
    q: FloatArray, s: FloatArray, codes: np.ndarray, population: np.ndarray, share: FloatArray
) -> tuple[pd.DataFrame, FloatArray]:
    """Mean and spread of each wafer, and p-values of equal spreads by population."""
    mine = estimates(q, s, codes)
    prior, p_equal = spreads_alike(q, s, codes, population, mine)
    known = estimates(q, s, codes, prior=prior) if prior.dof.any() else mine
    sd_wafer = share * np.abs(known.centre)
    return pd.DataFrame({
        "n": np.bincount(codes), "mean": known.centre, "sd_devices": known.centre_sd, "sd_wafer": sd_wafer,
        "sd": np.hypot(known.centre_sd, sd_wafer), "spread": mine.spread, "spread_low": mine.low,
        "spread_high": mine.high, "determined": mine.low > 0, "error": medians(s, codes), "dof": known.dof,
        "dof_others": prior.dof,
    }), p_equal  # fmt: skip


def _shrunk(mean: FloatArray, sd: FloatArray, of: np.ndarray, spread: float) -> tuple[FloatArray, FloatArray]:
    """Means given all of their group: normal about a common mean, whose error is included."""
    total = sd**2 + spread**2
    weight = 1 / np.where(total > 0, total, 1.0)
    weights = np.bincount(of, weight)
    centre, centre_sd = (np.bincount(of, weight * mean) / weights)[of], (1 / np.sqrt(weights))[of]
    pulled = np.divide(sd**2, total, out=np.zeros(mean.size), where=total > 0)
    return mean + pulled * (centre - mean), np.sqrt((1 - pulled) * sd**2 + (pulled * centre_sd) ** 2)


def compare_wafers(
    survey: Survey, quantity: str, *, own: float | Mapping[str, float] = 0.0, common: float = 0.0
) -> pd.DataFrame:
    """Difference A − B of the means of every pair of wafers, and the probability that A is greater.

    Each wafer has a spread of its own; the test is Welch's (Biometrika 34, 28, 1947) with robust means.

    Where a wafer holds several populations, pairs are within one. An error that all wafers share multiplies all means
    alike and never changes the direction of a difference, so `p_greater` does without it.

    Parameters
    ----------
    own, common : float
        As for `wafer_means`.

    Returns
    -------
    DataFrame
        A, B, difference, sd_devices, sd_wafer, sd_common, sd (all three), dof, p_greater, p (two-sided, of no
        difference), p_holm (for all pairs), clear (p_holm < 0.05).

    Raises
    ------
    ConfigError, DataError
        As `wafer_means`.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> frame = pd.DataFrame({"device": np.tile(np.arange(200), 2).astype(str), "wafer": np.repeat(["A", "B"], 200),
    ...                       "b": rng.normal(np.repeat([5.0, 5.3], 200), 0.5), "b_sd": 0.1})
    >>> by_devices, with_area = (compare_wafers(Survey("two", frame), "b", own=own).iloc[0] for own in (0.0, 0.05))
    >>> bool(by_devices["clear"]), bool(with_area["clear"])
    (True, False)
    """
    return pairs_of(wafer_means(survey, quantity, own=own, common=common))


def _compared(found: WaferMeans) -> list[np.ndarray]:
    """Rows that are compared with each other: all, or those of one population where a wafer holds several."""
    means = found.table
    if not means["wafer"].duplicated().any():
        return [np.arange(len(means))]
    return rows_by(pd.factorize(means["population"])[0])


def has_many_pairs(found: WaferMeans) -> bool:
    """True for more pairs than a table is good for: those of some two hundred wafers."""
    return sum(rows.size * (rows.size - 1) // 2 for rows in _compared(found)) > MOST_PAIRS


def odd_wafers(found: WaferMeans) -> pd.DataFrame:
    """Each wafer against all wafers of its population, for lots that have too many pairs.

    A mean is compared with what all others say, in standard deviations of the true means between wafers and of its own
    error together, as `mtjfit.wafer.survey.limits.odd_devices` compares devices. p is that of Student's t.

    Returns
    -------
    DataFrame
        Index: the wafer, as of `WaferMeans`. wafer, population, n, mean, sd, expected, spread, deviation (standard
        deviations), dof, p, p_fdr (Benjamini and Hochberg), odd (p_fdr < 0.05): NaN for fewer than three wafers.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> frame = pd.DataFrame({"device": "A", "wafer": [f"W{k}" for k in range(300)], "b": rng.normal(5, 0.1, 300)})
    >>> frame.loc[7, "b"] = 6.0
    >>> means = wafer_means(Survey("lots", frame.assign(b_sd=0.1)), "b")
    >>> has_many_pairs(means), odd_wafers(means).query("odd").index.tolist()
    (True, ['W7'])
    """
    table = found.table[["wafer", "population", "n", "mean", "sd"]].copy()
    mean, sd = table["mean"].to_numpy(), table["sd"].to_numpy()
    _, of = np.unique(table["population"].to_numpy(dtype=str), return_inverse=True)
    enough = (np.bincount(of) >= _FEWEST)[of]
    one = estimates(mean, sd, of)
    for name, column in {
        "expected": one.centre[of], "spread": one.spread[of], "deviation": one.deviation, "dof": one.deviation_dof,
        "p": one.p,
    }.items():  # fmt: skip
        table[name] = np.where(enough, column, np.nan)
    table["p_fdr"] = benjamini_hochberg(table["p"].to_numpy())
    return table.assign(odd=table["p_fdr"] < FALSE_ALARM)


def pairs_of(found: WaferMeans) -> pd.DataFrame:
    """Table of `compare_wafers` from means that are known."""
    means, of = found.table, _compared(found)
    first, second = np.concatenate([rows[np.array(np.triu_indices(rows.size, k=1))] for rows in of], axis=1)
    order = np.lexsort((second, first))
    first, second = first[order], second[order]
    names = means.index.to_numpy()
    mean, *errors, own_dof = (column.to_numpy(dtype=float) for _, column in means.reindex(columns=_PER_WAFER).items())
    difference = mean[first] - mean[second]
    devices, wafer, own_sd = (np.hypot(each[first], each[second]) for each in errors)
    with np.errstate(divide="ignore", invalid="ignore"):
        part = errors[0] ** 4 / own_dof
        dof = own_sd**4 / (part[first] + part[second])
        z = difference / own_sd
    p = 2 * t.sf(np.abs(z), dof)
    adjusted = holm(p)
    shared = found.common * np.abs(difference)
    return pd.DataFrame({
        "A": names[first], "B": names[second], "difference": difference, "sd_devices": devices, "sd_wafer": wafer,
        "sd_common": shared, "sd": np.hypot(own_sd, shared), "dof": dof, "p_greater": t.cdf(z, dof), "p": p,
        "p_holm": adjusted, "clear": adjusted < FALSE_ALARM,
    })  # fmt: skip
