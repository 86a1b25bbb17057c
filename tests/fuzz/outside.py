"""Commands as they are typed, each in a process of its own with limits, and what is wrong with the way it ended.

To start a Python with all its packages takes seconds. So one process that has imported them forks itself for each
command, where the system can; elsewhere each command is a new Python. `python outside.py FOLDER` repeats a case.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import pkgutil
import re
import runpy
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

CODES = (0, 2, 3, 4, 5, 130)
SECONDS = 60.0
MEGABYTES = 1000
FORKS = sys.platform == "linux"
_SPARE = 500_000_000  # bytes of address space beyond what may be used, and of the largest file
_STEERS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_WARNING = re.compile(r"\.py:\d+: \w*Warning: ")
_VICTIM = "nobody may change this\n"


@dataclass(frozen=True)
class Case:
    """A command, the folder that it is typed in, and the circumstances."""

    arguments: tuple[str, ...]
    faults: tuple[str, ...] = ()  # what is wrong with it, in words
    encoding: str = "utf-8"  # of standard output
    stdout: str = "file"  # or full, or closed
    interrupted: float | None = None  # seconds after which Ctrl-C is pressed
    files: int | None = None  # that may be open at a time
    seconds: float = SECONDS
    planted: str = ""  # Python that runs before the command, to see that its faults are found

    def save(self, folder: Path) -> None:
        """Write the case beside its files, which are in the folder ``in``."""
        (folder / "case.json").write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Case:
        """The case of a folder."""
        found = json.loads((folder / "case.json").read_text(encoding="utf-8"))
        return cls(tuple(found.pop("arguments")), tuple(found.pop("faults")), **found)


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int | None  # None: it did not end by itself; negative: a signal
    seconds: float
    megabytes: float
    out: bytes
    err: bytes
    touched: tuple[str, ...]  # files outside its folder that it changed

    def faults(self, encoding: str = "utf-8") -> list[str]:
        """What no command may do, whatever its input."""
        found = []
        if self.code is None:
            found.append("did not end in time")
        elif self.code not in CODES:
            found.append(f"exit code {self.code}")
        if self.megabytes > MEGABYTES:
            found.append(f"used {self.megabytes:.0f} MB")
        for name, data in (("stdout", self.out), ("stderr", self.err)):
            text = data.decode(encoding, "surrogateescape")
            if "Traceback (most recent call last)" in text or "fault of mtjfit" in text:
                found.append(f"{name} shows a fault of mtjfit")
            if (warned := _WARNING.search(text)) is not None:
                found.append(f"{name} shows a warning of Python: {text[warned.start() : warned.end() + 80]!r}")
            shown = text.replace("\r", "") if name == "stderr" else text.replace("\r\n", "\n")
            if (steers := _STEERS.search(shown)) is not None:
                around = shown[max(steers.start() - 40, 0) : steers.end() + 40]
                found.append(f"{name} holds the control character {steers[0]!r}: {around!r}")
        return found + [f"touched {path}" for path in self.touched]


class Commands:
    """Runs cases, one after the other; a context."""

    def __init__(self, home: Path):
        self._home = home.resolve()

    def __enter__(self) -> Commands:
        (self._home / "matplotlib").mkdir(parents=True, exist_ok=True)
        self._environment = {**os.environ, "MPLCONFIGDIR": str(self._home / "matplotlib"), "OMP_NUM_THREADS": "1",
                             "OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}  # fmt: skip
        self._process = None
        if FORKS:
            self._process = subprocess.Popen(
                [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                env=self._environment, start_new_session=True,
            )  # fmt: skip
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.communicate()

    def run(self, case: Case, folder: Path) -> Ended:
        """The end of a case whose files are in the folder ``in`` of a folder."""
        folder = folder.resolve()
        (folder / "tmp").mkdir(exist_ok=True)
        victim = folder.parent / "outside" / "victim.txt"
        shutil.rmtree(victim.parent, ignore_errors=True)
        victim.parent.mkdir()
        victim.write_text(_VICTIM, encoding="utf-8")
        for name in ("touched", "stdout", "stderr"):  # a command that is interrupted at once writes none of them
            (folder / name).write_bytes(b"")
        if self._process is None:
            ended = _as_new_python(case, folder, self._environment)
        else:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write(json.dumps({"folder": str(folder), **asdict(case)}) + "\n")
            self._process.stdin.flush()
            ended = json.loads(self._process.stdout.readline())
        touched = (folder / "touched").read_text(encoding="utf-8", errors="replace").split("\0")[:-1]
        if [*victim.parent.iterdir()] != [victim] or victim.read_text(encoding="utf-8") != _VICTIM:
            touched.append(str(victim))
        out, err = ((folder / name).read_bytes() for name in ("stdout", "stderr"))
        return Ended(ended["code"], ended["seconds"], ended["megabytes"], out, err, tuple(dict.fromkeys(touched)))


def _as_new_python(case: Case, folder: Path, environment: dict[str, str]) -> dict[str, Any]:
    """The end of a new Python, whose memory nobody measures."""
    begun, code = time.monotonic(), None
    with (
        (folder / "stdout").open("wb") as out,
        (folder / "stderr").open("wb") as err,
        contextlib.suppress(subprocess.TimeoutExpired),
    ):
        code = subprocess.run(
            [sys.executable, "-m", "mtjfit", *case.arguments], cwd=folder / "in", stdin=subprocess.DEVNULL, stdout=out,
            stderr=err, timeout=case.seconds, env={**environment, "PYTHONIOENCODING": case.encoding},
        ).returncode  # fmt: skip
    return {"code": code, "seconds": time.monotonic() - begun, "megabytes": 0.0}


def _serve() -> None:
    """Answer cases on standard input, a line each."""
    import mtjfit

    sys.dont_write_bytecode = True
    for each in pkgutil.walk_packages(mtjfit.__path__, "mtjfit."):
        if not each.name.endswith("__main__"):
            with contextlib.suppress(ImportError):
                importlib.import_module(each.name)
    for name in ("lmfit", "emcee", "corner", "matplotlib.backends.backend_svg", "matplotlib.backends.backend_agg",
                 "pandas", "openpyxl", "pyarrow.parquet", "pyarrow.dataset", "xarray", "h5netcdf", "h5py", "sqlite3",
                 "dynesty", "filelock", "jinja2", "scipy.stats"):  # fmt: skip
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()
    for line in sys.stdin:
        told = json.loads(line)
        folder = Path(told.pop("folder"))
        print(json.dumps(_in_child(Case(**told), folder)), flush=True)  # noqa: T201


def _in_child(case: Case, folder: Path) -> dict[str, Any]:
    """Fork, and wait for the child; whatever it leaves running ends with it."""
    begun = time.monotonic()
    if (child := os.fork()) == 0:
        try:
            os._exit(_child(case, folder))
        except KeyboardInterrupt:  # before the command began, or after it had ended
            os._exit(130)
        finally:
            os._exit(99)
    pause, asked, killed = 0.001, False, False
    while True:
        ended, status, usage = os.wait4(child, os.WNOHANG)
        seconds = time.monotonic() - begun
        if ended:
            break
        if case.interrupted is not None and not asked and seconds > case.interrupted:
            asked = True
            os.kill(child, signal.SIGINT)
        if seconds > case.seconds and _is_stuck(child, seconds, case.seconds):
            killed = True
            os.kill(child, signal.SIGKILL)
        time.sleep(pause)
        pause = min(1.5 * pause, 0.02)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)
    code = None if killed else os.waitstatus_to_exitcode(status)
    return {"code": code, "seconds": seconds, "megabytes": usage.ru_maxrss / 1000}


def _is_stuck(child: int, seconds: float, allowed: float) -> bool:
    """True after the seconds allowed of a processor, or with nearly none: the computer may be busy with others, too."""
    cells = Path(f"/proc/{child}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    worked = (int(cells[11]) + int(cells[12])) / os.sysconf("SC_CLK_TCK")
    return worked > allowed or worked < seconds / 20 or seconds > 10 * allowed


def _child(case: Case, folder: Path) -> int:
    """Become the program `mtjfit`, and return its exit code."""
    import resource

    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(folder / "in")
    tempfile.tempdir = None
    os.environ |= {"TMPDIR": str(folder / "tmp"), "HOME": str(folder / "tmp")}
    os.sched_setaffinity(0, list(os.sched_getaffinity(0))[:1])  # commands then need no further processes
    log = os.open(folder / "touched", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    names = {1: "/dev/full" if case.stdout == "full" else folder / "stdout", 2: folder / "stderr"}
    (folder / "stdout").write_bytes(b"")
    for number, name in names.items():
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", encoding=case.encoding, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding=case.encoding, errors="backslashreplace", closefd=False)  # noqa: SIM115
    if case.stdout == "closed":
        os.close(1)
        sys.stdout = None  # type: ignore[assignment]
    sys.__stdout__, sys.__stderr__ = sys.stdout, sys.stderr  # type: ignore[misc]
    sys.argv = ["mtjfit", *case.arguments]
    space = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (space + MEGABYTES * 10**6 + _SPARE,) * 2)
    resource.setrlimit(resource.RLIMIT_FSIZE, (_SPARE, _SPARE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if case.files is not None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (case.files, case.files))
    sys.addaudithook(_watch(folder, log))
    code: object = 0
    try:
        exec(case.planted)  # noqa: S102
        runpy.run_module("mtjfit", run_name="__main__")
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
        code = 1
    with contextlib.suppress(Exception):
        sys.stderr.flush()
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        return 120  # as Python ends
    return code if isinstance(code, int) else int(code is not None)


_CHANGES = {"os.mkdir": (0,), "os.rename": (0, 1), "os.remove": (0,), "os.rmdir": (0,), "os.link": (1,),
            "os.symlink": (1,), "os.truncate": (0,), "os.chmod": (0,)}  # fmt: skip


def _watch(folder: Path, log: int) -> Any:
    """An audit hook that notes what is changed outside a folder."""
    inside = os.path.join(os.path.realpath(folder), "")  # noqa: PTH118

    def hook(event: str, given: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(given[2], int) and given[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            paths, follow = given[:1], True
        elif event in _CHANGES:
            paths, follow = tuple(given[k] for k in _CHANGES[event]), False
        else:
            return
        for path in paths:
            if isinstance(path, int):
                continue
            name = os.path.abspath(os.fsdecode(path))  # noqa: PTH100
            parent, last = os.path.split(name)
            real = os.path.realpath(name) if follow else os.path.join(os.path.realpath(parent), last)  # noqa: PTH118
            if not real.startswith((inside, "/dev/")) and real != inside[:-1]:
                os.write(log, f"{real} ({event})\0".encode(errors="replace"))

    return hook


def again(folder: Path, commands: Commands) -> Ended:
    """Run a case that was saved, in a copy of its folder; print what it prints, and what is wrong."""
    case = Case.load(folder)
    with tempfile.TemporaryDirectory() as home:
        work = Path(home) / "case"
        shutil.copytree(folder, work, symlinks=True, copy_function=_copied)
        ended = commands.run(case, work)
        told = [ended.out.decode(case.encoding, "replace"), ended.err.decode("utf-8", "replace")]
        told += [each.read_text(encoding="utf-8") for each in work.rglob("mtjfit-fault*")]
    print(*(ascii(text)[1:-1].replace("\\n", "\n") for text in told), sep="\n")  # noqa: T201
    print(*case.faults, ascii(case.arguments), sep="\n")  # noqa: T201
    print(ended.code, f"{ended.seconds:.1f} s, {ended.megabytes:.0f} MB", *ended.faults(case.encoding), sep="\n")  # noqa: T201
    return ended


def _copied(source: str, target: str) -> object:
    """A copy of a file, and a pipe for a pipe."""
    return os.mkfifo(target) if stat.S_ISFIFO(os.stat(source).st_mode) else shutil.copy2(source, target)  # noqa: PTH116


if __name__ == "__main__":
    if len(sys.argv) > 1:
        with tempfile.TemporaryDirectory() as _home, Commands(Path(_home)) as _commands:
            _saved = Path(sys.argv[1])
            sys.exit(bool(again(_saved, _commands).faults(Case.load(_saved).encoding)))
    _serve()
