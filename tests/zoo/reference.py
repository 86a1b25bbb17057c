"""An independent posterior of any study: own forward model, own likelihood, own algorithm.

Nothing of `mtjfit.infer` or `mtjfit.model` is used: curves, parameters and the numbers of the priors are all that is
read.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from reference_likelihood import Target
from reference_sampler import anneal, importance

VERSION = 5
"""Of the algorithm: results that were kept of another one are made anew."""

_AGREE = 0.1
_ENOUGH = 15_000
_LEVELS = np.concatenate([np.linspace(0, 0.01, 201)[:-1], np.linspace(0.01, 0.99, 1961), np.linspace(0.99, 1, 201)[1:]])


@dataclass(frozen=True, eq=False)
class Reference:
    """What is known of a posterior: weighted draws of every parameter, and the evidence by two routes."""

    draws: dict[str, np.ndarray]  # empty where the result was kept in a file, shape (n,)
    weights: np.ndarray  # sum to one, shape (n,)
    table: dict[str, np.ndarray]  # values, the probability up to them, and its standard error, shape (3, 2361)
    log_z: float  # by importance sampling
    error: float  # of ln Z
    annealed_log_z: float  # by annealing, good to a few hundredths
    ess: float  # of the weights
    seconds: float  # processor time

    @property
    def agrees(self) -> bool:
        """Both routes to ln Z agree, and there are draws enough."""
        return abs(self.log_z - self.annealed_log_z) <= _AGREE and self.ess >= 0.99 * _ENOUGH

    def cdf(self, name, x):
        """Posterior probability of values up to x."""
        at, below, _ = self.table[name]
        return np.interp(x, at, below, left=0.0, right=1.0)

    def cdf_error(self, name, x):
        """Standard error of `cdf`, from the weights on both sides."""
        at, _, error = self.table[name]
        return np.interp(x, at, error)

    def quantile(self, name, p):
        """Value below which the posterior has probability p."""
        at, below, _ = self.table[name]
        return np.interp(p, below, at)


def _table(x, weights):
    order = np.argsort(x)
    x, w = x[order], weights[order]
    below, squares = np.cumsum(w), np.cumsum(w * w)
    places = np.unique(np.minimum(np.searchsorted(below, _LEVELS), x.size - 1))
    F = below[places]
    variance = squares[places] * (1 - F) ** 2 + (squares[-1] - squares[places]) * F**2
    return np.stack([x[places], F, np.sqrt(variance)])


def reference(study, seed=0, *, chains=2000, ess=_ENOUGH, seconds=60.0) -> Reference:
    """The posterior of a study; annealed again with longer chains where the two evidences differ."""
    start = time.process_time()
    target, rng = Target(study), np.random.default_rng([VERSION, seed])
    for length in (20, 60):
        annealed = anneal(target, rng, chains, length)
        found = importance(target, annealed, rng, ess, seconds)
        if abs(found.log_z - annealed.log_z) <= _AGREE:
            break
    draws, more = target.draw(found.z, rng)
    weights = found.weights * more
    weights = weights / weights.sum()
    return Reference(
        draws, weights, {name: _table(x, weights) for name, x in draws.items()}, found.log_z, found.error,
        annealed.log_z, float(1 / np.sum(weights**2)), time.process_time() - start,
    )  # fmt: skip


def _digest(study) -> str:
    """Of everything that the posterior depends on."""
    text = [repr(sorted((name, repr(each)) for name, each in study.parameters.items()))]
    for curve in study.curves:
        arrays = (curve.bias, curve.par, curve.perp, curve.sigma_par, curve.sigma_perp, curve.used, curve.rho)
        text += [
            repr(None if each is None else each.tolist()) for each in (*arrays, curve.covariance, curve.sigma_bias)
        ]
        text.append(
            repr(
                (curve.device, curve.thickness, curve.quantity, curve.per, curve.unit, curve.group, curve.angle_factor)
            )
        )
    return hashlib.sha256("".join(text).encode()).hexdigest()[:12]


def cached_reference(design, folder: Path, make=reference) -> Reference:
    """The reference of a design, kept in a folder without its draws."""
    file = Path(folder) / f"{design.kind}-{design.seed}-v{VERSION}-{_digest(design.study)}.npz"
    if file.exists():
        with np.load(file) as kept:
            table = {name.removeprefix("table:"): kept[name] for name in kept if name.startswith("table:")}
            return Reference({}, np.empty(0), table, *(float(each) for each in kept["numbers"]))
    found = make(design.study, design.seed)
    numbers = [found.log_z, found.error, found.annealed_log_z, found.ess, found.seconds]
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(f".{time.time_ns()}.tmp.npz")
    np.savez_compressed(unfinished, numbers=numbers, **{f"table:{name}": each for name, each in found.table.items()})
    unfinished.replace(file)
    return found
