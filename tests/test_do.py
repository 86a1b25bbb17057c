"""do.py installs what is missing and nothing else, and refuses clearly. A fake runs the commands that install."""

from __future__ import annotations

import ast
import importlib.util
import os
import shutil
import sys
import tomllib
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
        if command[2] == "venv":
            self.do.BIN.mkdir(parents=True)
            Path(self.do.tool("python")).touch()
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
    for name in "PATH", "VIRTUAL_ENV", "PIP_USER", "PYTHONPATH", "OMP_NUM_THREADS", "PYTHONDONTWRITEBYTECODE":
        monkeypatch.setenv(name, "as it was")
    monkeypatch.chdir(tmp_path)
    spec = importlib.util.spec_from_file_location("do_in_a_clone", clone / "do.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "run", Commands(module))
    monkeypatch.setattr(module, "become", lambda *command: command)
    return module


TESTING = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]["test"]
WITH_TESTS = " ".join([".", *TESTING])


def installed(do: ModuleType) -> list[str]:
    return [line.split("--editable ")[1] for line in do.run.of("install")]


def test_what_is_installed_is_not_installed_again(do):
    for command in "demo", "demo", "test", "demo", "test":
        do.main(command)
    assert installed(do) == [".", WITH_TESTS]
    assert len(do.run.of("venv")) == 1


def change_the_project(do: ModuleType) -> None:
    path = do.ROOT / "pyproject.toml"
    path.write_text(path.read_text(encoding="utf-8").replace('"numpy>=2.2"', '"numpy>=2.3"'), encoding="utf-8")


def lose_the_python(do: ModuleType) -> None:
    Path(do.tool("python")).unlink()


@pytest.mark.parametrize("change", [change_the_project, lose_the_python])
def test_after_a_change_the_environment_is_made_anew_with_its_groups(do, change):
    do.main("test")
    (do.VENV / "left from before").mkdir()
    change(do)
    do.main("test")
    assert installed(do) == [WITH_TESTS] * 2
    assert not (do.VENV / "left from before").exists()


def test_the_environment_of_an_earlier_do_py_is_made_anew(do):
    do.VENV.mkdir()
    (do.VENV / "left from before").mkdir()
    do.STAMP.write_text('{"key": ["text", "version", "folder"], "extras": ["audit", "cluster"]}', encoding="utf-8")
    do.main("demo")
    assert installed(do) == ["."]
    assert not (do.VENV / "left from before").exists()


def test_an_audit_looks_at_what_users_may_add(do, monkeypatch):
    monkeypatch.setattr(do, "audit", lambda: 0)
    do.main("audit")
    (line,) = installed(do)
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert line.split()[0] == do.AUDITED
    assert set(do.AUDITED[2:-1].split(",")) == set(extras) - {"arviz"}


def test_groups_that_are_installed_include_no_others(do):
    """`requirements` hands each entry to pip as it stands."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]
    assert [name for name in do.KNOWN if not all(isinstance(each, str) for each in groups[name])] == []


@pytest.mark.parametrize("victim", ["-m venv", "install --editable"])
def test_an_interrupted_set_up_is_repaired(do, monkeypatch, victim):
    fake = do.run

    def killed(*command):
        if victim in " ".join(command):
            raise KeyboardInterrupt
        return fake(*command)

    with monkeypatch.context() as patch:
        patch.setattr(do, "run", killed)
        with pytest.raises(SystemExit, match="interrupted; call again"):
            do.main("test")
    (do.VENV / "half a package").mkdir()
    do.main("demo")
    assert not (do.VENV / "half a package").exists()
    assert installed(do) == [WITH_TESTS]


def test_without_ensurepip_the_pip_of_this_python_is_used(do, monkeypatch):
    inner = do.tool("python").replace(str(do.ROOT), "ROOT") + " -m pip"
    monkeypatch.setattr(do, "run", Commands(do, {"-m venv ROOT": "no ensurepip", inner: "no pip"}))
    do.main("test")
    assert do.run.of("install")[0].startswith(f"{sys.executable} -m pip --python ROOT")


def test_without_any_pip_it_says_what_to_install(do, monkeypatch):
    monkeypatch.setattr(do, "run", Commands(do, {"-m pip": "no pip"}))
    with pytest.raises(SystemExit, match="sudo apt install python3-venv"):
        do.main("demo")


def test_when_pip_fails_all_it_said_is_shown_and_what_worked_still_works(do, monkeypatch):
    do.main("demo")
    monkeypatch.setattr(do, "run", Commands(do, {"install": "first line\nERROR: last line"}))
    with pytest.raises(SystemExit, match=r"(?s)^first line\nERROR: last line\n"):
        do.main("test")
    assert do.main("demo") == (do.tool("mtjfit"), "demo")


STAMP = '{"key": null, "groups": []}'


def linked(do: ModuleType, place: Path, target: Path) -> None:
    place.parent.mkdir(exist_ok=True)
    place.symlink_to(target)


OTHERS = {
    "environment": lambda do, other: (do.VENV.mkdir(), (do.VENV / "pyvenv.cfg").touch()),
    "of conda": lambda do, other: (do.VENV / "conda-meta").mkdir(parents=True),
    "file": lambda do, other: do.VENV.write_text("notes"),
    "link": lambda do, other: linked(do, do.VENV, other),
    "link to nowhere": lambda do, other: linked(do, do.VENV, other / "nowhere"),
    "linked stamp": lambda do, other: linked(do, do.STAMP, other / do.STAMP.name),
    **{name: lambda do, other, text=text: (do.VENV.mkdir(), do.STAMP.write_text(text)) for name, text in {
        "list": "[1]", "word": '"x"', "number": "1", "torn": '{"key": "', "deep": "[" * 10**5,
        "large": " " * 10**6 + STAMP, "not of ours": '{"groups": []}',
        "strange groups": '{"key": null, "groups": ["test] x"]}',
    }.items()},
}  # fmt: skip


def contents(folder: Path) -> dict[Path, object]:
    return {path: path.is_symlink() or path.is_dir() or path.read_text() for path in folder.rglob("*")}


@pytest.mark.skipif(os.name != "posix", reason="links need rights there")
@pytest.mark.parametrize("make", OTHERS.values(), ids=OTHERS)
def test_what_do_py_did_not_make_is_left_alone(do, tmp_path, make):
    other = tmp_path / "other"
    other.mkdir()
    (other / do.STAMP.name).write_text(STAMP)
    (other / "thesis.tex").write_text("years")
    make(do, other)
    before = contents(tmp_path)
    with pytest.raises(SystemExit, match="was not made by do"):
        do.main("demo")
    assert contents(tmp_path) == before
    assert do.run.calls == []


@pytest.mark.skipif(os.name != "posix", reason="links need rights there")
@pytest.mark.parametrize("link", [Path.symlink_to, Path.hardlink_to], ids=["symbolic", "hard"])
def test_a_stamp_is_not_written_through_a_link(do, tmp_path, link):
    (tmp_path / "thesis.tex").write_text("years")
    do.VENV.mkdir()
    link(do.DRAFT, tmp_path / "thesis.tex")
    do.main("demo")
    assert (tmp_path / "thesis.tex").read_text() == "years"
    assert do.STAMP.is_file()


def test_a_link_inside_is_removed_and_not_what_it_leads_to(do, tmp_path):
    do.main("demo")
    (tmp_path / "thesis.tex").write_text("years")
    (do.VENV / "share").symlink_to(tmp_path, target_is_directory=True)
    change_the_project(do)
    do.main("demo")
    assert not (do.VENV / "share").exists()
    assert (tmp_path / "thesis.tex").read_text() == "years"


@pytest.mark.parametrize(("code", "said"), [(0, "audit passed"), (1, "NOT PASSED")])
def test_an_audit_that_finds_faults_or_no_answer_does_not_pass(do, monkeypatch, capsys, code, said):
    monkeypatch.setattr(do.subprocess, "call", lambda command: code)
    assert do.main("audit") == code
    assert said in capsys.readouterr().out


def test_arguments_go_through_to_where_the_user_is(do):
    here = Path.cwd()
    assert do.main("demo", "--output", "my folder") == (do.tool("mtjfit"), "demo", "--output", "my folder")
    assert do.main("docs", "my pages") == (do.tool("python"), str(do.ROOT / "docs" / "build.py"), "my pages")
    assert Path.cwd() == here != do.ROOT
    assert do.main("test", "-k", "kappa") == (do.tool("python"), "-m", "pytest", "-k", "kappa")
    assert Path.cwd() == do.ROOT


def test_packages_from_elsewhere_cannot_get_in(do):
    do.main("demo")
    assert "PYTHONPATH" not in do.os.environ
    assert do.os.environ["PATH"].startswith(str(do.BIN) + do.os.pathsep)


def test_processes_of_tests_find_what_others_have_compiled(do):
    for command, kept in (("demo", True), ("test", False)):
        do.os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
        do.main(command)
        assert ("PYTHONDONTWRITEBYTECODE" in do.os.environ) == kept


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
    assert ran == do.LINT
    passed = "lint passed; dependencies: python3 do.py audit"
    assert capsys.readouterr().out == ("failed: " + ", ".join(broken) if broken else passed) + "\n"


def test_old_python_is_refused_in_a_sentence(do, monkeypatch):
    old = SimpleNamespace(version_info=(3, 10, 13), version="3.10.13 (main)", executable="/old/python", exit=sys.exit)
    monkeypatch.setattr(do, "sys", old)
    with pytest.raises(SystemExit, match=r"needs Python 3\.11 or newer; this is 3\.10\.13, /old/python"):
        do.main("test")


def test_old_python_can_read_do_py_in_order_to_be_refused():
    source = (ROOT / "do.py").read_text(encoding="utf-8")
    ast.parse(source, feature_version=OLDEST_WITH_F_STRINGS)
    with pytest.raises(SyntaxError):
        ast.parse(source + "\nif (n := 1): pass\n", feature_version=OLDEST_WITH_F_STRINGS)


def test_do_py_needs_only_the_standard_library():
    tree = ast.parse((ROOT / "do.py").read_text(encoding="utf-8"))
    imported = {each.name for node in ast.walk(tree) if isinstance(node, ast.Import) for each in node.names}
    imported |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported <= sys.stdlib_module_names
