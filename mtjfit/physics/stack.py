"""The free layer with any stack behind it: torque, spin flip and profiles, layer by layer.

Static, Eq. 5–6 in every layer; J(0) = J0, m and J continuous, J = 0 at the vacuum. One semi-infinite nonmagnetic layer
behind F is the paper's F/N. Layers, conventions and assumptions are those of `mtjfit.physics.layers`, the lengths of F
those of `mtjfit.physics`. `layers` runs from F outwards and is the same for all elements; if it is empty, F ends in
vacuum. Only its last layer may be infinitely thick (ValueError).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import ArrayLike

from mtjfit.arrays import ComplexArray
from mtjfit.physics.diffusion import checked_arguments, inverse_square
from mtjfit.physics.layers import InterfaceLayer, Layers, Load, Slab, SpinState, slabs_and_loads

_ROUNDING = 1e-14  # a place this close behind the last face, relative to x, is on it


def _free(d: ArrayLike, lambda_J: ArrayLike, lambda_phi: ArrayLike, lambda_sf_F: ArrayLike) -> Slab:
    d, q0_squared, _, _ = checked_arguments(d, lambda_J, lambda_phi, lambda_sf_F, 0.0, 1.0)
    d, q0_squared, rate = np.broadcast_arrays(d, q0_squared, inverse_square(lambda_sf_F))
    return Slab(d, q0_squared, rate)


def _march(free: Slab, layers: Layers) -> Iterator[tuple[Slab, SpinState, Load]]:
    """Each slab from F outwards, the state at its front face and the load behind it.

    J = J0 at the barrier, or no current at all where nothing would take it up.
    """
    slabs, loads = slabs_and_loads(layers)
    front = free.front(loads[0])
    closed = front.g == 0
    w = np.where(closed, 0.0, front.h) / np.where(closed, 1.0, front.g)
    state = SpinState(np.asarray(w), np.where(closed, 0j, 1 + 0j))
    for slab, load in zip((free, *slabs), loads, strict=True):
        yield slab, state, load
        state = slab.at(slab.thickness, state, load)


def _spent(free: Slab, layers: Layers, rate: Callable[[Slab], ComplexArray]) -> Iterator[ComplexArray]:
    """rate · ∫ m D/J0 dx over F and over each layer behind it."""
    steps = _march(free, layers)
    _, start, load = next(steps)
    # where the current has nowhere to go all of it is spent in F, whatever d is, as in `kappa` for Λ = inf
    everything = rate(free) / np.where(free.q_squared == 0, 1.0, free.q_squared)
    yield np.asarray(np.where(start.j == 0, everything, rate(free) * free.dwell(start, load)))
    for slab, start, load in steps:
        yield np.asarray(rate(slab) * slab.dwell(start, load))


def _rows(spent: Iterator[ComplexArray]) -> ComplexArray:
    return np.asarray(np.stack(np.broadcast_arrays(*spent)) + 0.0)  # no negative zeros


@np.errstate(invalid="ignore", under="ignore")  # complex division flags NaN operands
def kappa_stack(
    d: ArrayLike, lambda_J: ArrayLike, lambda_phi: ArrayLike, lambda_sf_F: ArrayLike, layers: Layers
) -> ComplexArray:
    """κ of the free layer, Eq. 12, with any layers behind it: its torque per area over J0.

    κ = 2 q0² u (u + Λ)/[1 + q² u (u + 2Λ)], u = tanh(q d/2)/q, with the Λ that the stack shows to F: that of
    `Lambda_effective`, complex where a layer is magnetic.

    Examples
    --------
    A CoFeB free layer with a cap Ta(5)/Ru(5), and with a lossy CoFeB/Ta interface; lengths for illustration only.

    >>> from mtjfit.physics.layers import InterfaceLayer, Layer
    >>> Ta, Ru = Layer(5.0, 2.0, D_ratio=1.3), Layer(5.0, 14.0, D_ratio=0.1)
    >>> f"{kappa_stack(1.2, 1.0, 1.0, 10.0, [Ta, Ru]):.4f}"
    '0.9078-0.1071j'
    >>> f"{kappa_stack(1.2, 1.0, 1.0, 10.0, [InterfaceLayer(0.3, 0.5), Ta, Ru]):.4f}"
    '0.8912-0.1216j'
    """
    return next(_spent(_free(d, lambda_J, lambda_phi, lambda_sf_F), layers, lambda slab: slab.q0_squared))


@np.errstate(invalid="ignore", under="ignore")
def torque_by_layer(
    d: ArrayLike, lambda_J: ArrayLike, lambda_phi: ArrayLike, lambda_sf_F: ArrayLike, layers: Layers
) -> ComplexArray:
    """Torque per area over J0 in F and in each layer behind it, ∫ (m D/J0)/L0² dx; 0 in nonmagnetic layers.

    Rows, one for F and one for each layer, stand before the broadcast shape: row 0 is `kappa_stack`, and with
    `spin_flip_by_layer` all rows add up to 1. In-plane and out-of-plane are those of the free layer, M × (P × M) and
    M × P, in all of them.

    Examples
    --------
    A free layer 0.8 nm thick, coupled to a second one through Ru(0.8), both moments parallel.

    >>> from mtjfit.physics.layers import Layer
    >>> layers = [Layer(0.8, 14.0), Layer(2.0, 10.0, lambda_J=1.0, lambda_phi=1.0), Layer(float("inf"), 2.0)]
    >>> [f"{torque:.3f}" for torque in torque_by_layer(0.8, 1.0, 1.0, 10.0, layers)]
    ['0.733-0.150j', '0.000+0.000j', '0.263+0.124j', '0.000+0.000j']
    """
    return _rows(_spent(_free(d, lambda_J, lambda_phi, lambda_sf_F), layers, lambda slab: slab.q0_squared))


@np.errstate(invalid="ignore", under="ignore")
def spin_flip_by_layer(
    d: ArrayLike, lambda_J: ArrayLike, lambda_phi: ArrayLike, lambda_sf_F: ArrayLike, layers: Layers
) -> ComplexArray:
    """Spin current lost to spin flip in F and in each layer behind it, ∫ (m D/J0)/λ_sf² dx, without unit.

    Rows are those of `torque_by_layer`. Where nothing at all acts on the spin there is no steady state, and all are 0.

    Examples
    --------
    >>> from mtjfit.physics.layers import Layer
    >>> layers = [Layer(5.0, 2.0, D_ratio=1.3), Layer(5.0, 14.0, D_ratio=0.1)]
    >>> lost, torque = (spent(1.2, 1.0, 1.0, 10.0, layers) for spent in (spin_flip_by_layer, torque_by_layer))
    >>> [f"{value:.3f}" for value in lost]
    ['0.005+0.004j', '0.082+0.097j', '0.006+0.007j']
    >>> bool(abs(lost.sum() + torque.sum() - 1) < 1e-14)
    True
    """
    return _rows(
        _spent(_free(d, lambda_J, lambda_phi, lambda_sf_F), layers, lambda slab: slab.spin_flip.astype(complex))
    )


@np.errstate(invalid="ignore", under="ignore")
def stack_profile(
    x: ArrayLike, d: ArrayLike, lambda_J: ArrayLike, lambda_phi: ArrayLike, lambda_sf_F: ArrayLike, layers: Layers
) -> tuple[ComplexArray, ComplexArray]:
    """Transverse spin density m D_F/J0 in nm and current J/J0 at distance x from the barrier, in F and behind it.

    Eq. 9–10 for more layers. Both are continuous, but for m at an `InterfaceLayer` and J there if it loses spin; at a
    face they are those in front of it. In the vacuum behind the last layer both are 0. x is in nm and ≥ 0 (ValueError).

    Examples
    --------
    >>> from mtjfit.physics.layers import Layer
    >>> layers = [Layer(5.0, 2.0, D_ratio=1.3), Layer(5.0, 14.0, D_ratio=0.1)]
    >>> m, J = stack_profile([0.0, 2.0, 7.0, 12.0], 2.0, 1.0, 1.0, 15.0, layers)
    >>> [f"{value:.4f}" for value in m]
    ['0.7722+0.3311j', '0.0500+0.1336j', '0.0050+0.0134j', '0.0047+0.0126j']
    >>> [f"{value:.4f}" for value in J[1:3]]
    ['0.0192+0.0512j', '0.0012+0.0033j']
    """
    x = np.asarray(x, dtype=float)
    if np.any(x < 0):
        raise ValueError("x must not be negative: F begins at x = 0")
    free = _free(d, lambda_J, lambda_phi, lambda_sf_F)
    nothing = np.zeros(np.broadcast_shapes(x.shape, free.thickness.shape), dtype=complex)
    m, J, face = nothing, nothing, np.zeros_like(free.thickness)
    steps = list(_march(free, layers))
    for (slab, start, load), layer in zip(steps, (None, *layers), strict=True):
        if isinstance(layer, InterfaceLayer):
            continue
        here = slab.at(np.clip(x - face, 0.0, slab.thickness), start, load)
        reached = (x > face) | (layer is None)
        m, J = np.where(reached, here.w, m), np.where(reached, here.j, J)
        face = face + slab.thickness
    in_vacuum = x > face * (1 + _ROUNDING)
    closed = steps[0][1].j == 0  # nothing takes the current up: it stays J0, and the density piles up
    m, J = np.where(closed, np.inf, m), np.where(closed, 1.0, J)
    return np.where(in_vacuum, 0.0, m), np.where(in_vacuum, 0.0, J)
