"""do.py decides rightly what to install, and refuses clearly. Nothing is installed here: a fake runs the commands."""

from __future__ import annotations

import ast
import importlib.util
import json
import shutil
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parent.parent
OLDEST_WITH_F_STRINGS = (3, 6)


class Commands:
    """Stands in for `do.run`: notes each command, says what the real one would, and makes what venv would make."""

    def __init__(self, do: ModuleType, refuse: dict[str, str] | None = None):
        self.do, self.refuse, self.calls = do, refuse or {}, []

    def __call__(self, *command: str) -> tuple[bool, str]:
        line = " ".join(command).replace(str(self.do.ROOT), "ROOT")
        self.calls.append(line)
        for part, answer in self.refuse.items():
            if part in line:
                return False, answer
        if command[2] in ("venv", "virtualenv"):
            self.do.BIN.mkdir(parents=True)
            Path(self.do.tool("python")).touch()
            (self.do.VENV / "pyvenv.cfg").touch()
        return True, "fine"

    def of(self, word: str) -> list[str]:
        return [line for line in self.calls if f" {word} " in line]


@pytest.fixture
def do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """do.py in a clone of its own, whose path has a space."""
    clone = tmp_path / "a clone"
    clone.mkdir()
    for name in "do.py", "pyproject.toml":
        shutil.copy(ROOT / name, clone)
    for name in "PATH", "VIRTUAL_ENV", "PIP_USER", "PIP_DISABLE_PIP_VERSION_CHECK", "OMP_NUM_THREADS":
        monkeypatch.setenv(name, "as it was")
    monkeypatch.chdir(tmp_path)
    spec = importlib.util.spec_from_file_location("do_in_a_clone", clone / "do.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "run", Commands(module))
    monkeypatch.setattr(module, "become", lambda *command: command)
    return module


def test_nothing_is_lacking_only_if_key_extras_and_python_are_there(do):
    assert do.lack(None, "key", []) == "everything"
    do.prepare(["test"])
    stamp = do.read_stamp()
    assert stamp == {"key": do.fingerprint(), "extras": ["test"]}
    key = stamp["key"]
    assert do.lack(stamp, key, []) == "nothing"
    assert do.lack(stamp, key, ["test"]) == "nothing"
    assert do.lack(stamp, key, ["test", "lint"]) == "extras"
    assert do.lack(stamp, "another key", []) == "everything"
    assert do.lack({**stamp, "extras": None}, key, []) == "everything"
    Path(do.tool("python")).unlink()
    assert do.lack(stamp, key, []) == "everything"


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        ('"numpy>=2.0"', '"numpy>=2.1"', True),
        ('"hatchling>=1.25"', '"hatchling>=1.26"', True),
        ("line-length = ", "line-length = 1", False),
        ("[project]", "# a comment\n[project]", False),
    ],
)
def test_the_fingerprint_sees_what_is_installed_and_only_that(do, old, new, changes):
    before, pyproject = do.fingerprint(), do.ROOT / "pyproject.toml"
    text = pyproject.read_text(encoding="utf-8")
    assert text.count(old) == 1
    pyproject.write_text(text.replace(old, new), encoding="utf-8")
    assert (do.fingerprint() != before) is changes


def test_the_fingerprint_sees_another_python_and_another_folder(do, monkeypatch):
    before = do.fingerprint()
    monkeypatch.setattr(do, "sys", SimpleNamespace(version="3.99.0"))
    other_python = do.fingerprint()
    monkeypatch.undo()
    moved = do.ROOT.rename(do.ROOT.with_name("moved"))
    monkeypatch.setattr(do, "ROOT", moved)
    assert len({before, other_python, do.fingerprint()}) == 3


def test_a_second_call_runs_nothing(do, capsys):
    do.prepare([])
    assert capsys.readouterr().err.startswith("setting up .venv (once, about a minute) ... done in ")
    do.run.calls.clear()
    do.prepare([])
    assert do.run.calls == []
    assert capsys.readouterr() == ("", "")


def test_demo_then_test_adds_the_extras_and_keeps_the_environment(do):
    do.prepare([])
    do.prepare(["test"])
    assert [line.split("--editable ")[1] for line in do.run.of("install")] == [".", ".[test]"]
    assert len(do.run.of("venv")) == 1


def test_lint_then_test_keeps_what_is_there(do):
    do.prepare(["test", "lint"])
    do.prepare(["test"])
    assert len(do.run.of("install")) == 1


def test_after_a_change_all_extras_come_back(do, monkeypatch):
    do.prepare(["test"])
    (do.VENV / "left from before").mkdir()
    monkeypatch.setattr(do, "fingerprint", lambda: "changed")
    do.prepare([])
    assert do.run.of("install")[-1].endswith("--editable .[test]")
    assert not (do.VENV / "left from before").exists()
    assert len(do.run.of("venv")) == 2


@pytest.mark.parametrize("victim", ["-m venv", "install --editable"])
def test_an_interrupted_set_up_is_repaired(do, monkeypatch, victim):
    def killed(*command):
        if victim in " ".join(command):
            raise KeyboardInterrupt
        return fake(*command)

    fake = do.run
    monkeypatch.setattr(do, "run", killed)
    with pytest.raises(KeyboardInterrupt):
        do.prepare(["test"])
    (do.VENV / "half a package").mkdir()
    assert do.read_stamp()["extras"] is None
    monkeypatch.setattr(do, "run", fake)
    do.prepare([])
    assert not (do.VENV / "half a package").exists()
    assert do.lack(do.read_stamp(), do.fingerprint(), []) == "nothing"


def test_without_ensurepip_another_way_is_found(do, monkeypatch):
    inner = do.tool("python").replace(str(do.ROOT), "ROOT") + " -m pip"
    commands = Commands(do, {"-m venv ROOT": "no ensurepip", "-m virtualenv": "no virtualenv", inner: "no pip"})
    monkeypatch.setattr(do, "run", commands)
    do.prepare(["test"])
    assert len(commands.of("--without-pip")) == 1
    assert commands.of("install")[0].startswith(f"{sys.executable} -m pip --python ROOT")


def test_when_no_way_is_left_it_says_what_to_install(do, monkeypatch):
    monkeypatch.setattr(do, "run", Commands(do, {"-m venv": "ensurepip is missing", "-m virtualenv": "is missing"}))
    with pytest.raises(SystemExit, match=r"(?s)ensurepip is missing.*sudo apt install python3-venv"):
        do.prepare([])


def test_when_pip_fails_all_it_said_is_shown(do, monkeypatch):
    monkeypatch.setattr(do, "run", Commands(do, {"install": "first line\nERROR: last line"}))
    with pytest.raises(SystemExit, match=r"(?s)failed\nfirst line\nERROR: last line\n"):
        do.prepare([])
    assert do.lack(do.read_stamp(), do.fingerprint(), []) == "everything"


@pytest.mark.parametrize(
    ("said", "then"), [("no network", "nothing"), ("Installing collected packages: half", "everything")]
)
def test_a_failed_addition_leaves_what_worked_only_if_pip_touched_nothing(do, monkeypatch, said, then):
    do.prepare([])
    monkeypatch.setattr(do, "run", Commands(do, {"install": said}))
    with pytest.raises(SystemExit, match=said):
        do.prepare(["test"])
    assert do.lack(do.read_stamp(), do.fingerprint(), []) == then


def test_an_environment_that_lost_its_pip_is_made_anew(do, monkeypatch):
    do.prepare([])
    found = iter([None, ["new", "-m", "pip"], ["new", "-m", "pip"]])
    monkeypatch.setattr(do, "pip", lambda: next(found))
    do.prepare(["test"])
    assert len(do.run.of("venv")) == 2
    assert do.run.of("install")[-1].startswith("new ")


def test_somebody_elses_environment_is_left_alone(do):
    theirs = do.VENV / "pyvenv.cfg"
    do.VENV.mkdir()
    theirs.touch()
    with pytest.raises(SystemExit, match="was not made by do"):
        do.prepare([])
    assert list(do.VENV.iterdir()) == [theirs]


def test_a_torn_stamp_is_no_stamp(do):
    do.prepare([])
    do.STAMP.write_text(json.dumps(do.read_stamp())[:20], encoding="utf-8")
    assert do.read_stamp() is None


def test_arguments_go_through_and_the_exit_code_comes_back(do):
    assert do.main("demo", "--output", "my folder") == (do.tool("mtjfit"), "demo", "--output", "my folder")
    assert Path.cwd() != do.ROOT, "paths that the user typed must mean what they meant"
    assert do.main("test", "-k", "kappa") == (do.tool("python"), "-m", "pytest", "-k", "kappa")
    assert Path.cwd() == do.ROOT


def test_docs_are_built_where_the_user_is(do):
    here = Path.cwd()
    assert do.main("docs", "my pages") == (do.tool("python"), str(do.ROOT / "docs" / "build.py"), "my pages")
    assert Path.cwd() == here != do.ROOT
    assert do.read_stamp()["extras"] == ["docs"]


def test_each_worker_has_one_thread_unless_told_otherwise(do, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS")
    do.main("demo")
    assert "OMP_NUM_THREADS" not in do.os.environ
    do.main("test")
    assert do.os.environ["OMP_NUM_THREADS"] == "1"
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    do.main("test")
    assert do.os.environ["OMP_NUM_THREADS"] == "2"


def test_packages_from_elsewhere_cannot_get_in(do, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    do.main("demo")
    assert "PYTHONPATH" not in do.os.environ
    assert do.os.environ["PATH"].startswith(str(do.BIN) + do.os.pathsep)


@pytest.mark.parametrize(
    ("trouble", "sentence"),
    [(KeyboardInterrupt(), "the next call starts afresh"), (PermissionError("in use"), r"in use.*deactivate")],
)
def test_trouble_is_told_in_a_sentence(do, monkeypatch, trouble, sentence):
    def run(*command):
        raise trouble

    monkeypatch.setattr(do, "run", run)
    with pytest.raises(SystemExit, match=sentence):
        do.main("demo")


@pytest.mark.parametrize(
    ("arguments", "code"), [([], 2), (["deom"], 2), (["lint", "mtjfit"], 2), (["--help"], 0), (["-h"], 0)]
)
def test_usage(do, capsys, arguments, code):
    assert do.main(*arguments) == code
    assert "python3 do.py demo" in capsys.readouterr().out
    assert not do.VENV.exists()


@pytest.mark.parametrize(("broken", "code"), [([], 0), (["mypy"], 1), (["ruff check .", "lint-imports"], 1)])
def test_lint_runs_all_and_names_what_failed(do, monkeypatch, capsys, broken, code):
    ran = []

    def call(command):
        ran.append(" ".join([Path(command[0]).stem, *command[1:]]))
        return int(ran[-1] in broken)

    monkeypatch.setattr(do.subprocess, "call", call)
    assert do.main("lint") == code
    assert ran == ["ruff check .", "ruff format --check .", "mypy", "lint-imports"]
    assert capsys.readouterr().out == ("failed: " + ", ".join(broken) if broken else "lint passed") + "\n"


def test_old_python_is_refused_in_a_sentence(do, monkeypatch):
    old = SimpleNamespace(version_info=(3, 10, 13), executable="/usr/bin/python3.10", exit=sys.exit)
    monkeypatch.setattr(do, "sys", old)
    monkeypatch.setattr(do.platform, "python_version", lambda: "3.10.13")
    with pytest.raises(SystemExit, match=r"needs Python 3\.11 or newer; this is 3\.10\.13, /usr/bin/python3\.10"):
        do.main("test")


def test_old_python_can_read_do_py_in_order_to_be_refused():
    source = (ROOT / "do.py").read_text(encoding="utf-8")
    ast.parse(source, feature_version=OLDEST_WITH_F_STRINGS)
    with pytest.raises(SyntaxError):
        ast.parse(source + "\nif (n := 1): pass\n", feature_version=OLDEST_WITH_F_STRINGS)


def test_do_py_needs_only_the_standard_library():
    tree = ast.parse((ROOT / "do.py").read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {
        name
        for node in imports
        for name in ([a.name for a in node.names] if isinstance(node, ast.Import) else [node.module])
    }
    assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names
