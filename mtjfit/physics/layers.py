"""Layers behind the free layer: metals, magnetic or not, and interfaces with resistance and spin flip.

Static, Eq. 5–6 in every layer, with m and J continuous between layers as in the paper. M is the direction of the free
layer; moments behind it are parallel or antiparallel to M.

m is continuous between metals of equal density of states. Where it differs the chemical potential is continuous
instead, and everything here holds with D_ratio read as the ratio of conductivities σ_F/σ_layer.

With w = m D_F/J0 (nm) and j = J/J0, Eq. 5–6 read dw/dx = −D_ratio j and dj/dx = −q² w/D_ratio, D_ratio = D_F/D_layer.
A slab works in its own unit of density, w/D_ratio, so that D_ratio drops out of it. What lies behind a face is one
ratio w : j there, kept as two weights h : g, so that a perfect sink (w = 0) and a wall (j = 0) need no case of their
own. Behind a face spin is only lost, so Re(h/g) ≥ 0 and no g + h below vanishes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from mtjfit.arrays import ComplexArray, FloatArray
from mtjfit.physics.diffusion import inverse_square, tanh_over_q, wave_numbers

_SINK_RATE = 1e300  # nm⁻²: from here on, λ < 1e-150 nm, a layer is a perfect sink; its square root is still finite
_HUGE = 1e150


@dataclass(frozen=True)
class Load:
    """Ratio of density and current at a face: w : j = h : g in nm, with g + h = 1."""

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


_WALL = Load.of(0.0, 1.0)


@dataclass(frozen=True)
class SpinState:
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
        """Load at the front face, the slab included, given the load at the rear face."""
        own = self._turned(self.thickness, end.over(self.D_ratio))
        return Load.of(own[0], own[1]).over(1 / self.D_ratio)

    def at(self, s: ArrayLike, start: SpinState, end: Load) -> SpinState:
        """Density and current at depth s, 0 ≤ s ≤ thickness, given those at the front face and the load behind."""
        s = np.asarray(s, dtype=float)
        endless = np.isinf(self.thickness)
        rest = np.where(endless, np.inf, self.thickness - np.where(endless, 0.0, s))
        here = Load.of(*self._turned(rest, end.over(self.D_ratio)))
        decay = np.exp(-np.sqrt(self.q_squared) * np.minimum(s, _HUGE))
        sech2 = 4 * decay / (1 + decay) ** 2
        g, h = self._turned(s, here)
        scale = (start.w / self.D_ratio + start.j) * sech2 / (g + h)
        return SpinState(np.asarray(scale * here.h * self.D_ratio), np.asarray(scale * here.g))

    def dwell(self, start: SpinState, end: Load) -> ComplexArray:
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
        return g, np.where((np.abs(self.q_squared) >= _SINK_RATE) & (s > 0), 0.0, h)


@dataclass(frozen=True)
class Layer:
    """A metal behind the free layer; nonmagnetic unless `lambda_J` or `lambda_phi` is finite.

    - `thickness`: in nm, ≥ 0. The last layer may be inf; a finite last layer ends in vacuum, J = 0.
    - `lambda_sf`: spin diffusion length in nm, ≥ 0, inf allowed. 0 makes the layer a perfect sink.
    - `D_ratio`: D_F/D_layer with the diffusion constant of the **free** layer, finite and > 0.
    - `lambda_J`, `lambda_phi`: spin precession and dephasing length in nm, > 0, inf allowed.
    - `antiparallel`: the moment points along −M; precession turns the other way, dephasing is unchanged.

    ValueError for values outside of these ranges, and NaN.

    Examples
    --------
    >>> Layer(5.0, 2.0, D_ratio=1.3).magnetic, Layer(1.0, 10.0, lambda_J=1.0, lambda_phi=1.0).magnetic
    (False, True)
    """

    thickness: float
    lambda_sf: float
    D_ratio: float = 1.0
    lambda_J: float = math.inf
    lambda_phi: float = math.inf
    antiparallel: bool = False

    def __post_init__(self) -> None:
        for name in ("thickness", "lambda_sf"):
            _demand(name, getattr(self, name), getattr(self, name) >= 0, "≥ 0")
        _demand("D_ratio", self.D_ratio, 0 < self.D_ratio < math.inf, "finite and > 0")
        for name in ("lambda_J", "lambda_phi"):
            _demand(name, getattr(self, name), getattr(self, name) > 0, "> 0")

    @property
    def magnetic(self) -> bool:
        """Whether the layer takes up torque."""
        return math.isfinite(self.lambda_J) or math.isfinite(self.lambda_phi)


@dataclass(frozen=True)
class InterfaceLayer:
    """A boundary with resistance and spin flip: an effective layer of no width, which the paper suggests below Eq. 8.

    It stands for a layer of thickness t with δ = t/λ_I and length r = (D_F/D_I) t, in the limit t → 0. With Λ behind
    it, it shows in front (r/δ) [Λ + (r/δ) tanh δ]/[(r/δ) + Λ tanh δ]. For δ → 0 that is Λ + r: J is continuous and
    m D_F jumps by r J. The spin flip weighs as δ tanh(δ)/r, so the interface vanishes only where δ²/r does, too; δ > 0
    with r = 0 is a perfect sink.

    From a resistance–area product AR of the interface, r = AR/ρ_F = AR e² N_F D_F: the length of free-layer metal
    that has the same resistance, ρ_F being its resistivity and N_F its density of states of both spins. This assumes
    Einstein's relation, an interface that treats both spins alike, and the conventions at the top of this module. At
    a boundary of a ferromagnet transverse spin passes by the mixing conductance, which AR does not give: there r is a
    parameter of its own. 1 fΩ m² over 100 µΩ cm is 1 nm. Tables often print 2AR, of two interfaces.

    `delta` is the spin-memory loss δ, ≥ 0, inf allowed; `resistance_length` is r in nm, finite, ≥ 0. ValueError for
    other values, and NaN.

    Examples
    --------
    >>> endless = Layer(float("inf"), 2.0)
    >>> [f"{Lambda_effective([InterfaceLayer(delta, 0.5), endless]):.3f}" for delta in (0.0, 0.3)]
    ['2.500', '1.842']
    """

    delta: float
    resistance_length: float

    def __post_init__(self) -> None:
        _demand("delta", self.delta, self.delta >= 0, "≥ 0")
        length = self.resistance_length
        _demand("resistance_length", length, 0 <= length < math.inf, "finite and ≥ 0")


Layers: TypeAlias = Sequence[Layer | InterfaceLayer]


def _demand(name: str, value: float, holds: bool, demand: str) -> None:
    if not holds:
        raise ValueError(f"{name} is {value}: it must be {demand}")


def _slab(layer: Layer | InterfaceLayer) -> Slab:
    if isinstance(layer, Layer):
        q0_squared, _ = wave_numbers(layer.lambda_J, layer.lambda_phi, math.inf)
        turned = np.conj(q0_squared) if layer.antiparallel else q0_squared
        rate = np.minimum(inverse_square(layer.lambda_sf), _SINK_RATE)
        return Slab(np.asarray(layer.thickness, dtype=float), turned, rate, layer.D_ratio)
    # only δ and r count: 1 nm thick, with λ_I = 1 nm/δ and D_ratio = r/(1 nm)
    delta, r = layer.delta, layer.resistance_length
    sink = delta > 0 and r == 0
    rate = np.asarray(_SINK_RATE if sink else min(delta * delta, _SINK_RATE))
    return Slab(np.asarray(float(delta > 0 or r > 0)), np.asarray(0j), rate, r if r > 0 else 1.0)


def slabs_and_loads(layers: Layers) -> tuple[tuple[Slab, ...], tuple[Load, ...]]:
    """The n layers as slabs, and the n + 1 loads behind F and behind each of them; the last is the vacuum.

    ValueError if a layer before the last is infinitely thick.
    """
    for layer in layers[:-1]:
        if isinstance(layer, Layer) and math.isinf(layer.thickness):
            raise ValueError("only the last layer may be infinitely thick")
    slabs = tuple(_slab(layer) for layer in layers)
    loads = [_WALL]
    for slab in reversed(slabs):
        loads.append(slab.front(loads[-1]))
    return slabs, tuple(reversed(loads))


def Lambda_effective(layers: Layers) -> float:
    """Λ of nonmagnetic layers behind F in nm: m D_F/J at the rear face of F, real and ≥ 0.

    Λ_k = ℓ_k [Λ_(k+1) + ℓ_k tanh(t/λ)]/[ℓ_k + Λ_(k+1) tanh(t/λ)], ℓ_k = D_ratio λ_sf, from the last layer forwards:
    Λ = ℓ for a semi-infinite last layer, ℓ coth(t/λ) for a finite one, inf for none at all (an oxide).

    Whatever lies behind F, the torque on F depends on this number alone: the current there is proportional to the
    density. A fit of Eq. 12 with Λ free is therefore right for every nonmagnetic cap; only the meaning of Λ
    changes. It is D_ratio λ_sf of the first layer only if that layer is several λ_sf thick and its interface clean.

    It serves as `lambda_sf_N` of `mtjfit.physics.kappa` with ``D_ratio=1``.

    `layers` runs from F outwards. ValueError if one is magnetic (its Λ is complex: use `mtjfit.physics.kappa_stack`),
    or one before the last is infinite.

    Examples
    --------
    A cap Ta(5)/Ru(5) on CoFeB, its lengths for illustration only. Endless Ta would show 2.6 nm: 5 nm of it hide the
    Ru. 1 nm does not.

    >>> Ta, Ru = Layer(5.0, 2.0, D_ratio=1.3), Layer(5.0, 14.0, D_ratio=0.1)
    >>> f"{Lambda_effective([Ta, Ru]):.3f} {Lambda_effective([Layer(1.0, 2.0, D_ratio=1.3), Ru]):.3f}"
    '2.608 3.063'
    """
    if any(isinstance(layer, Layer) and layer.magnetic for layer in layers):
        raise ValueError("a magnetic layer has no real Λ: use kappa_stack")
    load = slabs_and_loads(layers)[1][0]
    return math.inf if load.g == 0 else float((load.h / load.g).real)
