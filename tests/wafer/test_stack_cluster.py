"""A likelihood shared by workers of a dask scheduler: the same bits, whoever dies, and plain words about the rest."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import stack_runs
from stack_runs import LEAST, digest, rows, sampled, stack

from mtjfit.errors import ConfigError, MtjfitError
from mtjfit.model.posterior import SharedPosterior
from mtjfit.wafer import WaferPosterior
from mtjfit.wafer.scheduler import dask_client, program_versions
from mtjfit.wafer.stack.cluster import shared_by_cluster

distributed = pytest.importorskip("distributed", reason="needs the extra cluster")
KILL = getattr(signal, "SIGKILL", signal.SIGTERM)  # on Windows SIGTERM cannot be heard either


class InThreads:
    """A cluster of threads of this process."""

    status = "running"

    def __init__(self, threads: int = 2, **changes: Any) -> None:
        self.threads, self.pool = threads, ThreadPoolExecutor(threads)
        self.plugins: dict[str, Any] = {}
        self.sent = 0
        self.__dict__.update(changes)

    def run(self, function: Callable[[], Any]) -> dict[str, Any]:
        return {"one": function()}

    def nthreads(self) -> dict[str, int]:
        return {"one": self.threads}

    def register_plugin(self, plugin: Any, name: str) -> None:
        self.sent += 1
        self.plugins[name] = plugin

    def unregister_worker_plugin(self, name: str) -> None:
        del self.plugins[name]

    def submit(self, function: Callable[..., Any], *arguments: Any, key: str) -> Future[Any]:
        future = self.pool.submit(function, *arguments)
        future.key, future.release = key, lambda: None
        return future


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch) -> Callable[[InThreads], Any]:
    """The stack, shared by the workers of a client."""

    @contextmanager
    def sharing(client: InThreads) -> Iterator[WaferPosterior]:
        monkeypatch.setattr(distributed, "get_worker", lambda: SimpleNamespace(plugins=client.plugins))
        with shared_by_cluster(stack(), "", connect=lambda _: nullcontext(client)) as model:
            yield in_small_jobs(model)

    return sharing


def in_small_jobs(model: WaferPosterior) -> WaferPosterior:
    return replace(model, compute=replace(model.compute, least=LEAST))


def found(model: SharedPosterior) -> str:
    return digest(model.log_likelihood(rows(stack())))


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_the_bits_do_not_depend_on_the_number_of_workers(threads: int, on: Any) -> None:
    client = InThreads(threads)
    with on(client) as model:
        assert found(model) == found(stack())
        assert found(model) == found(stack())
    assert (client.sent, client.plugins) == (1, {})


def test_devices_that_were_lost_are_sent_again_a_few_times(on: Any) -> None:
    client = InThreads()
    with on(client) as model:
        client.plugins.clear()
        assert found(model) == found(stack())
        assert client.sent == 2
        client.plugins.clear()
        client.register_plugin = lambda *_, name: None
        with pytest.raises(MtjfitError, match="workers lost the devices 3 times; a run with a journal"):
            found(model)


def test_a_worker_that_computes_other_digits_is_refused(on: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with on(InThreads()) as model:
        right = WaferPosterior._log_integrals
        monkeypatch.setattr(WaferPosterior, "_log_integrals", lambda *a: right(*a) * (1 + 3e-16))
        with pytest.raises(MtjfitError, match=r"other last digits than this computer.*take workers of the kind"):
            found(model)


def test_workers_with_other_versions_are_refused_at_the_start_and_later(
    on: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = program_versions() | {"numpy": "1.0"}
    words = r"other versions.*numpy: was .*, is 1\.0"
    with pytest.raises(MtjfitError, match=words), on(InThreads(run=lambda _: {"one": older})):
        pass
    with on(InThreads()) as model:
        monkeypatch.setattr("mtjfit.wafer.scheduler.program_versions", lambda: older)
        with pytest.raises(MtjfitError, match=words):
            found(model)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (distributed.KilledWorker("k", None, 3), r"ended 4 workers.*memory ran out.*it goes on from there"),
        (distributed.CancelledError("k"), r"the scheduler has gone; a run with a journal.*start the scheduler"),
        (MtjfitError("as it is"), "^as it is$"),
    ],
    ids=["killed", "gone", "own"],
)  # fmt: skip
def test_errors_of_a_cluster_are_said_plainly(error: Exception, words: str, on: Any) -> None:
    def failing(*_: Any, key: str) -> Future[Any]:
        future: Future[Any] = Future()
        future.key, future.release = key, lambda: None
        future.set_exception(error)
        return future

    with on(InThreads(submit=failing)) as model, pytest.raises(MtjfitError, match=words):
        found(model)


def test_nobody_at_an_address_and_no_dask_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    connect = partial(dask_client, answer=0.2)
    with pytest.raises(MtjfitError, match=r"no scheduler answers at tcp://127\.0\.0\.1:1 .*start one: dask scheduler"):
        shared_by_cluster(stack(), "tcp://127.0.0.1:1", connect).__enter__()
    monkeypatch.setitem(sys.modules, "distributed", None)  # as if it were not installed
    with pytest.raises(ConfigError, match=r"needs dask.distributed.*pip install 'mtjfit\[cluster\]'"):
        shared_by_cluster(stack(), "tcp://127.0.0.1:1").__enter__()


# a cluster in other processes


@pytest.fixture
def cluster() -> Iterator[Any]:
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
    ) as started:
        yield started


def kill_one(model: SharedPosterior) -> None:
    (first, *_) = model.compute.workers.client.run(os.getpid).values()
    os.kill(first, KILL)


@pytest.mark.slow
def test_a_run_on_a_cluster_has_the_digest_of_one_process_also_when_a_worker_is_killed(cluster: Any) -> None:
    alone = sampled(workers=1)
    assert sampled(scheduler=cluster.scheduler_address) == alone
    assert sampled(hook=kill_one, scheduler=cluster.scheduler_address) == alone


@pytest.mark.slow
def test_a_worker_that_comes_late_holds_the_devices(cluster: Any) -> None:
    with shared_by_cluster(stack(), cluster.scheduler_address) as model:
        model = in_small_jobs(model)
        assert found(model) == found(stack())
        cluster.scale(3)
        model.compute.workers.client.wait_for_workers(3, timeout=100)
        held = model.compute.workers.client.run(
            lambda dask_worker, name=model.compute.name: dask_worker.plugins[name].model.devices.n
        )
        assert list(held.values()) == [60] * 3
        cluster.scale(1)
        assert found(model) == found(stack())


@pytest.mark.slow
def test_a_scheduler_that_dies_is_said_and_the_journal_goes_on_without_it(tmp_path: Path) -> None:
    """A cluster of its own in other processes, since a scheduler in this one cannot be killed."""
    journal, result = tmp_path / "run", tmp_path / "digest"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(each for each in sys.path if each)}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": environment}
    file = tmp_path / "scheduler.json"
    command = [sys.executable, "-m", "dask"]
    options = ["--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", file]
    started = [subprocess.Popen([*command, "scheduler", "--port", "0", *options], **quiet)]
    try:
        until = time.monotonic() + 300
        while not file.exists():
            assert time.monotonic() < until
            time.sleep(0.1)
        time.sleep(0.2)
        alone = ["worker", "--no-nanny", "--nthreads", "1", "--death-timeout", "60"]
        started.append(subprocess.Popen([*command, *alone, *options], **quiet))
        run = [sys.executable, stack_runs.__file__, str(journal)]
        address = stack_runs.address_in(file)
        begun = subprocess.Popen([*run, address, str(result)], env=environment, stderr=subprocess.PIPE, text=True)
        while not len(list(journal.glob("segment-*"))) >= 3:
            assert begun.poll() is None
            assert time.monotonic() < until
            time.sleep(0.02)
        started[0].kill()
        says = begun.communicate(timeout=200)[1]
    finally:
        for each in started:
            each.kill()
            each.wait()
    assert begun.returncode == 1
    assert "the scheduler has gone; a run with a journal" in says.splitlines()[-1]
    subprocess.run([*run, "1", str(result)], env=environment, check=True)
    assert result.read_text() == sampled(workers=1)
