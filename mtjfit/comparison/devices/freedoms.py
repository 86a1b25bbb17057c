"""Likelihood ratios of a device with a freedom of its own against one that is like all others.

χ² of the study is compared with that in which one device has polynomials of its own (it is left out), an amplitude
factor, a thickness, or T_perp with the other sign. Where nothing is odd each difference is χ² of as many degrees of
freedom as the device got; the sign, which has none, is at most as likely as half of χ² of one: if the reversed device
is λ away, the difference is N(−λ, 4λ), and exceeds x with at most the normal tail of √x. Factor and thickness are
looked for with the fit of the others held, linearised, and one refit then gives the difference that counts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Set
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.stats import chi2, f

from mtjfit.arrays import FloatArray, IntArray
from mtjfit.cards import ShownAsCard
from mtjfit.comparison.devices.refit import Change, Prediction, Refits
from mtjfit.model.compress import spanned
from mtjfit.model.device_combinations import denominator_dof, noise_groups
from mtjfit.multiple_tests import FALSE_ALARM

AMPLITUDE, THICKNESS, REVERSED, UNLIKE = "amplitude factor", "thickness", "T_perp reversed", "not of this kind"
SHARES = {AMPLITUDE: 0.35, THICKNESS: 0.35, REVERSED: 0.2, UNLIKE: 0.1}
"""Of the false alarms that each test may make: the most for faults that are the most usual, and the least visible."""

_EXPLAINED = 1e-3  # p of what is left of a device after its own freedom, below which that does not explain it
_MANY, _CLEAR = 20, 5.0  # with more devices none is fitted without whose χ², linearised, falls by less
_FACTORS, _THICKNESSES = 25, np.linspace(-0.9, 0.9, 13)  # ln of thickness over nominal


def log_p_value(square: float, n: float, group: IntArray, dof: FloatArray) -> float:
    """ln p of χ² in n directions; of F where errors come from the scatter, in groups of components with `dof`."""
    if n <= 0:
        return 0.0
    nu = denominator_dof(np.array([np.sum(group == g) for g in range(-1, dof.size)], dtype=float), dof)
    exact = float(chi2.logsf(square, n) if np.isinf(nu) else f.logsf(square / n, n, nu))
    if np.isfinite(exact):
        return exact
    # below the smallest number the order still counts: the leading terms of the tails
    return float(-square / 2 + (n / 2 - 1) * np.log(square / 2) if np.isinf(nu) else -nu / 2 * np.log1p(square / nu))


@dataclass(frozen=True)
class Freedom:
    """One freedom of a device: what it is, its best value with its error, and by how much χ² falls.

    Value of an amplitude factor, a thickness in nm, or −1.
    """

    kind: str
    value: float
    sd: float
    gain: float


@dataclass(frozen=True)
class JudgedDevice:
    """A device against all that are in: χ² and degrees of freedom of its own polynomials, and ln p.

    `log_p_any` is that of the likeliest freedom over its share of false alarms; `best` the freedom that explains it.
    """

    device: str
    chi2: float
    dof: int
    log_p: float
    log_p_any: float
    best: Freedom


@dataclass(frozen=True, eq=False)
class DeviceTests(ShownAsCard):
    """Tests of single devices against others of a study."""

    refits: Refits
    _found: dict[tuple[frozenset[str], str], JudgedDevice] = field(default_factory=dict, repr=False)
    _linear: dict[frozenset[str], dict[str, tuple[float, int]]] = field(default_factory=dict, repr=False)

    @cached_property
    def _noise(self) -> tuple[IntArray, FloatArray]:
        return noise_groups(self.refits.model)

    def _log_p(self, device: str, square: float, n: int) -> float:
        group, dof = self._noise
        return log_p_value(square, n, group[self.refits.devices[device]], dof)

    def judged(self, out: Set[str], device: str) -> JudgedDevice:
        """One device against all others that are not `out`, found once.

        Its other freedoms only where one of them could make it odd: none gains more than polynomials of its own.
        """
        key = frozenset(out) - {device}, device
        if key not in self._found:
            self._found[key] = self._judged(*key)
        return self._found[key]

    def at_least(self, out: Set[str], device: str) -> float:
        """What `log_p_any` is not below: no freedom gains more than polynomials of its own, nor has fewer than one."""
        square, dof = self._own_polynomials(frozenset(out) - {device}, device)
        return self._log_p(device, square, min(dof, 1)) - float(np.log(max(SHARES.values())))

    def _judged(self, out: frozenset[str], device: str) -> JudgedDevice:
        refits, level = self.refits, FALSE_ALARM / len(self.refits.devices)
        square, dof = self._own_polynomials(out, device)
        could = self.at_least(out, device) < np.log(level)
        if could and refits.improve(out, refits.without(out | {device})):
            square, dof = self._own_polynomials(out, device)
        freedoms = tuple(self._freedoms(out, device)) if could else ()
        return judgement(device, square, dof, freedoms, lambda x, n: self._log_p(device, x, n))

    def _own_polynomials(self, out: frozenset[str], device: str) -> tuple[float, int]:
        """By how much χ² falls, and the degrees of freedom of that, if a device has polynomials of its own."""
        if len(self.refits.devices) > _MANY:
            if out not in self._linear:
                self._linear[out] = self.refits.linearised(out)
            if device in self._linear[out] and self._linear[out][device][0] < _CLEAR:
                return self._linear[out][device]
        every, rest = self.refits.without(out), self.refits.without(out | {device})
        reach = sum(spanned(R).shape[1] for R in self.refits.model.data.R[self.refits.devices[device]])
        return max(every.chi2 - rest.chi2, 0.0), reach - (every.rank - rest.rank)

    def _freedoms(self, out: frozenset[str], device: str) -> Iterator[Freedom]:
        refits, nominal = self.refits, self.refits.nominal(device)
        every, rest = refits.without(out), refits.without(out | {device})
        factor, factor_sd, _ = own_factor(refits.prediction(out, device))
        ln_d, ln_d_sd, _ = lowest(
            lambda x: refits.prediction(out, device, nominal * float(np.exp(x))).square, _THICKNESSES
        )
        d = nominal * float(np.exp(ln_d))
        trials = (
            (AMPLITUDE, factor, factor_sd, Change(factor=factor)),
            (THICKNESS, d, ln_d_sd * d, Change(thickness=d)),
            (REVERSED, -1.0, 0.0, Change(perp=-1.0)),
        )
        for kind, value, sd, change in trials:
            gain = every.chi2 - refits.changed(out, {device: change}, every, rest).chi2
            if gain > 0:
                yield Freedom(kind, value, sd, gain)


def judgement(
    device: str,
    square: float,
    dof: int,
    freedoms: tuple[Freedom, ...],
    log_p: Callable[[float, int], float],
    kinds: Collection[str] = tuple(SHARES),
) -> JudgedDevice:
    """From χ² and degrees of freedom of polynomials of its own, other freedoms, and ln p of χ² in n directions.

    `kinds` are those that were tried.
    """
    own, whole = log_p(square, dof), sum(SHARES[kind] for kind in kinds)
    each = [log_p(one.gain, 1) - np.log(SHARES[one.kind] * (2 if one.kind == REVERSED else 1)) for one in freedoms]
    likeliest = min(own - np.log(SHARES[UNLIKE]), *each, 0.0) + np.log(whole)
    left = [log_p(max(square - one.gain, 0.0), dof - (one.kind != REVERSED)) for one in freedoms]
    explain = [one for one, p in zip(freedoms, left, strict=True) if p > np.log(_EXPLAINED)]
    best = max(explain, key=lambda one: one.gain, default=Freedom(UNLIKE, float("nan"), float("nan"), square))
    return JudgedDevice(device, square, dof, own, float(likeliest), best)


def own_factor(alone: Prediction) -> tuple[float, float, float]:
    """Amplitude factor that brings what the others predict closest to the data, its error, and the χ² that is left."""
    size = float(alone.mean @ alone.mean)
    guess = float(alone.z @ alone.mean) / max(size, 1e-300)
    away = max(abs(guess - 1.0), 1e-3)
    grid = np.linspace(min(1.0, guess) - away, max(1.0, guess) + away, _FACTORS)
    return lowest(lambda x: alone.times(x).square, grid)


def lowest(square: Callable[[float], float], grid: FloatArray) -> tuple[float, float, float]:
    """Place of the minimum, its error from the curvature, and its height."""
    k = int(np.argmin([square(float(x)) for x in grid]))
    low, high = float(grid[max(k - 1, 0)]), float(grid[min(k + 1, grid.size - 1)])
    best = minimize_scalar(
        lambda x: square(float(x)), bounds=(low, high), method="bounded", options={"xatol": 2e-3 * (high - low)}
    )
    at, step = float(best.x), 0.05 * (high - low)
    bend = (square(at + step) + square(at - step) - 2 * float(best.fun)) / 2
    return at, step / float(np.sqrt(max(bend, 1e-12))), float(best.fun)
