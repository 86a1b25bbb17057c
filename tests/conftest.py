"""Studies and results that several folders of tests share; what takes seconds is made once."""

from __future__ import annotations

import gc
import re
import signal
import textwrap
from collections.abc import Callable, Generator, Iterator
from importlib import import_module
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis.strategies import none
from shortcuts import few_starts

import mtjfit
import mtjfit.parallel
from mtjfit.cli import cli

SERIES = ("F0.8nm", "F2.0nm", "F4.0nm")
TOGETHER = (
    ("tests/cli/test_cli.py", "tests/cli/test_cli_report.py", "tests/report/", "tests/results/"),
    ("tests/plot/",),
    ("tests/test_names.py", "tests/test_output.py", "tests/test_package.py", "tests/data/test_input.py"),
    (
        "tests/test_docs.py",
        "tests/test_notebooks.py",
        "tests/infer/test_truth.py",
        "tests/infer/test_run.py",
    ),
)
"""Files of tests that share what takes seconds to make. One process runs them, where there are several."""

LONG_EXAMPLES = (
    "mtjfit.comparison.devices.comparison.compare_devices",
    "mtjfit.comparison.mechanisms.comparison.compare_mechanisms",
    "mtjfit.infer.assumptions.freed_assumptions",
    "mtjfit.infer.identification.identify",
    "mtjfit.report.findings.findings",
    "mtjfit.results.headers.header",
    "mtjfit.results.helps.helps_most",
    "mtjfit.wafer.stack.before.undetermined",
)
"""Docstrings whose examples take a third of a second and more: slow tests, beside quick ones of the same functions."""

REALLY_DRAWN = ("torque", "combinations", "transfer")

MakeStudy = Callable[..., Path]


def write_study(
    folder: Path,
    devices: tuple[str, ...] = SERIES,
    *,
    names: dict[str, str] | None = None,
    edit: Callable[[str], str] = lambda text: text,
    flip: bool = False,
    measured: bool = False,
) -> Path:
    """A small study from the bundled series: some of its devices, exact thicknesses, few effective draws.

    `names` renames devices in the data, `edit` changes the text of the study file, `flip` turns T_perp round,
    `measured` takes away the mark of simulated data.
    """
    source = mtjfit.dataset("thickness-series")
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for line in (source.path / "data.csv").read_text(encoding="utf-8").splitlines():
        cells = line.split(",")
        if line.startswith("#"):
            rows += [] if measured else [line]
        elif cells[0] == "device":
            rows.append(line)
        elif cells[0] in devices:
            cells[0] = (names or {}).get(cells[0], cells[0])
            if flip:
                cells[4] = str(-float(cells[4]))
            rows.append(",".join(cells))
    (folder / "data.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    text = source.study_file.read_text(encoding="utf-8")
    text = re.sub(r"(?m)^thickness   = .*$", "thickness = { fixed = true }", text)
    text = text.replace("target_ess = 2000", "target_ess = 200")
    study = folder / "study.toml"
    study.write_text(edit(text), encoding="utf-8")
    return study


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes do not name a test: packed ones hold the time, and processes would collect different tests."""
    return argname if isinstance(val, bytes) else None


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--golden", action="store_true", help="Write tests/golden anew from what the commands print.")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Compares what a command printed with tests/golden/<name>.txt, the one place where its exact words stand."""

    def compare(name: str, printed: str, folder: Path, *, numbers: bool = True) -> None:
        text = printed.replace(str(folder), "FOLDER").replace(f"mtjfit {mtjfit.__version__}", "mtjfit VERSION")
        if not numbers:  # those of draws differ between machines in their last digits, and with them all spaces
            masked = re.sub(r"\d+(\.\d+)?(e[+-]?\d+)?", "#", text)
            words = " ".join(re.sub(r"-{3,}", "", masked).split())
            text = textwrap.fill(words, 100, break_long_words=False, break_on_hyphens=False) + "\n"
        file = Path(__file__).parent / "golden" / f"{name}.txt"
        if request.config.getoption("--golden"):
            file.write_text(text, encoding="utf-8")
        assert text == file.read_text(encoding="utf-8"), "if this is meant: pytest --golden"

    return compare


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None]:
    """What is collected stays until the end: Python's search for cycles need not look at it again and again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        _nothing()  # hypothesis asks once who holds its random numbers, and would not see what is frozen
        gc.freeze()


@settings(max_examples=1, database=None)
@given(none())
def _nothing(_: None) -> None:
    """A test that sets up hypothesis."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.name in LONG_EXAMPLES:
            item.add_marker(pytest.mark.slow)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """The files of one process at a time: single ones, and those that share a fixture together."""
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    config.option.loadscopereorder = False  # in the order of collection: what takes no time comes last

    class Together(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return next((group[0] for group in TOGETHER if nodeid.startswith(group)), super()._split_scope(nodeid))

    return Together(config, log)


@pytest.fixture
def quick_fits() -> Iterator[None]:
    """Fits from few starts, throughout a test."""
    with few_starts():
        yield


@pytest.fixture(autouse=True)
def ctrl_c() -> Iterator[None]:
    """Ctrl-C as Python has it: servers change it for good, and programs in the background are born ignoring it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def working_alone(request: pytest.FixtureRequest) -> None:
    """A command inside a test works alone: to load what it needs takes a process as long as most of these tests."""
    if request.path.parent.name == "cli":
        request.getfixturevalue("monkeypatch").setattr(mtjfit.parallel, "n_processors", lambda: 1)


@pytest.fixture(scope="session")
def series_posterior() -> mtjfit.Posterior:
    """The bundled series as the README and the first notebook sample it: seed 1, and all that its file says."""
    return import_module("mtjfit.infer").sample(  # mtjfit.sample may be another, see `sampled_before`
        mtjfit.load_study(mtjfit.dataset("thickness-series").study_file), seed=1, progress=False
    )


@pytest.fixture
def sampled_before(request: pytest.FixtureRequest) -> Callable[[mtjfit.Study, int], mtjfit.Posterior | None]:
    """`series_posterior` for a study and a seed that give exactly those draws, None for others."""
    from mtjfit.infer import describe

    def found(study: mtjfit.Study, seed: int) -> mtjfit.Posterior | None:
        series = mtjfit.load_study(mtjfit.dataset("thickness-series").study_file)
        same = (describe(study, seed), study.sampling) == (describe(series, 1), series.sampling)
        return request.getfixturevalue("series_posterior") if same else None

    return found


@pytest.fixture
def make_study(tmp_path: Path) -> MakeStudy:
    """Writes a small study to a folder of this test and returns its file."""
    return lambda *args, **kwargs: write_study(tmp_path / "in", *args, **kwargs)


class Finished:
    """One real run of the command line: what it printed, what it left, and the objects behind it."""

    def __init__(self, folder: Path):
        self.study_file = write_study(folder / "in")
        self.folder = folder / "out"
        from sketches import sketched  # matplotlib, which few tests need

        from mtjfit.cli import Steps
        from mtjfit.report import report_figures

        kept: dict[str, object] = {}
        steps = Steps(
            _keeping(mtjfit.fit, "fit", kept),
            _keeping(mtjfit.sample, "sample", kept),
            lambda found, *, pdf: report_figures(sketched(found, REALLY_DRAWN), pdf=pdf),
        )
        arguments = ["run", str(self.study_file), "--output", str(self.folder)]
        self.result: Result = CliRunner().invoke(cli, arguments, catch_exceptions=False, obj=steps)
        self.fit: mtjfit.FitResult = kept["fit"]
        self.posterior: mtjfit.Posterior = kept["sample"]


def _keeping(function: Callable[..., object], name: str, kept: dict[str, object]) -> Callable[..., object]:
    def wrapped(*args: object, **kwargs: object) -> object:
        kept[name] = function(*args, **kwargs)
        return kept[name]

    return wrapped


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A real run of three thicknesses, with some real figures as SVG."""
    return Finished(tmp_path_factory.mktemp("finished"))


@pytest.fixture(scope="session")
def one_thickness_fit(tmp_path_factory: pytest.TempPathFactory) -> mtjfit.FitResult:
    """Best fit of a single device."""
    with few_starts():
        return mtjfit.fit(mtjfit.load_study(write_study(tmp_path_factory.mktemp("one"), ("F2.0nm",))))


@pytest.fixture(scope="session")
def flipped_fit(tmp_path_factory: pytest.TempPathFactory) -> mtjfit.FitResult:
    """Best fit of three thicknesses whose T_perp was counted along the other axis."""
    with few_starts():
        return mtjfit.fit(mtjfit.load_study(write_study(tmp_path_factory.mktemp("flipped"), flip=True)))
