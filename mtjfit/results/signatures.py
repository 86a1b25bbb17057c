"""What each mechanism predicts for a thickness series, computed from Eq. 12."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from mtjfit.data import FloatArray
from mtjfit.infer.mechanism import MECHANISMS, Mechanism
from mtjfit.physics import kappa
from mtjfit.text import Table, number

__all__ = ["EXAMPLE", "EXAMPLE_B1", "Signature", "signature", "signature_table"]

EXAMPLE = {"lambda_J": 1.0, "lambda_phi": 1.0, "lambda_sf_F": 10.0, "Lambda": 1.0}
"""Lengths in nm of Fig. 3 of Manchon et al. (2012)."""
EXAMPLE_B1 = -0.2
"""b1/a1 of the example."""
_D = (0.8, 1.2, 2.0, 3.0, 5.0)
_SAME = 1e-9


@dataclass(frozen=True, eq=False)
class Signature:
    """What a mechanism predicts of the slopes at zero bias, for a1 = 1.

    Attributes
    ----------
    thickness : ndarray, shape (n,)
        In nm.
    par, perp : ndarray, shape (n,)
        dT_par/dV and dT_perp/dV.
    """

    thickness: FloatArray
    par: FloatArray
    perp: FloatArray

    @property
    def ratio(self) -> FloatArray:
        """dT_perp/dT_par."""
        return np.asarray(self.perp / self.par)


def signature(
    mechanism: Mechanism,
    thickness: ArrayLike,
    *,
    lengths: Mapping[str, float] = EXAMPLE,
    b1: float = EXAMPLE_B1,
    per: str = "device",
) -> Signature:
    """Slopes against thickness, Eq. 12 with the lengths of the mechanism: κ(d)(1 + i b1), over d per volume.

    Parameters
    ----------
    mechanism : Mechanism
    thickness : array_like, shape (n,)
        In nm, positive.
    lengths : mapping of str to float
        lambda_J, lambda_phi, lambda_sf_F and Lambda in nm; those that the mechanism takes as known do not count.
    b1 : float
        b1/a1 of mechanisms that have it.
    per : {"device", "area", "volume"}

    Examples
    --------
    >>> signature(MECHANISMS["diffusion"], [1.2, 3.0]).ratio.round(2)
    array([-0.22, -0.04])
    >>> signature(MECHANISMS["ballistic+b1"], [1.2, 3.0]).ratio
    array([-0.2, -0.2])
    """
    d = np.asarray(thickness, dtype=float)
    at = {**lengths, **mechanism.lengths}
    K = kappa(d, *(at[name] for name in ("lambda_J", "lambda_phi", "lambda_sf_F", "Lambda")))
    slope = K * (1 + 1j * b1 if mechanism.b1 else 1.0) / (d if per == "volume" else 1.0)
    return Signature(d, np.broadcast_to(slope.real, d.shape), np.broadcast_to(slope.imag, d.shape))


def signature_table(per: str = "device") -> Table:
    """What each mechanism predicts for the thickness dependence, computed from Eq. 12 for the lengths of Fig. 3."""
    rows = []
    for name, mechanism in MECHANISMS.items():
        found = signature(mechanism, _D, per=per)
        for label, values in (("dT_par/dV", found.par), ("dT_perp/dV", found.perp), ("ratio", found.ratio)):
            shown = tuple(number(float(value) + 0.0, 3) for value in values)
            rows.append((name if label == "dT_par/dV" else "", label, *shown, _trend(found.thickness, values)))
    note = (
        "At zero bias, in units of a1 (ratio: T_perp/T_par); lambda_J = lambda_phi = 1 nm, lambda_sf_F = 10 nm, "
        f"Lambda = 1 nm, and b1 = {EXAMPLE_B1:g} a1 where there is b1. diffusion-bulk can turn the torque only where "
        "lambda_sf_F is not much longer than lambda_phi."
    )
    header = ("mechanism", "slope", *(f"{d:g} nm" for d in _D), "against d")
    return Table(f"What each mechanism predicts, per {per}", header, tuple(rows), note)


def _trend(d: FloatArray, values: FloatArray) -> str:
    """How a quantity goes with thickness, in a word."""
    for word, each in (("constant", values), ("as 1/d", values * d)):
        if np.ptp(each) <= _SAME * float(np.max(np.abs(each)) or 1.0):
            return "zero" if not np.any(values) else word
    return "changes"
