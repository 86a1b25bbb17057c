"""Jobs in several processes: order, what is left behind, and what happens to whom when one of them ends early."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import Executor

import pytest

from mtjfit.errors import MtjfitError
from mtjfit.infer.workers import helpers, in_parallel, with_helpers


def test_workers_give_results_in_order_have_one_thread_and_leave_nothing_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for k in range(20):
        monkeypatch.setenv(f"MTJFIT_{k}", f"value {k}")
    before = dict(os.environ)
    names = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", *(f"MTJFIT_{k}" for k in range(20))]
    assert in_parallel(os.getenv, names, 2, progress=False) == ["1"] * 3 + [f"value {k}" for k in range(20)]
    assert dict(os.environ) == before
    assert multiprocessing.active_children() == []
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_killed_worker_is_an_error_that_says_so() -> None:
    with pytest.raises(MtjfitError, match=r"a worker process ended .* after 0 of 4 runs: it was killed, or memory"):
        in_parallel(os._exit, [1] * 4, 2, progress=False)
    assert multiprocessing.active_children() == []


def test_an_error_in_a_worker_ends_the_others_at_once() -> None:
    start = time.monotonic()
    with pytest.raises(ValueError, match="non-negative"):
        in_parallel(time.sleep, [600.0, -1.0, 600.0], 2, progress=False)
    assert time.monotonic() - start < 30
    assert multiprocessing.active_children() == []


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT to a process group")
@pytest.mark.parametrize("after", [0.3, 4.0])
def test_ctrl_c_ends_all_processes_at_once_without_tracebacks_of_workers(after: float) -> None:
    program = "import time\nfrom mtjfit.infer.workers import in_parallel\nprint('ready', flush=True)\n"
    program += "if __name__ == '__main__':\n    in_parallel(time.sleep, [600.0] * 4, 2, progress=False)\n"
    running = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    assert running.stdout is not None
    running.stdout.readline()
    time.sleep(after)
    os.killpg(running.pid, signal.SIGINT)
    _, errors = running.communicate(timeout=20)  # ends when the last process that could write has ended
    assert running.returncode == -signal.SIGINT
    assert errors.count(b"Traceback") == 1, errors.decode()


@pytest.mark.skipif(os.name == "nt", reason="reads a pipe until its last writer ends")
def test_workers_end_with_a_parent_that_was_killed() -> None:
    program = "from functools import partial\nfrom time import sleep\nfrom mtjfit.infer.workers import helpers\n"
    program += "if __name__ == '__main__':\n    with helpers(1) as pool:\n"
    program += "        pool.submit(partial(print, 'at work', flush=True))\n        pool.submit(sleep, 600).result()\n"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        running.stdout.readline()
        running.kill()
        running.communicate(timeout=20)  # ends when the last process that could write has ended


def test_one_worker_needs_no_other_process() -> None:
    here = os.getpid()
    assert in_parallel(lambda _: os.getpid(), [1, 2], 1, progress=False) == [here, here]


# helpers


@pytest.fixture(scope="module")
def pool():
    with helpers(1) as made:
        made.submit(abs, 1).result()
        yield made
    assert multiprocessing.active_children() == []


def _who(seconds: float) -> tuple[float, int]:
    time.sleep(seconds)
    return seconds, os.getpid()


def _ends_elsewhere(job: tuple[int, int]) -> int:
    number, here = job
    if os.getpid() != here:
        os._exit(1)
    time.sleep(0.05)  # or nothing would be left for others
    return number


def _refuses(job: tuple[int, int, bool]) -> int:
    number, here, at_home = job
    if (os.getpid() == here) == at_home:
        raise ValueError(f"no {number}")
    time.sleep(0.05)
    return number


def test_a_helper_and_this_process_share_the_jobs(pool: Executor) -> None:
    jobs = [0.3, 0.05, 0.06, 0.07, 0.08]
    begun: list[float] = []
    found = with_helpers(_who, jobs, pool, begins=begun.append)
    assert sorted(begun) == sorted(jobs)
    assert [seconds for seconds, _ in found] == jobs
    assert found[-1][1] == os.getpid() != found[0][1]
    assert len({process for _, process in found}) == 2


def test_without_a_pool_everything_is_done_here_and_no_job_is_no_work(pool: Executor) -> None:
    assert {process for _, process in with_helpers(_who, [0.0, 0.1], None)} == {os.getpid()}
    assert with_helpers(_who, [], None) == with_helpers(_who, [], pool) == []


def test_jobs_of_a_helper_that_was_killed_are_done_here() -> None:
    jobs = [(k, os.getpid()) for k in range(40)]
    with helpers(1) as short_lived:
        assert with_helpers(_ends_elsewhere, jobs, short_lived) == list(range(40))
        assert with_helpers(_ends_elsewhere, jobs[:3], short_lived) == [0, 1, 2]  # it is known to be broken by now


@pytest.mark.parametrize("at_home", [True, False])
def test_an_error_here_or_there_ends_the_work_and_is_not_swallowed(pool: Executor, at_home: bool) -> None:
    begun = time.monotonic()
    with pytest.raises(ValueError, match=rf"no {199 if at_home else 0}"):
        with_helpers(_refuses, [(k, os.getpid(), at_home) for k in range(200)], pool)
    assert time.monotonic() - begun < 5  # 200 jobs would take 10 s
