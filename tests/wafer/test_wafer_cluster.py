"""Workers: the same bits from one process, from a local cluster and from a scheduler elsewhere, and clear ends."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from wafer_cases import simulated_wafer, wafer_study, wafer_toml

from mtjfit.errors import MtjfitError
from mtjfit.wafer import Chunk, WaferStudy, chunks, load_wafer, reduce_chunk
from mtjfit.wafer.catalogue import open_catalogue
from mtjfit.wafer.reduce import cluster
from mtjfit.wafer.reduce.cluster import Job

distributed = pytest.importorskip("distributed", reason="needs the extra cluster")

CHUNK = Chunk(3, ("A", "B"), *[None] * 11)  # type: ignore[arg-type]
JOB = Job(3, 0.5, CHUNK)


class Future:
    """A future whose result is an error."""

    key = "k"

    def __init__(self, error: BaseException):
        self.error = error

    def result(self, timeout: float) -> object:
        raise self.error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            distributed.KilledWorker("k", None, 3),
            r"chunk 3 \(devices 'A' to 'B'\) ended 4 workers.*memory.*new catalogue",
        ),
        (distributed.CancelledError("k"), "the scheduler has gone; the catalogue holds all chunks"),
        (distributed.client.FutureCancelledError("k", "lost"), "the scheduler has gone"),
        (TimeoutError(), "the scheduler has gone"),
        (distributed.comm.CommClosedError(), "the scheduler has gone"),
    ],
)
def test_ends_of_a_cluster_are_said_plainly(error: BaseException, words: str):
    with pytest.raises(MtjfitError, match=words):
        cluster._result(Future(error), JOB)


def test_errors_of_the_reduction_come_back_as_they_are():
    with pytest.raises(MtjfitError, match="as it is"):
        cluster._result(Future(MtjfitError("as it is")), JOB)


def test_a_cluster_without_workers_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cluster, "_LONELY", 0.02)
    monkeypatch.setattr(cluster, "_POLL", 0.01)
    lonely = SimpleNamespace(status="running", nthreads=dict)
    with pytest.raises(MtjfitError, match=r"has had no worker for 0.02 s"):
        cluster._next(lonely, queue.SimpleQueue())


def test_a_worker_with_other_versions_is_refused():
    with pytest.raises(MtjfitError, match=r"other versions.*numpy: was 1.0, is"):
        cluster._reduce(None, JOB, cluster._versions() | {"numpy": "1.0"})  # type: ignore[arg-type]


def test_an_address_where_nobody_answers(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cluster, "_ANSWER", 0.2)
    for address in ("tcp://127.0.0.1:1", "nonsense://x"):
        with pytest.raises(MtjfitError, match=r"no scheduler answers at .*dask scheduler"), cluster._client(0, address):
            pass


class InFlight:
    """A cluster of two threads in this process that notes how many chunks it holds."""

    status = "running"

    def __init__(self) -> None:
        self.now, self.most, self.waiting = 0, 0, []

    def nthreads(self) -> dict[str, int]:
        return {"one": 2}

    def submit(self, function: object, study: WaferStudy, job: Job, *_: object, key: str) -> object:
        self.now += 1
        self.most = max(self.most, self.now)
        future = SimpleNamespace(key=key, result=lambda timeout: self._done(job), release=lambda: None)

        def call_later(callback: object) -> None:
            self.waiting.append(lambda: callback(future))
            if len(self.waiting) > 1:  # finished out of order
                self.waiting.pop()()

        future.add_done_callback = call_later
        return future

    def _done(self, job: Job) -> int:
        self.now -= 1
        while self.waiting and not self.now % 2:
            self.waiting.pop()()
        return job.number


@pytest.mark.parametrize("stop_after", [None, 5])
def test_chunks_in_flight_are_bounded_and_those_are_handed_out_at_the_end(
    stop_after: int | None, monkeypatch: pytest.MonkeyPatch
):
    client = InFlight()

    @contextmanager
    def in_place_of_dask(workers: int, scheduler: str) -> Iterator[InFlight]:
        yield client

    monkeypatch.setattr(cluster, "_client", in_place_of_dask)
    monkeypatch.setattr(cluster, "_POLL", 0.01)
    read, found = [], []

    def some() -> Iterator[Job]:
        for number in range(20):
            read.append(number)
            yield Job(number, number / 19)

    pairs = cluster.reduced_on_cluster(
        None, some(), workers=1, scheduler="", ending=lambda: stop_after is not None and len(found) >= stop_after
    )  # type: ignore[arg-type]
    for share, reduced in pairs:
        assert share == reduced / 19
        found.append(reduced)
    assert sorted(found) == read
    assert len(read) == (20 if stop_after is None else len(found))
    assert client.most <= 4
    assert stop_after is None or len(found) < stop_after + 5


def folder(path: Path, n: int, chunk: int) -> WaferStudy:
    """A folder with one file for each of n devices."""
    text = wafer_toml(data='name = "{device}_X{x:mm}_Y{y:mm}_T{d:nm}.csv"', wafer=f"chunk = {chunk}\n")
    for old, new in (("d_nm", "d"), ("x (mm)", "x"), ("y (mm)", "y"),
                     ('wafer = "wafer"\nsplit = "split"\n', "")):  # fmt: skip
        text = text.replace(old, new)
    path.mkdir(exist_ok=True)
    (path / "wafer.toml").write_text(text, encoding="utf-8")
    return load_wafer(path / "wafer.toml", simulated_wafer(n, n_bias=9).folder(path / "dies"))


def test_workers_read_folders_themselves_and_the_program_reads_tables(tmp_path: Path):
    study = folder(tmp_path / "f", 5, 2)
    left = list(cluster.jobs(study, {1}))
    assert [(job.number, job.share, job.chunk) for job in left] == [(0, 1 / 3, None), (2, 1.0, None)]
    expected = reduce_chunk(study, list(chunks(study))[2])
    found = cluster._reduce(study, left[1], cluster._versions())
    assert found.device == expected.device == ("D000004",)
    assert {name: each.tobytes() for name, each in found.values.items()} == {
        name: each.tobytes() for name, each in expected.values.items()
    }
    with pytest.raises(MtjfitError, match="fewer files than before"):
        cluster._reduce(study, Job(7, 1.0), cluster._versions())
    table = wafer_study(tmp_path, simulated_wafer(5, n_bias=9).csv(tmp_path / "t.csv"), wafer="chunk = 2\n")
    assert [len(job.chunk.device) for job in cluster.jobs(table, {0}) if job.chunk] == [2, 1]


@pytest.mark.slow
def test_one_process_and_a_local_cluster_give_the_same_bits(tmp_path: Path):
    from mtjfit.wafer.reduce.batch import run_batch

    table = simulated_wafer(400, uneven=True).csv(tmp_path / "table.csv")
    for study in (wafer_study(tmp_path, table, wafer="chunk = 20\n"), folder(tmp_path / "f", 400, 20)):
        digests = set()
        for workers in (0, 2):
            with open_catalogue(tmp_path / f"{study.table.name}{workers}.db", write=True) as catalogue:
                assert run_batch(study, catalogue, workers=workers, progress=False).devices == 400
                digests.add(catalogue.digest())
        assert len(digests) == 1
