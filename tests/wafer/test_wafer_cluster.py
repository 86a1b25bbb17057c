"""Workers: the same bits from one process, from a local cluster and from a scheduler elsewhere, and clear errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from wafer_cases import folder_study, run, simulated_wafer, wafer_study

from mtjfit.errors import MtjfitError
from mtjfit.wafer import Chunk, WaferStudy, chunks, reduce_chunk
from mtjfit.wafer.reduce.cluster import Job, dask_client, jobs, program_versions, reduce_job, reduced_on_cluster

distributed = pytest.importorskip("distributed", reason="needs the extra cluster")

CHUNK = Chunk(3, ("A", "B"), *[None] * 11)  # type: ignore[arg-type]
JOB = Job(3, 0.5, CHUNK)


class InFlight:
    """A cluster of two threads in this process that notes how many chunks it holds."""

    status = "running"

    def __init__(self, error: BaseException | None = None) -> None:
        self.now, self.most, self.waiting, self.error = 0, 0, [], error

    def nthreads(self) -> dict[str, int]:
        return {"one": 2}

    def submit(self, function: object, study: WaferStudy, job: Job, *_: object, key: str) -> object:
        self.now += 1
        self.most = max(self.most, self.now)
        future = SimpleNamespace(key=key, result=lambda timeout: self._done(job), release=lambda: None)

        def call_later(callback: Callable[[object], object]) -> None:
            self.waiting.append(lambda: callback(future))
            if len(self.waiting) > 1 or self.error is not None:  # finished out of order
                self.waiting.pop()()

        future.add_done_callback = call_later
        return future

    def _done(self, job: Job) -> int:
        if self.error is not None:
            raise self.error
        self.now -= 1
        while self.waiting and not self.now % 2:
            self.waiting.pop()()
        return job.number


def reduced(client: Any, left: list[Job] | Iterator[Job], **how: Any) -> Iterator[Any]:
    how = {"workers": 1, "scheduler": "", "ending": lambda: False, "poll": 0.01,
           "connect": lambda *_: nullcontext(client)} | how  # fmt: skip
    return reduced_on_cluster(None, iter(left), **how)  # type: ignore[arg-type]


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
        (MtjfitError("as it is"), "^as it is$"),
    ],
)
def test_errors_of_a_cluster_are_said_plainly(error: BaseException, words: str):
    with pytest.raises(MtjfitError, match=words):
        next(reduced(InFlight(error), [JOB]))


def test_a_cluster_without_workers_is_not_waited_for_for_ever():
    lonely = InFlight()
    lonely.nthreads = dict  # type: ignore[method-assign]
    with pytest.raises(MtjfitError, match=r"has had no worker for 0.02 s"):
        next(reduced(lonely, [JOB], patience=0.02))


def test_a_worker_with_other_versions_is_refused():
    with pytest.raises(MtjfitError, match=r"other versions.*numpy: was 1.0, is"):
        reduce_job(None, JOB, program_versions() | {"numpy": "1.0"})  # type: ignore[arg-type]


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nonsense://x"])
def test_an_address_where_nobody_answers(address: str):
    found = reduced(None, [JOB], connect=partial(dask_client, answer=0.2), workers=0, scheduler=address)
    with pytest.raises(MtjfitError, match=r"no scheduler answers at .*dask scheduler"):
        next(found)


@pytest.mark.parametrize("stop_after", [None, 5])
def test_chunks_in_flight_are_bounded_and_those_are_handed_out_at_the_end(stop_after: int | None):
    client, read, found = InFlight(), [], []

    def some() -> Iterator[Job]:
        for number in range(20):
            read.append(number)
            yield Job(number, number / 19)

    for share, number in reduced(client, some(), ending=lambda: stop_after is not None and len(found) >= stop_after):
        assert share == number / 19
        found.append(number)
    assert sorted(found) == read
    assert len(read) == (20 if stop_after is None else len(found))
    assert client.most <= 4
    assert stop_after is None or len(found) < stop_after + 5


def test_workers_read_folders_themselves_and_the_program_reads_tables(tmp_path: Path):
    study = folder_study(tmp_path, simulated_wafer(5, n_bias=9), "chunk = 2\n")
    left = list(jobs(study, {1}))
    assert [(job.number, job.share, job.chunk) for job in left] == [(0, 1 / 3, None), (2, 1.0, None)]
    expected = reduce_chunk(study, list(chunks(study))[2])
    found = reduce_job(study, left[1], program_versions())
    assert found.device == expected.device == ("D000004",)
    assert {name: each.tobytes() for name, each in found.values.items()} == {
        name: each.tobytes() for name, each in expected.values.items()
    }
    with pytest.raises(MtjfitError, match="fewer files than before"):
        reduce_job(study, Job(7, 1.0), program_versions())
    table = wafer_study(tmp_path, simulated_wafer(5, n_bias=9).csv(tmp_path / "t.csv"), wafer="chunk = 2\n")
    assert [len(job.chunk.device) for job in jobs(table, {0}) if job.chunk] == [2, 1]


@pytest.mark.slow  # starts processes: 20 s
@pytest.mark.parametrize("kind", ["table", "folder"])
def test_one_process_and_a_local_cluster_give_the_same_bits(kind: str, tmp_path: Path):
    wafer, lines = simulated_wafer(400, uneven=True), "chunk = 20\n"
    if kind == "folder":
        study = folder_study(tmp_path, wafer, lines)
    else:
        study = wafer_study(tmp_path, wafer.csv(tmp_path / "table.csv"), wafer=lines)
    (one, digest), (two, other) = (run(study, tmp_path / f"{n}.db", workers=n) for n in (0, 2))
    assert (one.devices, digest) == (two.devices, other)
    assert one.devices == 400
