"""Killed runs, workers and schedulers: after a restart the catalogue is that of an undisturbed run."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from wafer_cases import run, simulated_wafer, wafer_study

from mtjfit.errors import MtjfitError
from mtjfit.wafer import Chunk, WaferStudy, open_catalogue, run_batch

KILL = getattr(signal, "SIGKILL", signal.SIGTERM)  # on Windows SIGTERM cannot be heard either
WAIT = 60

PROGRAM = """
import multiprocessing, os, sys
from mtjfit.wafer import load_wafer
from mtjfit.wafer.reduce.batch import run_batch
from mtjfit.wafer.catalogue import open_catalogue

toml, table, catalogue, workers, at = sys.argv[1:]
left = int(at)

def counted(statement):
    global left
    if statement.startswith("INSERT INTO devices"):
        left -= 1
        if left == 0:
            print(*(child.pid for child in multiprocessing.active_children()), flush=True)
            os.kill(os.getpid(), KILL)

if __name__ == "__main__":
    with open_catalogue(catalogue, write=True) as opened:
        opened.connection.set_trace_callback(counted)
        run_batch(load_wafer(toml, table), opened, workers=int(workers), progress=False)
""".replace("KILL", str(int(KILL)))


def small(folder: Path, n: int = 60, chunk: int = 5) -> WaferStudy:
    return wafer_study(folder, simulated_wafer(n, n_bias=9).csv(folder / "table.csv"), wafer=f"chunk = {chunk}\n")


def resumed(study: WaferStudy, path: Path) -> tuple[int, str]:
    """Devices that were missing, and the digest once they are reduced."""
    summary, digest = run(study, path)
    return summary.added, digest


def killed_in(study: WaferStudy, path: Path, at: int, workers: int = 0) -> list[int]:
    """Run a batch in a process of its own that is killed while it writes its device number `at`; its children."""
    program = study.table.parent / "program.py"
    program.write_text(PROGRAM, encoding="utf-8")
    toml = str(study.table.parent / "wafer.toml")
    command = [sys.executable, str(program), toml, str(study.table), str(path), str(workers), str(at)]
    done = subprocess.run(command, check=False, timeout=WAIT, stdout=subprocess.PIPE)
    assert done.returncode == (-KILL if os.name == "posix" else KILL)
    return [int(pid) for pid in done.stdout.split()]


def killed_in_fork(study: WaferStudy, path: Path, at: int) -> None:
    """The same in a copy of this process, which need not import anything."""

    def counted(statement: str) -> None:
        nonlocal at
        at -= statement.startswith("INSERT INTO devices")
        if at == 0:
            os.kill(os.getpid(), KILL)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of threads that a fork leaves behind: numpy's, which do nothing here
        child = os.fork()
    if child == 0:
        with open_catalogue(path, write=True) as opened:
            opened.connection.set_trace_callback(counted)
            run_batch(study, opened, progress=False)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -KILL


@pytest.mark.parametrize("kill", [
    pytest.param(killed_in, marks=pytest.mark.slow if hasattr(os, "fork") else ()),
    pytest.param(killed_in_fork, marks=pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")),
])  # fmt: skip
def test_a_killed_run_loses_only_the_chunk_at_hand(kill: Callable[..., object], tmp_path: Path):
    study = small(tmp_path, 20)
    kill(study, tmp_path / "a.db", at=13)  # in the middle of the third chunk
    added, digest = resumed(study, tmp_path / "a.db")
    assert (added, digest) == (20 - 10, run(study, tmp_path / "undisturbed.db")[1])


def test_sabotage_a_chunk_marked_as_done_without_its_devices_is_seen(tmp_path: Path):
    study = small(tmp_path, 10)
    expected = run(study, tmp_path / "undisturbed.db")[1]
    with open_catalogue(tmp_path / "undisturbed.db", write=True) as catalogue:
        catalogue.connection.execute("DELETE FROM devices WHERE chunk = 1 AND place > 2")
    added, digest = resumed(study, tmp_path / "undisturbed.db")
    assert added == 0
    assert digest != expected


@pytest.mark.slow
def test_a_run_that_is_killed_again_and_again_gets_there(tmp_path: Path):
    study = small(tmp_path)
    for at in (1, 5, 6, 13, 2):
        killed_in(study, tmp_path / "a.db", at)
    added, digest = resumed(study, tmp_path / "a.db")
    assert (added, digest) == (60 - 15, run(study, tmp_path / "undisturbed.db")[1])


@pytest.mark.slow
def test_a_killed_run_with_workers_leaves_none_behind_and_is_gone_on_with(tmp_path: Path):
    pytest.importorskip("distributed", reason="needs the extra cluster")
    psutil = pytest.importorskip("psutil")  # comes with distributed

    def running(pid: int) -> bool:
        with suppress(psutil.NoSuchProcess):
            return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
        return False

    study = small(tmp_path)
    children = killed_in(study, tmp_path / "a.db", at=28, workers=2)
    until = time.monotonic() + WAIT
    while any(map(running, children)) and time.monotonic() < until:
        time.sleep(0.1)
    assert len(children) == 2
    assert not any(map(running, children))
    added, digest = resumed(study, tmp_path / "a.db")
    assert (added, digest) == (60 - 25, run(study, tmp_path / "undisturbed.db")[1])


@pytest.mark.slow
def test_killed_workers_change_no_result(tmp_path: Path):
    pytest.importorskip("distributed", reason="needs the extra cluster")
    study = small(tmp_path, 200)
    killed = set()

    def hook(chunk: Chunk) -> None:
        if chunk.number in (6, 20):
            worker = multiprocessing.active_children()[0]
            killed.add(worker.pid)
            os.kill(worker.pid, KILL)

    expected = run(study, tmp_path / "undisturbed.db")[1]
    summary, digest = run(study, tmp_path / "a.db", hook, workers=2)
    assert (summary.added, digest) == (200, expected)
    assert len(killed) == 2


class Cluster:
    """A scheduler and workers with their nannies, each in a process group of its own."""

    def __init__(self, folder: Path, stack: ExitStack):
        self.file, self.stack = folder / "scheduler.json", stack
        self.scheduler = self.start(
            "scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(self.file)
        )
        until = time.monotonic() + WAIT
        while not self.file.exists():
            assert time.monotonic() < until
            time.sleep(0.05)
        time.sleep(0.2)
        self.address = json.loads(self.file.read_text())["address"]
        self.workers = [self.start("worker", self.address, "--host", "127.0.0.1", "--nthreads", "1") for _ in range(2)]

    def start(self, what: str, *options: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "dask", what, *options, "--no-dashboard"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen(command, start_new_session=True, **quiet)
        self.stack.callback(self.kill, process)
        return process

    @staticmethod
    def kill(process: subprocess.Popen[bytes]) -> None:
        """The process and its children: a worker goes with its nanny."""
        if process.poll() is None:
            os.killpg(process.pid, KILL)
            process.wait()


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    if os.name != "posix":
        pytest.skip("process groups are killed as POSIX has them")
    pytest.importorskip("distributed", reason="needs the extra cluster")
    with ExitStack() as stack:
        yield Cluster(folder, stack)


@pytest.mark.slow
def test_a_scheduler_elsewhere_gives_the_same_bits_also_when_a_worker_dies_with_its_nanny(tmp_path: Path):
    study = small(tmp_path, 200)
    expected = run(study, tmp_path / "undisturbed.db")[1]
    with cluster(tmp_path) as running:
        for name, at in (("calm.db", None), ("killed.db", 12)):

            def hook(chunk: Chunk, at: int | None = at) -> None:
                if chunk.number == at:
                    running.kill(running.workers[0])

            summary, digest = run(study, tmp_path / name, hook, scheduler=running.address)
            assert (summary.added, digest) == (200, expected)
        assert running.workers[0].poll() is not None


@pytest.mark.slow
def test_a_scheduler_that_dies_is_said_and_nothing_that_was_done_is_lost(tmp_path: Path):
    study = small(tmp_path, 200)
    with cluster(tmp_path) as running:

        def hook(chunk: Chunk) -> None:
            if chunk.number == 12:
                running.kill(running.scheduler)

        start = time.monotonic()
        with pytest.raises(MtjfitError, match=r"the scheduler has gone; the catalogue holds all chunks"):
            run(study, tmp_path / "a.db", hook, scheduler=running.address)
        assert time.monotonic() - start < WAIT
    added, digest = resumed(study, tmp_path / "a.db")
    assert 0 < added < 200
    assert digest == run(study, tmp_path / "undisturbed.db")[1]
