"""A likelihood whose pieces are computed by several processes, to the same last bit as by one.

The pieces follow from the devices and the number of rows alone, each is computed by the same code from the same numbers
wherever that is, and the caller adds them up in their order. Only how many pieces travel together depends on the
workers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mtjfit.arrays import FloatArray
from mtjfit.model.posterior import Piece, SharedPosterior

_ROUNDS = 8  # jobs of a worker in a large call, so that a slow one holds up no other for long
_MOST_BYTES = 2**15  # of the rows of a job: a pipe takes them in one piece, also if nobody reads


@dataclass(frozen=True, eq=False)
class Bundle:
    """Consecutive pieces of one block, and the values of their rows, by which the pieces count here."""

    number: int
    values: FloatArray
    pieces: tuple[Piece, ...]

    def done(self, model: SharedPosterior) -> list[FloatArray]:
        """`SharedPosterior.log_integrals` of each piece."""
        return [model.log_integrals(self.values, piece) for piece in self.pieces]


def divided(
    model: SharedPosterior, values: FloatArray, pieces: Sequence[Piece], *, workers: int, least: int
) -> list[Bundle]:
    """Pieces in jobs of about equal work, of no fewer than `least` rows times devices if there are several.

    A call that is smaller than two of them is no job at all: it is sooner done than sent.
    """
    sizes = [(each.rows.stop - each.rows.start) * model.blocks[each.block].n for each in pieces]
    work = sum(sizes)
    count = min(work // least, _ROUNDS * workers)
    if count < 2:
        return []
    if count > workers:
        count -= count % workers
    found: list[list[Piece]] = []
    filled = 0
    for piece, size in zip(pieces, sizes, strict=True):
        last = found[-1] if found else []
        rows = piece.rows.stop - last[0].rows.start if last else 0
        if not last or filled >= work / count or last[-1].block != piece.block or rows * values[0].nbytes > _MOST_BYTES:
            found.append([])
            filled = 0
        found[-1].append(piece)
        filled += size
    return [_job(number, values, together) for number, together in enumerate(found)]


def _job(number: int, values: FloatArray, pieces: list[Piece]) -> Bundle:
    first, last = pieces[0].rows.start, pieces[-1].rows.stop
    own = tuple(replace(each, rows=slice(each.rows.start - first, each.rows.stop - first)) for each in pieces)
    return Bundle(number, values[first:last], own)
