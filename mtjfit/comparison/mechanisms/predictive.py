"""Predictions of data that a mechanism has not seen, and checks of those that it has.

*A left-out thickness*, predicted by the others: PSIS leave-one-out, with refits where it is not reliable.
ln p(y_j | y_−j) = ln Z − ln Z_−j, and Z_−j is the mean weight of the posterior draws, taken as draws of the posterior
without y_j. The tail shape k̂ of the weights says whether they reach that posterior (Vehtari, Gelman and Gabry, Stat.
Comput. 27, 1413 (2017)); where they do not, the posterior without y_j is explored anew, which is exact. Amplitudes and
thicknesses are integrated out on both sides: the prediction is of the whole curve, before any of it is seen.

*Posterior-predictive checks* of the features that distinguish the mechanisms: each device's points are reduced to
coefficients of polynomials in V, without any model of κ. Four numbers follow, each zero, up to noise, under some
mechanism: linear T_perp, the variation of T_perp/T_par with thickness, that of the in-plane slope, and the in-plane V²
term, which diffusion makes from b2 (−Im κ b2). The same numbers come from data simulated from posterior draws, by code
that shares nothing with the likelihood (`mtjfit.infer.simulate`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np

from mtjfit.arrays import BoolArray, FloatArray
from mtjfit.comparison.mechanisms.prior_widths import START
from mtjfit.infer.convergence.importance import reliable_k_hat, smoothed
from mtjfit.infer.evidence import Exploration, explore_posterior, mean_and_error
from mtjfit.infer.simulate import simulated
from mtjfit.model.compress import polynomial_design
from mtjfit.model.marginal import MarginalPosterior
from mtjfit.model.noise_models import make_posterior
from mtjfit.study import Study, parse_amplitude

_MAX_ERROR = 0.1


@dataclass(frozen=True)
class LeftOutThickness:
    """Prediction of the devices of one nominal thickness (nm) by all others.

    `log_density` is ln of the probability density of their data, given those of all others, `error` the standard error
    of the computation, `k_hat` the Pareto k̂ of the weights, whether they were used or not.
    """

    devices: tuple[str, ...]
    thickness: float
    log_density: float
    error: float
    k_hat: float
    method: Literal["PSIS", "refit"]
    reliable: bool


def left_out_sets(study: Study) -> tuple[tuple[int, ...], ...]:
    """Places of the devices of each thickness, from the thinnest: these are left out together.

    A second device of the same thickness would predict the first one without any model.
    """
    d = np.round(study.thicknesses, 6)
    return tuple(tuple(np.flatnonzero(d == value).tolist()) for value in np.unique(d))


def leave_out(
    model: MarginalPosterior,
    explored: Exploration,
    start: FloatArray,
    gone: tuple[int, ...],
    rng: np.random.Generator,
    refit: bool | None = None,
    *,
    limit: Callable[[int], float] = reliable_k_hat,
) -> LeftOutThickness:
    """Leave out the devices at the places `gone`; `explored` is the posterior of `model`.

    `start`, shape (n, size), are draws of it from which a refit starts: always or never with `refit`, by default where
    k̂ is above `limit` of the number of draws, or the error above 0.1.
    """
    study = model.study
    devices, thickness = tuple(study.devices[j] for j in gone), float(study.thicknesses[gone[0]])
    rest = make_posterior(study.replace(curves=tuple(curve for j, curve in enumerate(study.curves) if j not in gone)))
    # what only the left-out devices have keeps its prior, which integrates to one
    columns = [model.names.index(name) for name in rest.names]
    x, log_with = explored.weighted.x, explored.weighted.log_ratio
    inside = np.isfinite(log_with)
    log_without = np.full(log_with.shape, -np.inf)
    change = rest.log_likelihood(x[inside][:, columns]) - model.log_likelihood(x[inside])
    log_without[inside] = log_with[inside] + change
    weights, k_hat = smoothed(log_without)
    value = explored.evidence.value - (float(np.max(log_without)) + float(np.log(weights.mean())))
    error = _error_of_ratio(weights, log_with)
    good = bool(k_hat <= limit(weights.size))
    if refit or (refit is None and not (good and error <= _MAX_ERROR)):
        again = explore_posterior(rest, rest.size, rng, start=start[:, columns] if rest.size else None)
        value = explored.evidence.value - again.evidence.value
        error = float(np.hypot(explored.evidence.error, again.evidence.error))
        return LeftOutThickness(devices, thickness, value, error, k_hat, "refit", again.settled)
    return LeftOutThickness(devices, thickness, value, error, k_hat, "PSIS", good)


def leave_out_each(
    model: MarginalPosterior,
    explored: Exploration,
    rng: np.random.Generator,
    *,
    refit: bool | None = None,
    one: Callable[..., LeftOutThickness] = leave_out,
) -> tuple[LeftOutThickness, ...]:
    """Leave out each thickness in turn by `one`, from the thinnest to the thickest; `refit` as in `leave_out`."""
    start, sets = explored.resampled(START, rng), left_out_sets(model.study)
    # a generator for each: whether one thickness needs a refit does not move the others
    each = zip(sets, rng.spawn(len(sets)), strict=True)
    return tuple(one(model, explored, start, gone, own, refit) for gone, own in each)


def _error_of_ratio(without: FloatArray, log_with: FloatArray) -> float:
    """Standard error of ln(mean of one weight / mean of the other) over the same draws."""
    centre, _ = mean_and_error(log_with)
    with_ = np.exp(np.maximum(log_with - centre, -700.0))
    influence = without / without.mean() - with_
    return float(influence.std() / np.sqrt(influence.size))


UNLIKELY = 0.01
"""A check fails below this tail probability, on either side."""

STATISTICS = {
    "linear T_perp": "any linear T_perp at all; none under ballistic",
    "slope ratio against d": "T_perp/T_par changes with d; it does not under ballistic, ballistic+b1, diffusion-bulk",
    "T_par slope against d": "the in-plane slope changes with d; it does not under the same three",
    "in-plane V^2": "any in-plane V^2 term; none under ballistic and ballistic+b1 without a2",
}
"""Meaning of each number."""
_ROUNDS = 4


def ratio_of(above: FloatArray, below: FloatArray) -> FloatArray:
    """Their quotient; NaN where the denominator is zero.

    >>> ratio_of(np.array([1.0, 1.0]), np.array([2.0, 0.0])).tolist()
    [0.5, nan]
    """
    return np.asarray(above / np.where(below == 0, np.nan, below))


@dataclass(frozen=True, eq=False)
class Slopes:
    """Coefficients of V and V² of each device, from its own polynomials, with standard errors.

    Nominal thickness in nm; in-plane slope, out-of-plane slope, in-plane coefficient of V², in the unit of the first
    curve; times d where data are per volume. All of shape (n_devices,).
    """

    thickness: FloatArray
    par: FloatArray
    perp: FloatArray
    par2: FloatArray
    sd_par: FloatArray
    sd_perp: FloatArray
    sd_par2: FloatArray

    def of(self, devices: BoolArray) -> Slopes:
        """Those of some of the devices."""
        return Slopes(*(getattr(self, each.name)[devices] for each in fields(self)))

    @property
    def ratio(self) -> FloatArray:
        """T_perp/T_par at small bias; NaN where T_par is zero."""
        return ratio_of(self.perp, self.par)

    @property
    def sd_ratio(self) -> FloatArray:
        """Standard error of `ratio`, linearised."""
        return ratio_of(np.hypot(self.sd_perp, self.ratio * self.sd_par), np.abs(self.par))


@dataclass(frozen=True)
class PredictiveCheck:
    """One number of `STATISTICS` of the data, and its median over data simulated from posterior draws.

    `p` is the share of simulated ones that are at least as large, (1 + count)/(1 + n).
    """

    name: str
    observed: float
    median: float
    p: float

    @property
    def ok(self) -> bool:
        """False if such data are unlikely under the model."""
        return UNLIKELY <= self.p <= 1 - UNLIKELY


def _powers(study: Study) -> np.ndarray:
    """Powers of V of the polynomials: 1, 2 and all that are declared and that the data contain."""
    declared = {parse_amplitude(name)[1] for name in study.amplitudes}
    lowest = 1 if study.curves[0].quantity == "torkance" else 0
    return np.array(sorted({power for power in {1, 2, *declared} if power >= lowest}))


def _component(study: Study, j: int, c: int, powers: np.ndarray) -> tuple[FloatArray, FloatArray]:
    """Coefficients of V and V², and their standard errors, from errors that are known or from the scatter.

    NaN where too few values of the component are in use.
    """
    curve = study.curves[j]
    (values, sigma), used, scale = curve.component(c), curve.used_values[c], study.scale_of(curve)
    if np.unique(curve.bias[used]).size < powers.size:
        return np.full(2, np.nan), np.full(2, np.nan)
    X = polynomial_design(curve, powers, curve.bias[used], study.model.terms)
    weight = np.ones(X.shape[0]) if sigma is None else 1 / sigma[used]
    Q, R = np.linalg.qr(X * weight[:, None])
    white = values[used] * weight
    coefficients = np.linalg.solve(R, Q.T @ white)
    sd = np.linalg.norm(np.linalg.inv(R), axis=1)
    if sigma is None:
        left = white - Q @ (Q.T @ white)
        sd = sd * np.linalg.norm(left) / np.sqrt(max(left.size - powers.size, 1))
    factor = scale * (curve.thickness if curve.per == "volume" else 1.0)
    first = np.searchsorted(powers, [1, 2])
    return coefficients[first] * factor, sd[first] * factor


def slopes(study: Study) -> Slopes:
    """Coefficients of all devices, each from least squares on its own."""
    powers, rows = _powers(study), []
    for j in range(len(study.curves)):
        (par, sd_par), (perp, sd_perp) = (_component(study, j, c, powers) for c in range(2))
        rows.append((par[0], perp[0], par[1], sd_par[0], sd_perp[0], sd_par[1]))
    return Slopes(study.thicknesses, *np.array(rows).T)


def slope_statistics(found: Slopes) -> dict[str, float]:
    """The numbers of `STATISTICS`, each a sum of squares in units of the errors.

    The variation of the ratio is that of T_perp − r T_par about zero for the best r, so that no ratio of noisy numbers
    is taken. Those of components that were not measured are left out.
    """
    with_par, with_perp = np.isfinite(found.sd_par), np.isfinite(found.sd_perp)
    both, alone = found.of(with_par & with_perp), found.of(with_par)
    values = {"linear T_perp": np.sum((found.perp / found.sd_perp)[with_perp] ** 2)}
    square = np.sum(both.par**2) or 1.0  # of a component that is zero everywhere any ratio will do
    r = float(np.sum(both.perp * both.par) / square)
    for _ in range(_ROUNDS):
        variance = both.sd_perp**2 + r**2 * both.sd_par**2
        r = float(np.sum(both.perp * both.par / variance) / (np.sum(both.par**2 / variance) or 1.0))
    variance = both.sd_perp**2 + r**2 * both.sd_par**2
    values["slope ratio against d"] = np.sum((both.perp - r * both.par) ** 2 / variance)
    mean = np.sum(alone.par / alone.sd_par**2) / (np.sum(1 / alone.sd_par**2) or 1.0)
    values["T_par slope against d"] = np.sum(((alone.par - mean) / alone.sd_par) ** 2)
    values["in-plane V^2"] = np.sum((alone.par2 / alone.sd_par2) ** 2)
    rows = {"linear T_perp": with_perp, "slope ratio against d": with_par & with_perp}
    return {name: float(value) for name, value in values.items() if rows.get(name, with_par).any()}


def predictive_checks(
    study: Study, draws: Sequence[dict[str, float]], rng: np.random.Generator
) -> tuple[PredictiveCheck, ...]:
    """Compare the numbers of the data with those simulated at `draws`, every free parameter in each."""
    observed = slope_statistics(slopes(study))
    made = [slope_statistics(slopes(simulated(study, draw, rng))) for draw in draws]
    checks = []
    for name, value in observed.items():
        each = np.array([one[name] for one in made])
        p = (1 + int(np.sum(each >= value))) / (1 + each.size)
        checks.append(PredictiveCheck(name, value, float(np.median(each)), p))
    return tuple(checks)
