"""Killed runs, workers and schedulers: the catalogue is that of an undisturbed run, to the last bit."""

from __future__ import annotations

import datetime
import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, nullcontext
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from wafer_cases import at_chunk, folder_study, resumed, run, simulated_wafer, wafer_study

from mtjfit.errors import MtjfitError
from mtjfit.wafer import Chunk, WaferStudy, chunks, open_catalogue, reduce_chunk, run_batch
from mtjfit.wafer.reduce.cluster import reduced_on_cluster
from mtjfit.wafer.reduce.jobs import Job, jobs, reduce_job
from mtjfit.wafer.reduce.processes import reduced_by_processes
from mtjfit.wafer.scheduler import dask_client, program_versions

KILL = getattr(signal, "SIGKILL", signal.SIGTERM)  # on Windows SIGTERM cannot be heard either
WAIT = 60
JOB = Job(3, 0.5, Chunk(3, ("A", "B"), *[None] * 11))


def small(folder: Path, n: int = 60, chunk: int = 5) -> WaferStudy:
    return wafer_study(folder, simulated_wafer(n, n_bias=9).csv(folder / "table.csv"), wafer=f"chunk = {chunk}\n")


@pytest.fixture
def distributed() -> Any:
    return pytest.importorskip("distributed", reason="needs the extra cluster")


def batch_killed_at(left: int, study: WaferStudy, path: Path, workers: int) -> None:
    """Run a batch that kills itself while it writes its device number `left`, and leaves the names of its children."""

    def counted(statement: str) -> None:
        nonlocal left
        left -= statement.startswith("INSERT INTO devices")
        if left == 0:
            children = [str(child.pid) for child in multiprocessing.active_children()]
            path.with_name("children").write_text(" ".join(children))
            os.kill(os.getpid(), KILL)

    with open_catalogue(path, write=True) as opened:
        opened.connection.set_trace_callback(counted)
        run_batch(study, opened, workers=workers, progress=False)


def killed(study: WaferStudy, path: Path, at: int, workers: int = 0, start: str = "spawn") -> list[int]:
    """Run a batch in a process of its own that is killed; its children. A fork need not import anything."""
    process = multiprocessing.get_context(start).Process(target=batch_killed_at, args=(at, study, path, workers))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of threads that a fork leaves behind: numpy's, which do nothing here
        process.start()
    process.join(WAIT)
    assert process.exitcode == (-KILL if os.name == "posix" else KILL)
    return [int(pid) for pid in path.with_name("children").read_text().split()]


FORKS = "fork" in multiprocessing.get_all_start_methods()


@pytest.mark.parametrize("start", [
    pytest.param("spawn", marks=pytest.mark.slow if FORKS else ()),
    pytest.param("fork", marks=pytest.mark.skipif(not FORKS, reason="no fork here")),
])  # fmt: skip
def test_a_killed_run_loses_only_the_chunk_at_hand(start: str, tmp_path: Path):
    study = small(tmp_path, 20)
    killed(study, tmp_path / "a.db", at=13, start=start)  # in the middle of the third chunk
    assert resumed(study, tmp_path / "a.db") == ([2, 3], 10, run(study, tmp_path / "undisturbed.db")[1])


def test_a_chunk_marked_as_done_without_its_devices_is_reduced_again(tmp_path: Path):
    study = small(tmp_path, 10)
    expected = run(study, tmp_path / "undisturbed.db")[1]
    with open_catalogue(tmp_path / "undisturbed.db", write=True) as catalogue:
        catalogue.connection.execute("DELETE FROM devices WHERE chunk = 1 AND place > 2")
    read, _, digest = resumed(study, tmp_path / "undisturbed.db")
    assert read == [1]
    assert digest == expected


@pytest.mark.slow
def test_a_run_that_is_killed_again_and_again_gets_there(tmp_path: Path):
    study = small(tmp_path)
    for at in (1, 5, 6, 13, 2):
        killed(study, tmp_path / "a.db", at)
    assert resumed(study, tmp_path / "a.db")[1:] == (60 - 15, run(study, tmp_path / "undisturbed.db")[1])


@pytest.mark.slow
def test_a_killed_run_with_workers_leaves_none_behind_and_is_gone_on_with(tmp_path: Path):
    psutil = pytest.importorskip("psutil")  # comes with distributed
    study = small(tmp_path)
    children = killed(study, tmp_path / "a.db", at=28, workers=2)
    assert len(children) == 2
    left = [psutil.Process(pid) for pid in children if psutil.pid_exists(pid)]
    assert psutil.wait_procs(left, timeout=WAIT)[1] == []
    assert resumed(study, tmp_path / "a.db")[1:] == (60 - 25, run(study, tmp_path / "undisturbed.db")[1])


# processes of this computer


def stop(pid: int) -> None:
    os.kill(pid, getattr(signal, "SIGSTOP", KILL))


@pytest.mark.slow
@pytest.mark.parametrize("end", [lambda pid: os.kill(pid, KILL), stop])
def test_killed_and_stopped_workers_change_no_result(end: Callable[[int], None], tmp_path: Path):
    study, gone = small(tmp_path, 200), set()

    def hook(chunk: Chunk) -> None:
        if chunk.number in (6, 20):
            worker = next(each for each in multiprocessing.active_children() if each.pid not in gone)
            gone.add(worker.pid)
            end(worker.pid)

    expected = run(study, tmp_path / "undisturbed.db")[1]
    summary, digest = run(study, tmp_path / "a.db", hook, workers=2)
    assert (summary.added, digest) == (200, expected)
    assert len(gone) == 2
    assert multiprocessing.active_children() == []


def hurting(number: int, what: str, once: Path | None) -> Job:
    """A job that ends or stops the process that tries it, only the first if there is a file to remember it by."""
    return Job(number, 1.0, SimpleNamespace(device=("A", "B"), what=what, once=once))


def numbered(study: None, job: Job, expected: dict[str, str]) -> int:
    """A stand-in for the reduction."""
    if job.chunk is not None and not (job.chunk.once and job.chunk.once.exists()):
        if job.chunk.once:
            job.chunk.once.touch()
        os._exit(1) if job.chunk.what == "end" else stop(os.getpid())
    return job.number


def by_processes(left: list[Job], ending: Callable[[], bool] = lambda: False, patience: float = 60.0) -> list[int]:
    found = reduced_by_processes(
        None, iter(left), workers=2, ending=ending, patience=patience, poll=0.05, reduce=numbered
    )
    return sorted(number for _, number in found)


@pytest.mark.slow  # waits for a process that was stopped
@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="no process can be stopped here")
def test_jobs_of_processes_that_end_or_stop_are_done_by_others(tmp_path: Path):
    hurt = [hurting(1, "end", tmp_path / "ended"), hurting(4, "stop", tmp_path / "stopped")]
    assert by_processes([*hurt, *(Job(k, 1.0) for k in (0, 2, 3, 5))], patience=20.0) == list(range(6))
    assert {each.name for each in tmp_path.iterdir()} == {"ended", "stopped"}
    assert multiprocessing.active_children() == []


@pytest.mark.slow
def test_a_chunk_that_ends_every_process_is_named_and_ends_the_run():
    with pytest.raises(MtjfitError, match=r"^chunk 3 \(devices 'A' to 'B'\) ended 4 workers.*new catalogue"):
        by_processes([Job(1, 0.5), hurting(3, "end", None)])
    assert multiprocessing.active_children() == []


def listening(pid: int) -> list[str]:
    """Sockets of a process that listen: its own among those of the computer."""
    own = {str(each.readlink()) for each in Path(f"/proc/{pid}/fd").iterdir() if each.exists() or each.is_symlink()}
    lines = [
        line.split()
        for name in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{name}").read_text(encoding="utf-8").splitlines()
    ]
    unix = [line.split() for line in Path("/proc/net/unix").read_text(encoding="utf-8").splitlines()]
    found = [line[9] for line in lines if line[3] == "0A"] + [line[6] for line in unix if line[3] == "00010000"]
    return [each for each in found if f"socket:[{each}]" in own]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads the sockets of Linux")
@pytest.mark.parametrize("listener", [None, socket.AF_INET, socket.AF_UNIX])  # with one, the look would see it
def test_nothing_listens_while_processes_reduce(listener: int | None, tmp_path: Path):
    study, seen = small(tmp_path, 10), []

    def hook(chunk: Chunk) -> None:
        pids = [os.getpid(), *(each.pid for each in multiprocessing.active_children())]
        seen.append([each for pid in pids for each in listening(pid)])

    with ExitStack() as stack:
        if listener is not None:
            opened = stack.enter_context(socket.socket(listener))
            opened.bind(("127.0.0.1", 0) if listener == socket.AF_INET else str(tmp_path / "s"))
            opened.listen()
        run(study, tmp_path / "a.db", hook, workers=1)
    assert len(seen) == 2
    assert all(bool(each) is (listener is not None) for each in seen)


# a cluster in this process


class InFlight:
    """A cluster of two threads that notes how many chunks it holds."""

    status = "running"

    def __init__(self, error: BaseException | None = None) -> None:
        self.now, self.most, self.error, self.pool = 0, 0, error, ThreadPoolExecutor(2)

    def nthreads(self) -> dict[str, int]:
        return {"one": 2}

    def submit(self, function: object, study: WaferStudy, job: Job, *_: object, key: str) -> Future[int]:
        self.now += 1
        self.most = max(self.most, self.now)
        future = self.pool.submit(self.work, job.number)
        future.key, future.release = key, self.released
        return future

    def work(self, number: int) -> int:
        time.sleep(number % 3 / 1000)  # so that they finish out of order
        if self.error is not None:
            raise self.error
        return number

    def released(self) -> None:
        self.now -= 1


def reduced(client: Any, left: list[Job] | Iterator[Job], **how: Any) -> Iterator[Any]:
    how = {"scheduler": "", "ending": lambda: False, "poll": 0.01, "connect": lambda _: nullcontext(client)} | how
    return reduced_on_cluster(None, iter(left), **how)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            lambda d: d.KilledWorker("k", None, 3),
            r"chunk 3 \(devices 'A' to 'B'\) ended 4 workers.*memory.*new catalogue",
        ),
        (lambda d: d.CancelledError("k"), "the scheduler has gone; the catalogue holds all chunks"),
        (lambda d: d.client.FutureCancelledError("k", "lost"), "the scheduler has gone"),
        (lambda d: TimeoutError(), "the scheduler has gone"),
        (lambda d: d.comm.CommClosedError(), "the scheduler has gone"),
        (lambda d: MtjfitError("as it is"), "^as it is$"),
    ],
)
def test_errors_of_a_cluster_are_said_plainly(error: Callable[[Any], BaseException], words: str, distributed: Any):
    with pytest.raises(MtjfitError, match=words):
        next(reduced(InFlight(error(distributed)), [JOB]))


@pytest.mark.usefixtures("distributed")
def test_a_cluster_without_workers_is_not_waited_for_for_ever():
    lonely = InFlight()
    lonely.nthreads, lonely.pool = dict, SimpleNamespace(submit=lambda *_: Future())
    with pytest.raises(MtjfitError, match=r"has had no worker for 0.02 s"):
        next(reduced(lonely, [JOB], patience=0.02))


def test_a_worker_with_other_versions_is_refused():
    with pytest.raises(MtjfitError, match=r"other versions.*numpy: was 1.0, is"):
        reduce_job(None, JOB, program_versions() | {"numpy": "1.0"})


@pytest.mark.usefixtures("distributed")
@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("tcp://127.0.0.1:1", "dask scheduler"),
        ("nonsense://x", "dask scheduler"),
        ("tcp://[::1", "dask scheduler"),
        ("ucx://127.0.0.1:1", "dask scheduler"),
        ("tcp://127.0.0.1:99999999", "dask scheduler"),
        ("tls://127.0.0.1:1", "name the certificates to dask, by DASK_DISTRIBUTED__COMM__TLS__CA_FILE"),
    ],
)
def test_an_address_where_nobody_answers(address: str, words: str):
    found = reduced(None, [JOB], connect=partial(dask_client, answer=0.2), scheduler=address)
    with pytest.raises(MtjfitError, match=rf"no scheduler answers at .*{words}"):
        next(found)


@pytest.mark.usefixtures("distributed")
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
    assert all(found.values[name].tobytes() == each.tobytes() for name, each in expected.values.items())
    with pytest.raises(MtjfitError, match="fewer files than before"):
        reduce_job(study, Job(7, 1.0), program_versions())
    table = wafer_study(tmp_path, simulated_wafer(5, n_bias=9).csv(tmp_path / "t.csv"), wafer="chunk = 2\n")
    assert [len(job.chunk.device) for job in jobs(table, {0}) if job.chunk] == [2, 1]


@pytest.mark.slow  # starts processes: 20 s
@pytest.mark.parametrize("kind", ["table", "folder"])
def test_one_process_and_several_give_the_same_bits(kind: str, tmp_path: Path):
    wafer, lines = simulated_wafer(400, uneven=True), "chunk = 20\n"
    study = folder_study(tmp_path, wafer, lines) if kind == "folder" else wafer_study(
        tmp_path, wafer.csv(tmp_path / "table.csv"), wafer=lines)  # fmt: skip
    (one, digest), (two, other) = (run(study, tmp_path / f"{n}.db", workers=n) for n in (0, 2))
    assert (one.devices, digest) == (two.devices, other)
    assert one.devices == 400


# a cluster in other processes


class Cluster:
    """A scheduler and workers with their nannies, each in a process group of its own."""

    def __init__(self, folder: Path, stack: ExitStack, *secured: str):
        self.file, self.stack, self.secured = folder / "scheduler.json", stack, secured
        protocol = ("--protocol", "tls") if secured else ()
        self.scheduler = self.start(
            "scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(self.file), *protocol
        )
        until = time.monotonic() + WAIT
        while not self.file.exists():
            assert time.monotonic() < until
            time.sleep(0.05)
        time.sleep(0.2)
        self.address = json.loads(self.file.read_text())["address"]
        self.workers = [self.start("worker", self.address, "--host", "127.0.0.1", "--nthreads", "1") for _ in range(2)]

    def start(self, what: str, *options: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "dask", what, *options, *self.secured, "--no-dashboard"]
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


@pytest.fixture
def cluster(tmp_path: Path, distributed: None) -> Iterator[Cluster]:
    if os.name != "posix":
        pytest.skip("process groups are killed as POSIX has them")
    with ExitStack() as stack:
        yield Cluster(tmp_path, stack)


@pytest.mark.slow
def test_a_scheduler_elsewhere_gives_the_same_bits_also_when_a_worker_dies_with_its_nanny(
    tmp_path: Path, cluster: Cluster
):
    study = small(tmp_path, 200)
    expected = run(study, tmp_path / "undisturbed.db")[1]
    for name, at in (("calm.db", -1), ("killed.db", 12)):
        hook = at_chunk(at, lambda: cluster.kill(cluster.workers[0]))
        summary, digest = run(study, tmp_path / name, hook, scheduler=cluster.address)
        assert (summary.added, digest) == (200, expected)
    assert cluster.workers[0].poll() is not None


@pytest.mark.slow
def test_a_scheduler_that_dies_is_said_and_nothing_that_was_done_is_lost(tmp_path: Path, cluster: Cluster):
    study, start = small(tmp_path, 200), time.monotonic()
    with pytest.raises(MtjfitError, match=r"the scheduler has gone; the catalogue holds all chunks"):
        run(study, tmp_path / "a.db", at_chunk(12, lambda: cluster.kill(cluster.scheduler)), scheduler=cluster.address)
    assert time.monotonic() - start < WAIT
    _, added, digest = resumed(study, tmp_path / "a.db")
    assert 0 < added < 200
    assert digest == run(study, tmp_path / "undisturbed.db")[1]


def certificates(folder: Path) -> dict[str, str]:
    """Names of the files of an authority and of a certificate that it signed, with its key."""
    x509 = pytest.importorskip("cryptography.x509", reason="makes certificates")
    hashes = pytest.importorskip("cryptography.hazmat.primitives.hashes")
    forms = pytest.importorskip("cryptography.hazmat.primitives.serialization")
    curves = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ec")
    keys = [curves.generate_private_key(curves.SECP256R1()) for _ in range(2)]
    names = [x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, each)]) for each in ("authority", "member")]
    now = datetime.datetime.now(datetime.UTC)
    usage = dict.fromkeys(("digital_signature", "key_cert_sign", "crl_sign"), True) | dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only",
         "decipher_only"), False)  # fmt: skip
    for name, key in zip(names, keys, strict=True):
        made = (
            x509.CertificateBuilder().subject_name(name).issuer_name(names[0]).public_key(key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=name is names[0], path_length=None), critical=True)
            .add_extension(x509.KeyUsage(**usage), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(keys[0].public_key()), critical=False)
            .sign(keys[0], hashes.SHA256())
        )  # fmt: skip
        (folder / f"{name is names[0]}.pem").write_bytes(made.public_bytes(forms.Encoding.PEM))
    form = forms.Encoding.PEM, forms.PrivateFormat.PKCS8, forms.NoEncryption()
    (folder / "key.pem").write_bytes(keys[1].private_bytes(*form))
    files = {"CA_FILE": "True.pem", "CLIENT__CERT": "False.pem", "CLIENT__KEY": "key.pem"}
    return {name: str(folder / file) for name, file in files.items()}


@pytest.mark.slow
@pytest.mark.usefixtures("distributed")
@pytest.mark.skipif(os.name != "posix", reason="process groups are killed as POSIX has them")
def test_a_scheduler_with_certificates_takes_those_who_have_one_and_nobody_else(tmp_path: Path):
    study, files = small(tmp_path, 20), certificates(tmp_path)
    secured = (
        "--tls-ca-file",
        files["CA_FILE"],
        "--tls-cert",
        files["CLIENT__CERT"],
        "--tls-key",
        files["CLIENT__KEY"],
    )
    with ExitStack() as stack:
        address = Cluster(tmp_path, stack, *secured).address
        assert address.startswith("tls://")
        command = [sys.executable, "-m", "mtjfit", "batch", str(study.table), "--study", str(tmp_path / "wafer.toml"),
                   "--output", str(tmp_path / "a.db"), "--scheduler", address]  # fmt: skip
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(each for each in sys.path if each)}
        named = {f"DASK_DISTRIBUTED__COMM__TLS__{name}": file for name, file in files.items()}
        for given, expected in ((named, 0), ({}, 3)):
            done = subprocess.run(command, env=environment | given, capture_output=True, text=True, check=False)
            assert done.returncode == expected, done.stderr
        assert "DASK_DISTRIBUTED__COMM__TLS__CA_FILE" in done.stderr
        assert "Traceback" not in done.stderr
    assert resumed(study, tmp_path / "a.db")[1:] == (0, run(study, tmp_path / "undisturbed.db")[1])
