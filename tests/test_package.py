"""Promises about the package as a whole: its names, its size, and that nothing in it runs code or reaches out."""

from __future__ import annotations

import ast
import importlib.metadata
import subprocess
import sys
import textwrap
import tomllib
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from parsed import nodes as all_nodes

import mtjfit
from mtjfit.lazy import wing

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "mtjfit"

PUBLIC = [
    *(
        "AboutNominal",
        "Correlated",
        "CurrentTerm",
        "EQ12",
        "EqualTo",
        "FitResult",
        "Fixed",
        "LogNormal",
        "LogUniform",
        "Normal",
        "Parameter",
    ),
    *("Plan", "Posterior", "Prior", "Sampling", "SpinTorqueModel", "Study", "TorqueCurve", "Uniform", "__version__"),
    *("compare", "dataset", "datasets", "fit", "identify", "load_posterior", "load_study", "own_model", "physics"),
    *("plan", "sample"),
]
OF_WINGS = {"Plan": "planning", "compare": "comparison", "plan": "planning"}
LONGEST_FILE = 400
RUNS_CODE = {"pickle", "dill", "joblib", "yaml", "shelve", "marshal"}
RUNS_CODE_WHEN_CALLED = {"eval", "exec", "compile"}
NETWORK = {
    *("socket", "ssl", "http", "ftplib", "smtplib", "xmlrpc", "socketserver", "telnetlib", "webbrowser"),
    *("urllib.request", "urllib3", "requests", "httpx", "aiohttp", "pooch"),
}
SLOW_TO_IMPORT = {"corner", "emcee", "lmfit", "matplotlib", "pandas", "scipy"}

Check = Callable[[Path], list[str]]


def sources(root: Path) -> Iterator[tuple[str, str]]:
    """Path within `root`, and text, of each Python file."""
    for path in sorted(root.rglob("*.py")):
        yield path.relative_to(root).as_posix(), path.read_text(encoding="utf-8")


def nodes(text: str, words: Iterable[str]) -> Iterator[ast.AST]:
    """Everything in the syntax tree of a file; nothing where none of the words is in it, which is seen at once."""
    plain = unicodedata.normalize("NFKC", text).lower()  # as Python reads identifiers
    return iter(all_nodes(text)) if any(word in plain for word in words) else iter(())


def too_long(root: Path) -> list[str]:
    """Files of more than 400 lines."""
    lengths = ((name, len(text.splitlines())) for name, text in sources(root))
    return [f"{name}: {length} lines" for name, length in lengths if length > LONGEST_FILE]


def imported(node: ast.AST) -> list[str]:
    """Dotted names that an import statement could mean."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.level == 0:
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return []


def reaches_out(root: Path) -> list[str]:
    """Imports of modules that talk to a network."""
    return [
        f"{name}:{node.lineno}: {module}"
        for name, text in sources(root)
        for node in nodes(text, {module.partition(".")[0] for module in NETWORK})
        for module in imported(node)
        if any(f"{module}.".startswith(f"{forbidden}.") for forbidden in NETWORK)
    ]


def spoken(node: ast.AST) -> list[str]:
    """Identifiers, as opposed to words in strings and comments, at a node of the syntax tree."""
    if isinstance(node, ast.Name):
        return [node.id]
    if isinstance(node, ast.Attribute):
        return [node.attr]
    return [part for module in imported(node) for part in module.split(".")]


def runs_code(root: Path) -> list[str]:
    """Ways for a file that is read to run code: pickles and their kin, YAML, and Python's own eval and exec."""
    found = []
    for name, text in sources(root):
        for node in nodes(text, RUNS_CODE | RUNS_CODE_WHEN_CALLED | {"builtins"}):
            said = spoken(node)
            words = [word for word in said for kin in RUNS_CODE if kin in word.lower()]
            words += [word for word in said if isinstance(node, ast.Name) and word in RUNS_CODE_WHEN_CALLED]
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("builtins", "__builtins__"):
                words += [node.attr]
            if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                words += [] if isinstance(node.value, ast.Constant) and node.value.value is False else [node.arg]
            found += [f"{name}:{node.lineno}: {word}" for word in words]
    return found


@pytest.mark.parametrize("check", [too_long, reaches_out, runs_code])
def test_the_package_keeps_the_rule(check: Check):
    assert len(list(sources(PACKAGE))) > 10, "looked in the wrong place"
    assert check(PACKAGE) == []


def test_scripts_are_no_longer_than_files_of_the_package():
    assert len((ROOT / "do.py").read_text(encoding="utf-8").splitlines()) <= LONGEST_FILE
    assert too_long(ROOT / "datasets") == []


@pytest.mark.parametrize(
    ("check", "line"),
    [
        (too_long, "\n" * LONGEST_FILE),
        *((reaches_out, f"import {module}") for module in sorted(NETWORK)),
        (reaches_out, "from urllib import parse, request"),
        (reaches_out, "from http.client import HTTPConnection as harmless"),
        (reaches_out, "def f():\n    import urllib.request as harmless"),
        *((runs_code, f"import {module}") for module in sorted(RUNS_CODE)),
        (runs_code, "from ruamel.yaml import YAML"),
        (runs_code, "import cloudpickle as harmless"),
        (runs_code, "table = pandas.read_pickle(path)"),
        (runs_code, "x = eval(text)"),
        (runs_code, "run = exec"),
        (runs_code, "code = compile(text, 'file', 'exec')"),
        (runs_code, "import builtins\nbuiltins.eval(text)"),
        (runs_code, "x = numpy.load(path, allow_pickle=True)"),
        (runs_code, "x = numpy.load(path, allow_pickle=flag)"),
    ],
)
def test_sabotage_is_found_with_its_place(check: Check, line: str, tmp_path: Path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "reader.py").write_text(f'"""Reads."""\n{line}\n', encoding="utf-8")
    (complaint, *_) = check(tmp_path)
    assert complaint.startswith("data/reader.py:")


def test_words_and_harmless_neighbours_are_not_taken_for_sabotage(tmp_path: Path):
    harmless = '''
        """Never calls eval(x) or exec(x), reads no pickle and no yaml, opens no socket."""
        import re, urllib.parse
        from . import http, socket
        pattern = re.compile("pickle")
        values = numpy.load(path, allow_pickle=False)
        torque = model.eval(params, V=bias)  # lmfit's word for the value of a model
    '''
    (tmp_path / "reader.py").write_text(textwrap.dedent(harmless).lstrip(), encoding="utf-8")
    assert [check(tmp_path) for check in (too_long, reaches_out, runs_code)] == [[], [], []]
    (tmp_path / "reader.py").write_text("\n" * LONGEST_FILE, encoding="utf-8")
    assert too_long(tmp_path) == []


def test_version_is_said_once():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert mtjfit.__version__ == importlib.metadata.version("mtjfit") == project["version"]
    assert f"\nversion: {project['version']}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\n## [{project['version']}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_public_names_are_these_and_all_exist():
    assert sorted(mtjfit.__all__) == PUBLIC
    there = [name for name in PUBLIC if name not in OF_WINGS or wing(OF_WINGS[name]) is not None]
    assert there == [name for name in dir(mtjfit) if name in PUBLIC]
    assert [name for name in there if getattr(mtjfit, name, None) is None] == []


def test_packages_are_reached_without_importing_each():
    """What one types after ``import mtjfit``: the errors, and every package on disk but the command line."""
    on_disk = {path.parent.name for path in PACKAGE.glob("*/__init__.py")} - {"cli"} | {"errors"}
    assert set(dir(mtjfit)) - set(PUBLIC) == on_disk - set(PUBLIC)
    program = "import mtjfit; print(mtjfit.physics.__name__, mtjfit.study.__name__, hasattr(mtjfit, 'plott'))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["mtjfit.physics", "mtjfit.study", "False"]


def imports_of(statement: str) -> set[str]:
    """Top-level modules that are loaded once `statement` has run in a fresh interpreter."""
    program = f"import sys\n{statement}\nprint(*(name.split('.')[0] for name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("statement", "slow"),
    [
        ("import mtjfit.cli.main", SLOW_TO_IMPORT),
        ("import mtjfit.study.study, mtjfit.study.load, mtjfit.data", SLOW_TO_IMPORT - {"scipy"}),
    ],
)
def test_help_and_studies_do_not_wait_for_slow_imports(statement: str, slow: set[str]):
    assert imports_of(statement) & slow == set()


@pytest.mark.slow
def test_sabotage_a_slow_import_is_seen():
    assert imports_of("import scipy") & SLOW_TO_IMPORT == {"scipy"}
