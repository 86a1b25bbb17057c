"""Torque and torkance of the free layer against bias, Eq. 12 with the interface current of Eq. 2."""

from __future__ import annotations

from typing import Literal, TypeAlias

from numpy.typing import ArrayLike

from mtjfit.physics.diffusion import kappa, kappa_density
from mtjfit.physics.interface import Interface
from mtjfit.physics.rates import ComplexArray

__all__ = ["torkance", "torque"]

_Per: TypeAlias = Literal["area", "device", "volume"]


def _transfer(per: _Per, d: ArrayLike, lambdas: tuple[ArrayLike, ...]) -> ComplexArray:
    if per not in ("area", "device", "volume"):
        raise ValueError(f"per = {per!r}: give 'area', 'device' (no 1/d) or 'volume' (carries 1/d)")
    return kappa_density(d, *lambdas) if per == "volume" else kappa(d, *lambdas)


def torque(
    V: ArrayLike,
    d: ArrayLike,
    lambda_J: ArrayLike,
    lambda_phi: ArrayLike,
    lambda_sf_F: ArrayLike,
    lambda_sf_N: ArrayLike,
    D_ratio: ArrayLike = 1.0,
    *,
    interface: Interface,
    per: _Per = "area",
) -> ComplexArray:
    """T_par + i T_perp at bias V, Eq. 12: κ(d) J0(V) per area or device, κ(d) J0(V)/d per volume.

    Parameters
    ----------
    V : array_like
        Bias in volts.
    d, lambda_J, lambda_phi, lambda_sf_F, lambda_sf_N, D_ratio : array_like
        As in `mtjfit.physics.kappa`; broadcast against `V`.
    interface : Interface
        J0(V), in the unit wanted for the torque (times nm for ``per="volume"``).
    per : {"area", "device", "volume"}
        Normalisation; ``"volume"`` is what an effective field measures.

    Returns
    -------
    ndarray of complex

    Raises
    ------
    ValueError
        As in `mtjfit.physics.kappa`, or `per` is unknown.

    Examples
    --------
    >>> T = torque(0.2, 1.2, 1.0, 1.0, 10.0, 1.0, interface=Interface.of(a1=1.0, b2=0.6))
    >>> f"{T:.4f}"
    '0.1666-0.0156j'
    """
    lambdas = (lambda_J, lambda_phi, lambda_sf_F, lambda_sf_N, D_ratio)
    return _transfer(per, d, lambdas) * interface.current(V)


def torkance(
    V: ArrayLike,
    d: ArrayLike,
    lambda_J: ArrayLike,
    lambda_phi: ArrayLike,
    lambda_sf_F: ArrayLike,
    lambda_sf_N: ArrayLike,
    D_ratio: ArrayLike = 1.0,
    *,
    interface: Interface,
    per: _Per = "area",
) -> ComplexArray:
    """dT_par/dV + i dT_perp/dV at bias V: κ(d) dJ0/dV, divided by d per volume.

    Parameters, shapes and errors are those of `torque`; V may depend on nothing else, so the derivative of Eq. 12
    acts on J0 alone.

    Examples
    --------
    >>> f"{torkance(0.0, 1.2, 1.0, 1.0, 10.0, 1.0, interface=Interface.of(a1=1.0, b2=0.6)):.4f}"
    '0.8121-0.1757j'
    """
    lambdas = (lambda_J, lambda_phi, lambda_sf_F, lambda_sf_N, D_ratio)
    return _transfer(per, d, lambdas) * interface.derivative(V)
