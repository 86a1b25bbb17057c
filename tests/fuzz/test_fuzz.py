"""No input hurts: commands on hostile files, names and arguments end with a code and a message, and soon."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from faulty import case_of
from outside import FORKS, Case, Commands, again
from sound import Known, prepare

FEW, MANY, PIECE = (40, 5000, 250) if FORKS else (4, 60, 20)
MAY_LACK = ("qcodes.sql", "labview.tdms", "hdf5.h5", "excel.xlsx", "netcdf", "parquet")  # no data, or a library
pytestmark = pytest.mark.slow  # the process that commands fork from imports for seconds; test_reads is quick
QUICK = ("check", "init", "batch", "compare x.db y.db", "datasets", "--help")


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commands]:
    with Commands(tmp_path_factory.mktemp("commands")) as commands:
        yield commands


@pytest.fixture(scope="module")
def sound(commands: Commands, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Known]:
    """Folder of all sound inputs, and their commands."""
    bases = tmp_path_factory.mktemp("sound") / "bases"
    return bases, prepare(bases, commands)


@pytest.fixture(scope="module")
def quick(commands: Commands, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Known]:
    """The same, without those that take seconds."""
    bases = tmp_path_factory.mktemp("quick") / "bases"
    known = prepare(bases, commands, ("finished",))
    return bases, {
        base: {typed: w for typed, w in those.items() if typed.startswith(QUICK)} for base, those in known.items()
    }


def hurt(commands: Commands, bases: Path, known: Known, seeds: range, folder: Path) -> list[str]:
    """What went wrong with the cases of some seeds; these stay in the folder, to be repeated."""
    found = []
    for seed in seeds:
        work = folder / f"{seed}"
        case = case_of(seed, bases, work, known)
        ended = commands.run(case, work)
        shutil.rmtree(work)
        if faults := ended.faults(case.encoding):
            case_of(seed, bases, work, known)  # as it was before
            found.append(f"{sys.executable} {Path(__file__).with_name('outside.py')} {work}\n  {case.faults}: {faults}")
    return found


def test_few(commands: Commands, quick: tuple[Path, Known], tmp_path: Path) -> None:
    found = hurt(commands, *quick, range(FEW), tmp_path)
    assert not found, "\n".join(found)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("first", range(0, MANY, PIECE))
def test_many(first: int, commands: Commands, sound: tuple[Path, Known], tmp_path: Path) -> None:
    found = hurt(commands, *sound, range(first, first + PIECE), tmp_path)
    assert not found, "\n".join(found)


@pytest.mark.timeout(1200)
def test_sound_inputs_are_sound(commands: Commands, sound: tuple[Path, Known], tmp_path: Path) -> None:
    """So that a fault is the only one."""
    bases, known = sound
    for base, typed in [(base, typed) for base, those in known.items() for typed in those]:
        shutil.copytree(bases / base, tmp_path / "case" / "in")
        ended = commands.run(Case(tuple(typed.replace("'", "").split())), tmp_path / "case")
        refused = typed.startswith("explore") or base == "finished" or any(each in typed for each in MAY_LACK)
        assert ended.code in ((0, 3, 5) if refused else (0, 4, 5)), (typed, ended)
        assert not ended.faults()
        shutil.rmtree(tmp_path / "case")


PLANTED = {
    "shows a fault": "raise ValueError",
    "exit code 1": "raise ValueError",
    "exit code -11": "os.kill(os.getpid(), signal.SIGSEGV)",
    "exit code 7": "sys.exit(7)",
    "control character '\\x1b'": r"print('A\x1b[2J')",
    "control character '\\u202e'": r"print('\u202e', file=sys.stderr)",
    "control character '\\x9b'": r"print('\x9b')",
    "control character '\\u2028'": r"print('a\u2028b')",
    "control character '\\udcff'": r"sys.stdout.buffer.write(b'\xff')",
    "warning of Python": "print('/x/numpy.py:3: RuntimeWarning: overflow')",
    "did not end in time": "time.sleep(9)",
    "used 1": "bytearray(1_050_000_000)",
    "touched": "open('../../outside/new.txt', 'w')",
    "outside/victim.txt": "subprocess.run(['rm', '../../outside/victim.txt'])",
}


@pytest.mark.skipif(not FORKS, reason="needs a process that forks")
@pytest.mark.parametrize("fault", PLANTED)
def test_sabotage(fault: str, commands: Commands, tmp_path: Path) -> None:
    """A command with a planted fault is found; without it is not."""
    (tmp_path / "case" / "in").mkdir(parents=True)
    for planted in (PLANTED[fault], ""):
        case = Case(("datasets",), seconds=0.5 if "time" in planted else 30.0, planted=planted)
        found = commands.run(case, tmp_path / "case").faults()
        assert any(fault in each for each in found) == bool(planted), found


def test_a_saved_case_runs_again(commands: Commands, tmp_path: Path) -> None:
    (tmp_path / "case" / "in").mkdir(parents=True)
    Case(("datasets", "no\x1bne\udcff"), ("an odd name",)).save(tmp_path / "case")
    assert again(tmp_path / "case", commands).code == 2


@pytest.mark.skipif(not FORKS, reason="not every system lets its users make links")
def test_links_to_themselves_are_no_fault(commands: Commands, quick: tuple[Path, Known], tmp_path: Path) -> None:
    bases, _ = quick
    shutil.copytree(bases / "wafer", tmp_path / "case" / "in")
    for name in ("a.csv", "a.toml", "b.toml"):
        (tmp_path / "case" / "in" / name).symlink_to(name)
    for typed in ("batch table.csv --study wafer.toml -o x.db --export a.csv", "compare a.toml b.toml a.toml",
                  "init a.csv -o x.toml"):  # fmt: skip
        ended = commands.run(Case(tuple(typed.split())), tmp_path / "case")
        assert (ended.code in (2, 3), ended.faults()) == (True, []), ended
