"""A likelihood shared by processes: the same bits with any number of them, and whichever of them end."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from itertools import permutations
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest
import stack_runs
from stack_runs import LEAST, by_threads, digest, rows, sampled, stack

from mtjfit.arrays import FloatArray
from mtjfit.errors import MtjfitError
from mtjfit.model.posterior import Piece, SharedPosterior, in_this_process
from mtjfit.wafer import WaferPosterior
from mtjfit.wafer.stack.jobs import Bundle, divided
from mtjfit.wafer.stack.processes import repaid, shared_by_processes
from mtjfit.wafer.stack.share import shared

KILL = getattr(signal, "SIGKILL", signal.SIGTERM)  # on Windows SIGTERM cannot be heard either


@cache
def expected() -> str:
    model = stack()
    return digest(model.log_likelihood(rows(model)))


# threads that talk as processes do


@pytest.mark.parametrize("workers", [0, 1, 2, 4])
def test_the_bits_do_not_depend_on_the_number_of_workers(workers: int) -> None:
    with by_threads(stack(), workers=workers) as model:
        assert digest(model.log_likelihood(rows(model))) == expected()
        assert digest(model.log_likelihood(rows(model)[:3])) == digest(stack().log_likelihood(rows(model)[:3]))


def dies_at(number: int) -> Callable[[Connection], None]:
    """A worker that ends when it gets so many jobs, without an answer to the last."""

    def answer(connection: Connection) -> None:
        model = connection.recv()
        connection.send("holds it")
        for _ in range(number - 1):
            connection.send(connection.recv().done(model))
        connection.recv()
        connection.close()

    return answer


@pytest.mark.parametrize("at", [(1,), (3,), (1, 2), (2, 2)], ids=str)
def test_work_of_a_worker_that_ends_is_done_by_others_or_here(at: tuple[int, ...]) -> None:
    with by_threads(stack(), [dies_at(each) for each in at]) as model:
        for _ in range(2):
            assert digest(model.log_likelihood(rows(model))) == expected()
        assert len(model.compute.connections) == 2 - len(at)


def test_work_of_workers_that_were_stopped_is_done_here() -> None:
    def silent(connection: Connection) -> None:
        connection.recv()
        connection.send("holds it")

    with by_threads(stack(), [silent, silent], patience=0.05) as model:
        assert digest(model.log_likelihood(rows(model))) == expected()
        assert model.compute.connections == []


def test_an_error_of_a_worker_is_raised_and_no_answer_of_another_is_taken_for_a_later_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole, right = expected(), Bundle.done

    def fails(job: Bundle, model: SharedPosterior) -> list[FloatArray]:
        if job.number == 2:
            raise MtjfitError("as it is")
        return right(job, model)

    with by_threads(stack()) as model:
        monkeypatch.setattr(Bundle, "done", fails)
        with pytest.raises(MtjfitError, match=r"^as it is$"):
            model.log_likelihood(rows(model))
        monkeypatch.setattr(Bundle, "done", right)
        assert digest(model.log_likelihood(rows(model))) == whole


# pieces and jobs


class Recorded:
    """What is computed in one piece: digests of the values of its rows, with the first device of the block."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen: Counter[tuple[str, int]] = Counter()
        right = WaferPosterior._log_integrals
        monkeypatch.setattr(
            WaferPosterior, "_log_integrals",
            lambda model, values, block: self.note(values, block) or right(model, values, block),
        )  # fmt: skip

    def note(self, values: FloatArray, block: object) -> None:
        self.seen[digest(values), block.devices.start] += 1

    def of(self, model: SharedPosterior) -> Counter[tuple[str, int]]:
        self.seen.clear()
        model.log_likelihood(rows(model))
        return Counter(self.seen)


def test_pieces_are_those_of_one_process_and_other_ones_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = Recorded(monkeypatch)
    alone = recorded.of(stack())
    assert sum(alone.values()) == len(stack().pieces(60)) > 6
    for workers in (1, 2, 4):
        with by_threads(stack(), workers=workers) as model:
            assert recorded.of(model) == alone

    def in_one(job: Bundle, model: SharedPosterior) -> list[FloatArray]:
        whole = model.log_integrals(job.values, Piece(slice(0, len(job.values)), job.pieces[0].block))
        return [whole[each.rows] for each in job.pieces]

    monkeypatch.setattr(Bundle, "done", in_one)
    with by_threads(stack(), workers=2) as model:
        assert recorded.of(model) != alone


@pytest.mark.parametrize("workers", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("n", [0, 1, 17, 300, 2000])
def test_jobs_are_the_pieces_in_order_small_and_alike(workers: int, n: int) -> None:
    model = stack()
    values, pieces = rows(model, n), model.pieces(n)
    jobs = divided(model, values, pieces, workers=workers, least=LEAST)
    if n * 60 < 2 * LEAST:
        assert jobs == []
        return
    assert [each.number for each in jobs] == list(range(len(jobs)))
    found = [(job.values[each.rows], each.block) for job in jobs for each in job.pieces]
    assert len(found) == len(pieces)
    for (mine, block), each in zip(found, pieces, strict=True):
        assert block == each.block
        np.testing.assert_array_equal(mine, values[each.rows])
    assert all(len({each.block for each in job.pieces}) == 1 for job in jobs)
    assert max(job.values.nbytes for job in jobs) <= 2**15 or max(len(job.pieces) for job in jobs) == 1


def arrived(order: Sequence[int]) -> Callable[..., Iterator[FloatArray]]:
    """Sabotage: the sums of the blocks come in another order than that of the blocks."""

    def compute(model: SharedPosterior, values: FloatArray, pieces: Sequence[Piece]) -> Iterator[FloatArray]:
        found = {(each.rows.start, each.block): model.log_integrals(values, each) for each in pieces}
        total = np.zeros(len(values))
        for block in order:
            for each in (each for each in pieces if each.block == block):
                total[each.rows] += found[each.rows.start, block]
        return (total[each.rows] if each.block == 0 else 0.0 for each in pieces)

    return compute


@pytest.mark.slow
def test_sabotage_sums_in_order_of_arrival_are_noticed() -> None:
    """Three numbers have three sums, by the pair that is added first; the rule of pieces allows one of them."""
    model = replace(stack(), nodes_at_once=25 * 14 * 1000)  # all rows at a time
    z = rows(model)
    right = digest(model.log_likelihood(z))
    others = {
        digest(replace(model, compute=arrived(order)).log_likelihood(z)): order for order in permutations(range(3))
    }
    assert len(others) == 3
    assert others[right] in [(0, 1, 2), (1, 0, 2)]
    for order in permutations(range(3)):
        np.testing.assert_allclose(replace(model, compute=arrived(order)).log_likelihood(z), model.log_likelihood(z))


def test_sabotage_blocks_that_depend_on_workers_are_noticed() -> None:
    def compute(workers: int) -> Callable[..., list[FloatArray]]:
        def own(model: SharedPosterior, values: FloatArray, pieces: Sequence[Piece]) -> list[FloatArray]:
            other = replace(model, devices_at_once=60 // workers, compute=in_this_process)
            whole = other.log_likelihood(rows(model))
            return [whole[each.rows] if each.block == 0 else np.zeros(1) for each in pieces]

        return own

    found = {digest(replace(stack(), compute=compute(n)).log_likelihood(rows(stack()))) for n in (1, 2, 4)}
    assert len(found) == 3


# processes


@pytest.mark.slow
def test_processes_give_the_same_bits_while_they_are_killed_and_leave_nothing_behind() -> None:
    with shared_by_processes(stack(), 2) as model:
        model = replace(model, compute=replace(model.compute, least=LEAST))
        assert digest(model.log_likelihood(rows(model))) == expected()
        for left, child in enumerate(multiprocessing.active_children()[::-1]):
            os.kill(child.pid, KILL)
            assert digest(model.log_likelihood(rows(model))) == expected()
            assert len(model.compute.connections) == 1 - left
    assert multiprocessing.active_children() == []


def test_who_shares_is_said_by_one_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mtjfit.wafer.stack.processes.n_processors", lambda: 4)
    assert [repaid(n) for n in (1, 100, 199, 200, 340, 10_000)] == [1, 1, 1, 2, 3, 4]
    with shared(stack()) as model:  # 60 devices
        assert model is stack()
    for workers in (0, -1, True, 1.5):
        with pytest.raises(ValueError, match="give a whole number from 1 on"), shared(stack(), workers):
            pass
    with pytest.raises(ValueError, match="workers or a scheduler, not both"), shared(stack(), 1, "tcp://127.0.0.1:1"):
        pass


UNGUARDED = """
import sys
sys.path.append({here!r})
from stack_runs import stack
from mtjfit.wafer.stack.sample import sample_stack
sample_stack(stack(), workers=2)
"""


@pytest.mark.slow
def test_a_script_without_a_main_guard_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(UNGUARDED.format(here=str(Path(stack_runs.__file__).parent)))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(each for each in sys.path if each)}
    done = subprocess.run(
        [sys.executable, tmp_path / "script.py"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "a worker process ended before it had the devices" in done.stderr.splitlines()[-1]
    assert '`if __name__ == "__main__":`' in done.stderr.splitlines()[-1]


def kill_one(model: WaferPosterior) -> None:
    os.kill(multiprocessing.active_children()[0].pid, KILL)


@pytest.mark.slow
def test_a_run_has_the_same_digest_with_any_number_of_processes_and_one_killed() -> None:
    alone = sampled(workers=1)
    assert sampled(workers=2) == alone
    assert sampled(workers=4) == alone
    assert sampled(hook=kill_one, workers=2) == alone


def blocks(journal: Path) -> int:
    return len(list(journal.glob("segment-*")))


@pytest.mark.slow
@pytest.mark.parametrize(("first", "then"), [("1", "1"), ("2", "1"), ("1", "2")])
def test_a_run_that_was_killed_goes_on_to_the_same_bits(first: str, then: str, tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(each for each in sys.path if each)}
    journal, result = tmp_path / "run", tmp_path / "digest"
    begun = subprocess.Popen([sys.executable, stack_runs.__file__, journal, first, result], env=environment)
    until = time.monotonic() + 300
    while blocks(journal) < 3:
        assert begun.poll() is None
        assert time.monotonic() < until
        time.sleep(0.02)
    begun.kill()
    begun.wait()
    assert not result.exists()
    before = blocks(journal)
    subprocess.run([sys.executable, stack_runs.__file__, journal, then, result], env=environment, check=True)
    assert blocks(journal) > before
    assert result.read_text() == sampled(workers=1)
