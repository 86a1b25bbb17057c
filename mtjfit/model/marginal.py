"""The posterior of a study that is sampled: over what its devices share.

Shared amplitudes are integrated in closed form too, where thicknesses are known; where they are not, the devices are
independent only for given amplitudes, which are then sampled. An amplitude that scatters between devices is sampled,
and its value in each device integrated out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from mtjfit.arrays import FloatArray, IntArray
from mtjfit.model.amplitude_integral import Arrow, DeviceIntegral
from mtjfit.model.compress import Compressed, Gram
from mtjfit.model.coordinates import Coordinates, Split, scattered_terms
from mtjfit.model.likelihood import THINNEST, FullPosterior, full_posterior
from mtjfit.model.posterior import Batch, Block, SharedPosterior
from mtjfit.model.straight import Frame, information
from mtjfit.model.thickness_integral import Thickness
from mtjfit.study import Study

_NODES_OF_A_DRAW = 8


@dataclass(frozen=True, eq=False)
class MarginalPosterior(SharedPosterior):
    """Prior and likelihood of a study over what its devices share.

    Examples
    --------
    >>> from mtjfit.data import dataset
    >>> from mtjfit.study import load_study
    >>> model = MarginalPosterior(load_study(dataset("thickness-series").study_file))
    >>> model.names
    ('lambda_J', 'lambda_phi', 'lambda_sf_F', 'lambda_sf_N', 'a1', 'b2')
    >>> model.log_posterior(np.zeros((3, model.size))).shape
    (3,)
    """

    study: Study

    @cached_property
    def full(self) -> FullPosterior:
        """The posterior with every thickness as a coordinate: its layout, its amplitudes, its compressed data.

        Its own likelihood is the same only for amplitudes without bounds and without scatter between devices.
        """
        return full_posterior(self.study)

    @cached_property
    def split(self) -> Split:
        """Which parameters are sampled and which are integrated out."""
        return Split.of(self.full.layout, self.full.amplitudes, scattered_terms(self.study))

    @cached_property
    def coordinates(self) -> Coordinates:
        """Names and priors of what is sampled, and what they mean for each device."""
        return Coordinates(self.study, self.full.layout, self.full.amplitudes, self.split)

    @property
    def compressed(self) -> Compressed:
        """Sufficient statistics of all devices."""
        return self.full.data

    @property
    def devices_at_once(self) -> int:
        """All of them: integrals over shared amplitudes need the sums over all devices."""
        return len(self.study.curves)

    @cached_property
    def thickness_priors(self) -> Thickness:
        """Priors of all thicknesses, with one standard deviation; 0 where they are known."""
        layout = self.full.layout
        if not self.split.thickness_is_free:
            return Thickness(self.study.thicknesses[None], np.zeros((1, 1)), self.full.per_volume)
        entries, device = np.unique(layout.index["thickness"], return_inverse=True)
        priors = tuple(layout.entries[k].prior for k in entries)
        return Thickness.about(priors, self.full.per_volume, device if len(priors) < device.size else None)

    def _thickness(self, values: FloatArray, block: Block) -> Thickness:
        return self.thickness_priors

    @cached_property
    def _known_integral(self) -> DeviceIntegral:
        """For amplitudes at their prior means and noise that is known."""
        return self._integral_at(np.zeros((1, self.size)), self.blocks[0].gram)

    def _integral_at(self, values: FloatArray, gram: Gram) -> DeviceIntegral:
        centre = self.coordinates.centre(values)
        sd = self.coordinates.own_sd(values, centre)
        return DeviceIntegral(gram, centre, self.split.own, sd, self.split.bounded_own)

    def _integral(self, values: FloatArray, block: Block, gram: Gram) -> DeviceIntegral:
        if self.split.sampled or self.split.scattered:
            return self._integral_at(values, gram)
        return self._known_integral if gram is block.gram else replace(self._known_integral, gram=gram)

    def _arrow(self, batch: Batch) -> Arrow:
        K = self._K(batch, self.study.thicknesses, len(self.study.curves))
        return Arrow.of(batch.integral, K, self.full.amplitudes, self.split.integrated)

    def _at_known_thickness(self, batch: Batch, n_devices: int) -> FloatArray:
        if self.split.integrated:
            return np.asarray(batch.constant + self._arrow(batch).log_integral)
        return super()._at_known_thickness(batch, n_devices)

    @cached_property
    def straightened(self) -> IntArray:
        """Coordinates that are almost normal given all others: sampled amplitudes without bounds."""
        priors = self.full.amplitudes.priors
        first = len(self.split.entries)
        free = [first + k for k, a in enumerate(self.split.sampled) if not priors[a].truncated]
        return np.array(free, dtype=np.intp)

    def frame(self, z: FloatArray) -> Frame:
        """Mean and precision of `straightened` coordinates given all others, for `z` of shape (n, size)."""
        if not self.straightened.size:
            return Frame.trivial(z.shape[0])
        return Frame.joined([self._frame(z[rows], block) for rows, block in self._pieces(len(z), 2)])

    def _frame(self, z: FloatArray, block: Block) -> Frame:
        at = z.copy()
        at[:, self.straightened] = 0.0
        frame = self._linearised(self.scores.values(at), block)
        if self.split.scattered:  # by a share of what the amplitudes are, which is known only now
            at[:, self.straightened] = frame.mean
            frame = self._linearised(self.scores.values(at), block)
        return frame

    def _linearised(self, values: FloatArray, block: Block) -> Frame:
        return self._frame_of(self.batch(values, block))

    def _frame_of(self, batch: Batch) -> Frame:
        """Frame of `straightened` coordinates for normal errors, devices integrated out."""
        thickness, shape = self.thickness_priors, (batch.values.shape[0], len(self.study.curves))
        magnetic = np.maximum(self.study.thicknesses - batch.dead, THINNEST)
        K, slope = (np.broadcast_to(each, shape) for each in thickness.K_and_slope(batch.form, magnetic))
        sampled = [self.split.sampled[k - len(self.split.entries)] for k in self.straightened]
        sd = float(thickness.sd[0, 0])
        return Frame(self.straightened, *information(batch.integral, K, slope, sd, self.full.amplitudes, sampled))

    def draw(self, z: FloatArray, rng: np.random.Generator) -> dict[str, FloatArray]:
        """Every parameter of the study by name, in natural units, one draw for each row of `z`, each of shape (n,).

        What was integrated out comes from its exact distribution given the coordinates.
        """
        values = self.scores.values(np.atleast_2d(z))
        pieces = [self._draw(values[rows], block, rng) for rows, block in self._pieces(len(values), _NODES_OF_A_DRAW)]
        return {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}

    def _draw(self, values: FloatArray, block: Block, rng: np.random.Generator) -> dict[str, FloatArray]:
        d, terms, shared = self._draw_devices(values, block, rng)
        found = dict(zip(self.names, values.T, strict=True)) | shared
        if self.thickness_is_free:
            layout = self.full.layout
            found |= {layout.names[entry]: d[:, j] for j, entry in enumerate(layout.index["thickness"])}
        for t, mine in zip(self.split.own, self.coordinates.own_names, strict=True):
            found |= {name: terms[:, j, t] for j, name in enumerate(mine)}
        return {name: np.asarray(found[name]) for name in self.priors}

    def _draw_shared(self, batch: Batch, rng: np.random.Generator) -> tuple[FloatArray, dict[str, FloatArray]]:
        centre, found = batch.integral.centre, dict[str, FloatArray]()
        if self.split.integrated:
            drawn = self._arrow(batch).draw(rng)
            for k, a in enumerate(self.split.integrated):
                found[self.full.amplitudes.names[a]] = drawn[:, k]
                centre = np.where(self.full.amplitudes.column == a, drawn[:, k, None, None], centre)
        return centre, found
