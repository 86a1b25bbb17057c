"""Jobs in several processes: order, what is left behind, and what happens to whom when one of them ends early."""

from __future__ import annotations

import multiprocessing
import os
import platform
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from mtjfit.errors import MtjfitError
from mtjfit.parallel import in_parallel, process_pool


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


def pages_fetched(times: int) -> int:
    """Pages that the system gives this process while it makes and drops 6 MB of arrays so many `times`."""
    import resource

    before = 0
    for k in range(times + 1):
        if k == 1:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        arrays = [np.ones(100_000) for _ in range(8)]
        arrays.clear()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of memory that glibc gives back")
def test_workers_keep_the_memory_of_their_arrays() -> None:
    """Else a worker spends half of its time on pages: here 1500 each time."""
    assert max(in_parallel(pages_fetched, [50, 50], 2, progress=False)) < 1500


def test_a_killed_worker_is_an_error_that_says_so() -> None:
    with pytest.raises(MtjfitError, match=r"a worker process ended .* after 0 of 4 runs: it was killed, or memory"):
        in_parallel(os._exit, [1] * 4, 2, progress=False)
    assert multiprocessing.active_children() == []


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="no process can be stopped here")
def test_a_worker_that_was_stopped_does_not_keep_the_program_from_ending() -> None:
    start = time.monotonic()
    with process_pool() as pool:
        os.kill(pool.submit(os.getpid).result(), signal.SIGSTOP)
    assert time.monotonic() - start < 60
    assert multiprocessing.active_children() == []


def answer_cut_off(size: int) -> bytes:
    """An answer of so many bytes; the process is killed when its parent has read a hundredth of it."""
    io = Path(f"/proc/{os.getppid()}/io")

    def read() -> int:
        return int(io.read_text(encoding="utf-8").split()[1])

    def end(before: int) -> None:
        while read() < before + size // 100:
            pass
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=end, args=(read(),)).start()
    return bytes(size)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="looks how much of the answer was read")
@pytest.mark.timeout(60)  # it would be waited for for ever
def test_a_worker_that_is_killed_while_it_answers_is_an_error_and_not_waited_for() -> None:
    with pytest.raises(MtjfitError, match="a worker process ended before its work was done, after 0 of 2 runs"):
        in_parallel(answer_cut_off, [10**8, 10**8], 2, progress=False)
    assert multiprocessing.active_children() == []


DRAWS = """
from mtjfit.parallel import in_parallel
from mtjfit.progress import bar
def drawn(n):
    with bar("at work", False) as shown:
        shown.update(n)
if __name__ == "__main__":
    in_parallel(drawn, [1, 2], 2)
"""


def test_workers_that_draw_bars_leave_no_words_of_python_behind(tmp_path: Path) -> None:
    (tmp_path / "draws.py").write_text(DRAWS)
    done = subprocess.run([sys.executable, tmp_path / "draws.py"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_workers_leave_the_answer_to_signals_to_their_parent() -> None:
    signals = [each for name in ("SIGINT", "SIGTERM", "SIGHUP") if (each := getattr(signal, name, None)) is not None]
    assert in_parallel(signal.raise_signal, signals, 2, progress=False) == [None] * len(signals)


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
    program = "import time\nfrom mtjfit.parallel import in_parallel\nprint('ready', flush=True)\n"
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
    program = "from functools import partial\nfrom time import sleep\nfrom mtjfit.parallel import process_pool\n"
    program += "if __name__ == '__main__':\n    with process_pool() as pool:\n"
    program += "        pool.submit(partial(print, 'at work', flush=True))\n        pool.submit(sleep, 600).result()\n"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        running.stdout.readline()
        running.kill()
        running.communicate(timeout=20)  # ends when the last process that could write has ended


STARTED = """
import multiprocessing
from mtjfit.parallel import in_parallel
if __name__ == "__main__":
    {how}
"""
PRIVATE = "print(in_parallel(abs, [-1, -2], 2, progress=False))"
PLAIN = "child = multiprocessing.get_context('spawn').Process(target=abs, args=(1,)); child.start(); child.join()"


@pytest.mark.parametrize(("how", "imported"), [(PRIVATE, False), (PLAIN, True)])
def test_processes_import_nothing_from_the_working_directory(how: str, imported: bool, tmp_path: Path) -> None:
    here, left = tmp_path / "here", tmp_path / "left"
    here.mkdir()
    for name in ("runpy", "pickle", "socket", "numpy"):
        (here / f"{name}.py").write_text(f"open({str(left)!r}, 'w').close()\nraise SystemExit(7)\n")
    (tmp_path / "started.py").write_text(STARTED.format(how=how))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(each for each in sys.path if each)}
    done = subprocess.run(
        [sys.executable, tmp_path / "started.py"],
        cwd=here,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert imported or (done.returncode, done.stdout) == (0, "[1, 2]\n"), done.stderr
    assert left.exists() is imported


def test_one_worker_needs_no_other_process() -> None:
    here = os.getpid()
    assert in_parallel(lambda _: os.getpid(), [1, 2], 1, progress=False) == [here, here]
