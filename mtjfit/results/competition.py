"""Whether the two torques compete, and what the odd part of T_perp does to that: the cause of back-hopping.

In dM/dt = T_par M × (P × M) + T_perp M × P a positive T_par drives M towards P. A field h P enters as −γ h M × P, so
that a positive T_perp acts like a field along −P. Torques of equal sign thus drive M to opposite states. The sign of
dM/dt against T, that of the charge and that of V drop out of this; the axis does not: with e_perp = P × M, or with M
and P taken along the spins, equal signs cooperate. Where they compete, a junction that the in-plane torque has switched
may hop back.

An even T_perp keeps its sign where T_par changes it, and competes at one polarity: the paper below Eq. 2. An odd part
of the sign of T_par adds to the competition there, and starts one at the other polarity; one of the opposite sign takes
from it. Diffusion as a rule makes the latter: T_perp = Im κ a1 V beside T_par = Re κ a1 V, with Im κ < 0 < Re κ. The
paper cites Oh et al., Nature Physics 5, 898 (2009), for less back-hopping by a linear T_perp of another origin.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mtjfit.data import FloatArray
from mtjfit.results.tables import interval

__all__ = ["SURE", "WHY", "competing", "odd_part"]

SURE = 0.95
"""Probability from which on a sentence says what the torques do."""

WHY = (
    "Equal signs of T_perp and T_par mean that they drive the moment to opposite states, which lets a junction hop "
    "back. That holds for e_perp = M × P with M and P along the moments, whatever the sign of V; data whose axis was "
    "declared wrongly turn each of these statements round."
)


def competing(ratios: Sequence[FloatArray], V: float) -> str:
    """What the torques do at +V and at −V, from draws of T_perp/T_par at both.

    Examples
    --------
    >>> competing([np.linspace(0.1, 0.2, 9), np.linspace(-0.3, -0.2, 9)], 0.5)[:61]
    'the torques compete at +0.5 V (T_perp/T_par = 0.15 (0.10 to 0'
    """
    where = []
    for sign, ratio in zip("+−", ratios, strict=True):
        p = float(np.mean(ratio > 0))
        verdict = "compete" if p > SURE else "cooperate" if p < 1 - SURE else "may do either"
        low, middle, high = np.quantile(ratio, [0.025, 0.5, 0.975])
        where.append(f"{verdict} at {sign}{V:g} V (T_perp/T_par = {interval(low, middle, high)})")
    return f"the torques {' and '.join(where)}."


def odd_part(odd: Sequence[FloatArray]) -> str:
    """What the odd part of T_perp does, from draws of it over T_par at +V and at −V.

    Examples
    --------
    >>> odd_part([np.full(9, -0.1), np.full(9, -0.1)])[-50:]
    'the competition, which helps against back-hopping.'
    """
    against = float(np.mean((odd[0] < 0) & (odd[1] < 0)))
    along = float(np.mean((odd[0] > 0) & (odd[1] > 0)))
    if against > SURE:
        return (
            f"The odd part of T_perp is opposite to T_par at both signs of V (probability {against:.2f}): it takes "
            "from the competition, which helps against back-hopping."
        )
    if along > SURE:
        return (
            f"The odd part of T_perp has the sign of T_par at both signs of V (probability {along:.2f}): it adds to "
            "the competition, which makes back-hopping likelier."
        )
    return (
        "Whether the odd part of T_perp helps or hurts is not determined (probability that it is opposite to T_par at "
        f"both signs of V: {against:.2f}; of the same sign: {along:.2f})."
    )
