"""Which parameters of a study are sampled, and which are integrated out exactly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtjfit.model.blocks import Bounded
from mtjfit.model.layout import AmplitudeLayout, Layout
from mtjfit.study import Normal

__all__ = ["Split", "split"]

_FREE = Normal(0.0, 1.0)


@dataclass(frozen=True)
class Split:
    """Parts of a study's parameters.

    Attributes
    ----------
    entries : tuple of int
        Non-linear parameters that are sampled: places in the layout.
    sampled, integrated : tuple of int
        Shared amplitudes that are sampled, and that are integrated out: places among the free amplitudes.
    own : tuple of int
        Terms of J0(V) of which each device has its own amplitude, integrated out; those that scatter among them.
    thickness_is_free : bool
        True where each device's thickness is integrated out.
    bounded_own, bounded_shared : Bounded or None
        The one amplitude with a bounded prior in each of the two blocks that are integrated out.
    scattered : tuple of int
        Terms whose own amplitudes scatter about a shared one, which is sampled.
    """

    entries: tuple[int, ...]
    sampled: tuple[int, ...]
    integrated: tuple[int, ...]
    own: tuple[int, ...]
    thickness_is_free: bool
    bounded_own: Bounded | None
    bounded_shared: Bounded | None
    scattered: tuple[int, ...] = ()


def split(layout: Layout, amplitudes: AmplitudeLayout, scattered: tuple[int, ...] = ()) -> Split:
    """Decide what is sampled.

    Shared amplitudes can be integrated out together only while the likelihood is Gaussian in all of them: for known
    thicknesses, and no more than one bounded amplitude among those integrated. The others are sampled, and so is what
    devices scatter about, because it also decides by how much.
    """
    free = bool(np.any(layout.index["thickness"] >= 0))
    by_term = amplitudes.column
    terms = range(len(amplitudes.own))
    own = tuple(t for t in terms if amplitudes.own[t] or t in scattered)
    # what devices scatter by has no bounds
    own_priors = [_FREE if t in scattered else amplitudes.priors[by_term[0, t]] for t in own]
    own_columns = {int(a) for t in own if t not in scattered for a in by_term[:, t]}
    shared = [a for a in range(len(amplitudes.names)) if a not in own_columns]
    bounded_own = Bounded.among(tuple(own_priors))
    if free or bounded_own is not None:
        sampled = shared
    else:
        centres = {int(a) for t in scattered for a in by_term[:, t]}
        bounded = [a for a in shared if amplitudes.priors[a].truncated and a not in centres]
        sampled = [a for a in shared if a in centres or a in bounded[1:]]
    integrated = tuple(a for a in shared if a not in sampled)
    return Split(
        entries=tuple(k for k, entry in enumerate(layout.entries) if not entry.name.is_thickness),
        sampled=tuple(sampled),
        integrated=integrated,
        own=own,
        thickness_is_free=free,
        bounded_own=bounded_own,
        bounded_shared=Bounded.among(tuple(amplitudes.priors[a] for a in integrated)),
        scattered=scattered,
    )
