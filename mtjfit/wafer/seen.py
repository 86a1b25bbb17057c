"""Which names have occurred, in eight bytes each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from mtjfit.wafer.chunk import IntArray

__all__ = ["Seen"]


@dataclass
class Seen:
    """Hashes of names in sorted runs, merged as they grow: eight bytes for each name, whatever its length.

    Two names among 1e8 share a hash of 64 bits with a probability of 3e-4.

    Examples
    --------
    >>> seen = Seen()
    >>> seen.repeated([("w1", "A"), ("w1", "B")]), seen.repeated([("w1", "C"), ("w1", "A")])
    (None, 1)
    """

    runs: list[IntArray] = field(default_factory=list)

    def repeated(self, names: Sequence[tuple[str, str]]) -> int | None:
        """Place of the first name that occurred before, here or earlier; None, and all are kept, if there is none."""
        if not names:
            return None
        new = np.array([hash(name) for name in names], dtype=np.int64)
        known = np.zeros(new.size, dtype=bool)
        for run in self.runs:
            place = np.minimum(np.searchsorted(run, new), run.size - 1)
            known |= run[place] == new
        order = np.argsort(new, kind="stable")
        known[order[1:]] |= new[order[1:]] == new[order[:-1]]
        if known.any():
            return int(np.argmax(known))
        self.runs.append(new[order])
        while len(self.runs) > 1 and self.runs[-2].size <= 2 * self.runs[-1].size:
            last = self.runs.pop()
            self.runs[-1] = np.sort(np.concatenate([self.runs[-1], last]), kind="stable")
        return None
