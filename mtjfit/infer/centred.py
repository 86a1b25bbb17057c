"""A posterior in coordinates in which sampled amplitudes do not follow the lengths: straight where it was bent.

Where thicknesses are uncertain, amplitudes that devices share are sampled, and where J0 may have any phase they turn
with arg κ: the posterior is a thin arc that no bell shapes cover. Taken from their best values at nominal thicknesses,
which follow from the lengths in closed form, they stay where they are. A shift has the Jacobian one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from mtjfit.data import FloatArray
from mtjfit.infer.explore import Explored, explore
from mtjfit.model.collapsed import CollapsedPosterior
from mtjfit.model.likelihood import MarginalPosterior, whitened
from mtjfit.study import Fixed, Parameter

__all__ = ["Centred", "explore_model"]

_ROWS = 4096


@dataclass(frozen=True, eq=False)
class Centred:
    """The density of a model in v = z − c(lengths), c that of sampled amplitudes at nominal thicknesses, else zero.

    Attributes
    ----------
    model : CollapsedPosterior
        Some of its amplitudes are sampled.
    """

    model: CollapsedPosterior

    @cached_property
    def _known(self) -> MarginalPosterior:
        study = self.model.study
        nominal = Parameter("thickness", Fixed(0.0), "device")
        return MarginalPosterior(study.replace(parameters={**study.parameters, "thickness": nominal}))

    @cached_property
    def _moved(self) -> slice:
        first = len(self.model.split.entries)
        return slice(first, first + len(self.model.split.sampled))

    def centre(self, coordinates: FloatArray) -> FloatArray:
        """What z and v differ by, shape (n, size); depends on coordinates that both have in common only."""
        out = np.zeros_like(coordinates)
        for start in range(0, coordinates.shape[0], _ROWS):
            rows = slice(start, start + _ROWS)
            out[rows, self._moved] = self._best(coordinates[rows])
        return out

    def _best(self, coordinates: FloatArray) -> FloatArray:
        """Mean of the sampled amplitudes given the rest, as scores of their priors, as in `MarginalPosterior`."""
        amplitudes = self._known.amplitudes
        values = self.model.scores.values(coordinates)[:, : self._moved.start]
        design, target, _, _ = whitened(self._known, values)
        scaled = design * amplitudes.sd
        transposed = np.swapaxes(scaled, -1, -2)
        precision = transposed @ scaled + np.eye(scaled.shape[-1])
        pull = transposed @ (target - design @ amplitudes.mean)[..., None]
        return np.asarray(np.linalg.solve(precision, pull)[..., 0][:, list(self.model.split.sampled)])

    def outward(self, v: FloatArray) -> FloatArray:
        """Coordinates of the model."""
        return np.asarray(v + self.centre(v))

    def inward(self, z: FloatArray) -> FloatArray:
        """From coordinates of the model."""
        return np.asarray(z - self.centre(z))

    def log_prior(self, v: FloatArray) -> FloatArray:
        """Log prior density, shape (n,)."""
        return self.model.log_prior(self.outward(v))

    def log_posterior(self, v: FloatArray) -> FloatArray:
        """Log prior + log likelihood, shape (n,)."""
        return self.model.log_posterior(self.outward(v))

    def prior_transform(self, u: FloatArray) -> FloatArray:
        """Uniform numbers of shape (n, size) to draws from the prior."""
        return self.inward(self.model.prior_transform(u))

    @classmethod
    def serves(cls, model: CollapsedPosterior) -> bool:
        """Whether there is something to gain: amplitudes without bounds are sampled, and the noise is normal."""
        sampled = model.split.sampled
        normal = type(model) is CollapsedPosterior
        return bool(sampled) and normal and not any(model.full.amplitudes.priors[a].truncated for a in sampled)


def explore_model(model: CollapsedPosterior, rng: np.random.Generator, *, start: FloatArray | None = None) -> Explored:
    """`explore`, in straight coordinates where they help; draws and `start` are in those of the model.

    Examples
    --------
    >>> from mtjfit.data import dataset
    >>> from mtjfit.infer.mechanism import MECHANISMS, mechanism_study
    >>> from mtjfit.study import load_study
    >>> study = load_study(dataset("thickness-series").study_file)
    >>> model = CollapsedPosterior(mechanism_study(study, MECHANISMS["ballistic"]))
    >>> print(explore_model(model, np.random.default_rng(0)).evidence)
    ln Z = -8208.86 ± 0 (exact)
    """
    if not Centred.serves(model):
        return explore(model, model.size, rng, start=start)
    target = Centred(model)
    found = explore(target, model.size, rng, start=None if start is None else target.inward(start))
    return replace(found, weighted=replace(found.weighted, x=target.outward(found.weighted.x)))
