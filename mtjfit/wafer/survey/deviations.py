"""Devices against those of their own wafer, and against the smooth surface at their place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import stdtr

from mtjfit.arrays import BoolArray, FloatArray
from mtjfit.wafer.survey.alike import spreads_alike
from mtjfit.wafer.survey.robust import SpreadPrior, estimates
from mtjfit.wafer.survey.smooth import Surface
from mtjfit.wafer.survey.survey import Survey

_FEWEST = 4  # devices of a wafer and population that are judged among themselves


class Comparison(NamedTuple):
    """Devices against what is expected; arrays of shape (devices,), NaN where there is no comparison."""

    quantity: str
    whom: np.ndarray  # in words
    expected: FloatArray
    spread: FloatArray
    z: FloatArray
    p: FloatArray


class _Groups(NamedTuple):
    """Devices that are compared with each other: the group of each; of each group, its population and wafers."""

    of: np.ndarray
    population: np.ndarray
    wafers: np.ndarray
    lumped: BoolArray  # wafers with few devices each, put together


def against_wafer(survey: Survey, quantity: str) -> Comparison:
    """Devices against the others of their population on their wafer.

    Wafers with fewer than four of them are put together: their devices scatter as those of different wafers do.
    """
    rows = np.flatnonzero(survey.known(quantity))
    groups = _grouped(survey, rows, survey.usable(quantity)[rows])
    among = np.bincount(groups.population)[groups.population] > 1
    whom = np.where(among & ~groups.lumped, "on its wafer", "of its kind")
    zero = np.zeros(rows.size)
    return _compared(survey, quantity, rows, groups, whom, zero, zero, np.zeros(groups.population.size))


def against_place(survey: Survey, quantity: str, surfaces: Sequence[Surface]) -> Comparison:
    """Devices against the surface of their wafer where that is not flat, in the scatter of their population there."""
    size, usable = len(survey.frame), survey.usable(quantity)
    value, value_sd, fitted = np.full(size, np.nan), np.zeros(size), np.zeros(size)
    for each in surfaces:
        if each.clear:
            value[each.rows], value_sd[each.rows] = each.value, each.value_sd
            fitted[each.rows] = (len(each.powers) - 1) / usable[each.rows].sum()
    rows = np.flatnonzero(np.isfinite(value))
    groups = _grouped(survey, rows, usable[rows], fewest=1)
    each_fitted = np.bincount(groups.of, fitted[rows] * usable[rows], groups.population.size).astype(float)
    whom = np.full(groups.population.size, "at its place")
    return _compared(survey, quantity, rows, groups, whom, value[rows], value_sd[rows], each_fitted)


def _grouped(survey: Survey, rows: np.ndarray, usable: BoolArray, fewest: int = _FEWEST) -> _Groups:
    """Groups of some devices: those of one population on one wafer, or on all wafers that have few."""
    population, wafer = (pd.factorize(survey.frame[name])[0][rows] for name in ("population", "wafer"))
    many = int(wafer.max(initial=0)) + 2
    _, first, pair = np.unique(population * many + wafer + 1, return_index=True, return_inverse=True)
    few = np.bincount(pair, usable, first.size) < fewest
    _, some, of = np.unique(np.where(few, 0, wafer[first] + 1) + many * population[first], return_index=True,
                            return_inverse=True)  # fmt: skip
    return _Groups(of[pair], population[first[some]], np.bincount(of, minlength=some.size), few[some])


def _compared(
    survey: Survey, quantity: str, rows: np.ndarray, groups: _Groups, whom: np.ndarray, value: FloatArray,
    value_sd: FloatArray, fitted: FloatArray,
) -> Comparison:  # fmt: skip
    """Deviations of some devices from a value and the centre of their group together."""
    usable, size = survey.usable(quantity)[rows], len(survey.frame)
    q, s = survey.values(quantity)[rows] - value, survey.errors(quantity)[rows]
    there, of = np.unique(groups.of[usable], return_inverse=True)
    columns = {name: np.full(size, np.nan) for name in ("expected", "spread", "z", "p")}
    words = np.full(size, "", dtype=object)
    words[rows] = whom[groups.of]
    if not there.size:
        return Comparison(quantity, words, *columns.values())
    lumped, wafers = groups.lumped[there], groups.wafers[there]
    population = np.unique(groups.population[there] * 2 + lumped, return_inverse=True)[1]
    mine = estimates(q[usable], s[usable], of, fitted=fitted[there])
    prior = spreads_alike(q[usable], s[usable], of, population, mine).prior
    prior = SpreadPrior(np.where(lumped, 0.0, prior.dof), prior.spread)
    one = estimates(q[usable], s[usable], of, fitted=fitted[there], prior=prior) if prior.dof.any() else mine
    # Flagged devices and those of groups without any usable one: the first are compared with all usable ones.
    place = np.full(groups.population.size, -1)
    place[there] = np.arange(there.size)
    mine_of = place[groups.of]
    known = mine_of >= 0
    centre, centre_sd, spread, dof = (
        np.where(known, each[mine_of], np.nan) for each in (one.centre, one.centre_sd, one.spread, one.dof)
    )
    width2 = spread**2 + s**2
    with np.errstate(divide="ignore", invalid="ignore"):
        z = (q - centre) / np.sqrt(width2 + centre_sd**2 + value_sd**2)
        z[usable] = one.deviation / np.sqrt(1 + np.divide(value_sd**2, width2)[usable])
    dof[usable] = one.deviation_dof
    limit = np.where(lumped, wafers - 2.0, np.inf)  # devices of one wafer say the same of others
    dof = np.minimum(dof, np.where(known, limit[mine_of], np.nan))
    z = np.where((dof >= 1) & np.isfinite(z), z, np.nan)
    for name, column in zip(columns, (value + centre, spread, z, 2 * stdtr(dof, -np.abs(z))), strict=True):
        columns[name][rows] = column
    return Comparison(quantity, words, *columns.values())
