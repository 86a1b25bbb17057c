"""What a run has computed so far, and the steps at which it is saved and judged: functions of nothing else."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mtjfit.infer.ensemble import Block, Stage
from mtjfit.infer.gate import Chains

__all__ = ["History", "is_look", "next_block", "next_look"]

_BLOCK = 100
_FIRST_LOOK = 200  # whole blocks


@dataclass(frozen=True)
class History:
    """How far a run has come.

    Attributes
    ----------
    stage : Stage
        What comes next follows from it.
    blocks : tuple of Block
        Steps that count: those since the proposal was last fitted.
    spent : int
        Steps before that, which only served to fit it.
    n_refits : int
    """

    stage: Stage
    blocks: tuple[Block, ...] = ()
    spent: int = 0
    n_refits: int = 0

    @property
    def steps(self) -> int:
        """Steps that count."""
        return sum(block.theta.shape[1] for block in self.blocks)

    def advanced(self, block: Block, stage: Stage) -> History:
        """The same with one more block."""
        return replace(self, stage=stage, blocks=(*self.blocks, block))

    def refitted(self, stage: Stage) -> History:
        """The same with a new proposal, for which all steps so far were spent."""
        return History(stage, (), self.spent + self.steps, self.n_refits + 1)

    def chains(self, names: tuple[str, ...]) -> Chains:
        """All steps that count as one set of chains; there must be some."""
        theta = np.concatenate([block.theta for block in self.blocks], axis=1)
        log_posterior = np.concatenate([block.log_posterior for block in self.blocks], axis=1)
        moved = np.any(theta[:, 1:] != theta[:, :-1], axis=-1)
        return Chains(names, theta, log_posterior, moved.mean(axis=1))


def next_look(steps: int) -> int:
    """Steps at which the gate is asked after `steps`: after 200, and then after a quarter more, in whole blocks.

    Examples
    --------
    >>> next_look(0), next_look(200), next_look(250), next_look(500)
    (200, 300, 300, 700)
    """
    look = _FIRST_LOOK
    while look <= steps:
        look += -(-max(_BLOCK, look // 4) // _BLOCK) * _BLOCK
    return look


def is_look(steps: int) -> bool:
    """True where the gate is asked (`next_look`).

    It depends on the steps alone, so that a resumed run is judged where any other is.

    Examples
    --------
    >>> [steps for steps in range(1, 1500) if is_look(steps)]
    [200, 300, 400, 500, 700, 900, 1200]
    """
    return steps > 0 and next_look(steps - 1) == steps


def next_block(steps: int) -> int:
    """Steps of the next block, after `steps` steps that count: always whole blocks, whatever the limit.

    A chain depends on where its blocks end, because jumps are drawn ahead within a block. A run that is gone on with
    under a larger limit must be the one that always had it.

    Examples
    --------
    >>> next_block(200), next_block(250)
    (100, 50)
    """
    return _BLOCK - steps % _BLOCK
