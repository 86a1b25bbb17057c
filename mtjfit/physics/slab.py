"""One uniform layer as a piece of a line that carries spin: the density and the current at its two faces.

With w = m D_F/J0 (nm) and j = J/J0, Eq. 5–6 read dw/dx = −D_ratio j and dj/dx = −q² w/D_ratio, D_ratio = D_F/D_layer.
A slab works in its own unit of density, w/D_ratio, so that D_ratio drops out of it.

What lies behind a face is one ratio w : j there. It is kept as two weights h : g, so that a perfect sink (w = 0) and a
wall (j = 0) need no case of their own. Behind a face spin is only lost, so Re(h/g) ≥ 0 and no g + h below vanishes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from mtjfit.physics.diffusion import tanh_over_q
from mtjfit.physics.rates import ComplexArray, FloatArray

__all__ = ["SINK_RATE", "WALL", "Load", "Slab", "State"]

SINK_RATE = 1e300  # nm⁻²: from here on, λ < 1e-150 nm, a layer is a perfect sink; its square root is still finite
_HUGE = 1e150


@dataclass(frozen=True)
class Load:
    """What lies behind a face: w : j = h : g in nm, with g + h = 1."""

    g: ComplexArray
    h: ComplexArray

    @classmethod
    def of(cls, g: ArrayLike, h: ArrayLike) -> Load:
        """The ratio h : g, scaled to g + h = 1."""
        g, h = np.asarray(g, dtype=complex), np.asarray(h, dtype=complex)
        return cls(np.asarray(g / (g + h)), np.asarray(h / (g + h)))

    def over(self, D_ratio: float) -> Load:
        """The same ratio in another unit of density: h : g becomes h/D_ratio : g."""
        scale = max(1.0, D_ratio)
        return Load.of(self.g * (D_ratio / scale), self.h / scale)


WALL = Load.of(0.0, 1.0)


@dataclass(frozen=True)
class State:
    """Spin density w = m D_F/J0 (nm) and current j = J/J0 at one place."""

    w: ComplexArray
    j: ComplexArray


@dataclass(frozen=True)
class Slab:
    """A uniform layer: thickness in nm, 1/L0² and 1/λ_sf² of Eq. 8 in nm⁻² (their sum is q²), D_ratio = D_F/D_layer.

    All methods are forms in u = tanh(q s/2)/q, from which cosh(q s) = (1 + q²u²)/sech² and sinh(q s)/q = 2u/sech² with
    sech² = 1 − q²u²: nothing overflows in a thick slab and nothing cancels in a thin one.
    """

    thickness: FloatArray
    q0_squared: ComplexArray
    spin_flip: FloatArray
    D_ratio: float = 1.0

    @property
    def q_squared(self) -> ComplexArray:
        """1/L² in nm⁻²."""
        return self.q0_squared + self.spin_flip

    def front(self, end: Load) -> Load:
        """What lies behind the front face, the slab included, given what lies behind the rear face."""
        own = self._turned(self.thickness, end.over(self.D_ratio))
        return Load.of(own[0], own[1]).over(1 / self.D_ratio)

    def at(self, s: ArrayLike, start: State, end: Load) -> State:
        """Density and current at depth s, 0 ≤ s ≤ thickness, given those at the front face and the load behind."""
        s = np.asarray(s, dtype=float)
        endless = np.isinf(self.thickness)
        rest = np.where(endless, np.inf, self.thickness - np.where(endless, 0.0, s))
        here = Load.of(*self._turned(rest, end.over(self.D_ratio)))
        decay = np.exp(-np.sqrt(self.q_squared) * np.minimum(s, _HUGE))
        sech2 = 4 * decay / (1 + decay) ** 2
        g, h = self._turned(s, here)
        scale = (start.w / self.D_ratio + start.j) * sech2 / (g + h)
        return State(np.asarray(scale * here.h * self.D_ratio), np.asarray(scale * here.g))

    def dwell(self, start: State, end: Load) -> ComplexArray:
        """∫ m D_layer/J0 dx over the slab in nm²: times 1/L0² the torque it takes up, times 1/λ_sf² its spin-flip."""
        own = end.over(self.D_ratio)
        u = tanh_over_q(np.sqrt(self.q_squared), self.thickness)
        g, h = self._turned(self.thickness, own)
        return np.asarray((start.w / self.D_ratio + start.j) * 2 * u * (u * own.g + own.h) / (g + h))

    def _turned(self, s: FloatArray, end: Load) -> tuple[ComplexArray, ComplexArray]:
        """g and h a distance s before `end`, in the slab's own unit of density, times sech²(q s/2)."""
        u = tanh_over_q(np.sqrt(self.q_squared), s)
        even = 1 + self.q_squared * u**2
        g, h = even * end.g + 2 * self.q_squared * u * end.h, even * end.h + 2 * u * end.g
        # an endless layer in which nothing decays lets nothing leave, and a sink keeps no density
        g = np.where((self.q_squared == 0) & np.isinf(s), 0.0, g)
        return g, np.where((np.abs(self.q_squared) >= SINK_RATE) & (s > 0), 0.0, h)
