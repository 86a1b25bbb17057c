"""Choosing several candidates together: every combination where there are few, else greedily with exchanges."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations, islice
from math import comb

import numpy as np

from mtjfit.arrays import FloatArray

MOST = 20_000
"""Largest number of combinations that are all tried; beyond it the best one is sought by exchanges."""

_AT_A_TIME = 2**21  # numbers in a batch of matrices
_ROUNDS = 20

Score = Callable[[FloatArray], FloatArray]
"""From summed information of shape (..., n, k, k) to the figure of merit, shape (...)."""


@dataclass(frozen=True)
class Choice:
    """Places of the chosen candidates: ascending, and in the order in which each adds most to those before."""

    chosen: tuple[int, ...]
    order: tuple[int, ...]
    score: float
    method: str
    n_combinations: int


def _best_addition(information: FloatArray, rest: Sequence[int], score: Score) -> tuple[int, float]:
    """The candidate that adds most to the others in `rest`, and the score of all of them."""
    total = information[list(rest)].sum(axis=0)
    length = max(1, _AT_A_TIME // max(1, information[0].size))
    parts = (information[k : k + length] for k in range(0, information.shape[0], length))
    scores = np.concatenate([np.atleast_1d(score(total + part)) for part in parts])
    scores[list(rest)] = -np.inf
    best = int(np.argmax(scores))
    return best, float(scores[best])


def greedy(information: FloatArray, k: int, score: Score) -> tuple[int, ...]:
    """Candidates in the order in which each adds most; `information` has the shape (n_candidates, n, m, m)."""
    chosen: list[int] = []
    for _ in range(k):
        chosen.append(_best_addition(information, chosen, score)[0])
    return tuple(chosen)


def exchanged(information: FloatArray, start: tuple[int, ...], score: Score) -> tuple[tuple[int, ...], float]:
    """The choice after replacing one candidate at a time by a better one, until none is better (Fedorov 1972)."""
    chosen = list(start)
    value = float(score(information[chosen].sum(axis=0)))
    for _ in range(_ROUNDS):
        before = value
        for place in range(len(chosen)):
            best, found = _best_addition(information, chosen[:place] + chosen[place + 1 :], score)
            if found > value:
                chosen[place], value = best, found
        if value <= before:
            break
    return tuple(sorted(chosen)), value


def exhaustive(information: FloatArray, k: int, score: Score) -> tuple[tuple[int, ...], float]:
    """The best of all combinations of k."""
    best: tuple[int, ...] = ()
    value = -np.inf
    every = combinations(range(information.shape[0]), k)
    length = max(1, _AT_A_TIME // max(1, information[0].size * k))
    while listed := list(islice(every, length)):
        batch = np.array(listed)
        scores = score(np.sum([information[batch[:, column]] for column in range(k)], axis=0))
        at = int(np.argmax(scores))
        if scores[at] > value:
            best, value = listed[at], float(scores[at])
    return best, value


def choose(information: FloatArray, k: int, score: Score, most: int = MOST) -> Choice:
    """The best `k` of the candidates by their Fisher matrices at every draw, shape (n_candidates, n, m, m).

    All combinations are tried where there are no more than `most`. Else candidates are exchanged one by one, from the
    greedy choice and from one that is spread evenly, until no single exchange improves the choice.
    """
    n = information.shape[0]
    number = comb(n, k)
    if k == 1 or number <= most:
        chosen, value = exhaustive(information, k, score)
        method = "exhaustive"
    else:
        spread = tuple(int(c) for c in np.linspace(0, n - 1, k).round())
        found = [exchanged(information, start, score) for start in (greedy(information, k, score), spread)]
        chosen, value = max(found, key=lambda each: each[1])
        method = "exchange"
    places = greedy(information[list(chosen)], k, score)
    return Choice(chosen, tuple(chosen[place] for place in places), value, method, number)
