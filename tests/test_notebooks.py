"""Every committed notebook runs from top to bottom, without a warning, and is committed without outputs."""

from __future__ import annotations

import ast
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import nbformat
import pytest
from shortcuts import as_slow, skip_without_wings

import mtjfit
from mtjfit.infer import Check, Verdict

FOLDER = Path(__file__).resolve().parent.parent / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
# many refits in 05, posteriors that no data shape in 06: 15 s each
LONG = [path for path in NOTEBOOKS if path.name.startswith(("05", "06"))]
QUICK = [path for path in NOTEBOOKS if path not in LONG]


class CellError(Exception):
    """A code cell failed; says which, counting all cells from 1 as they stand on the page."""


def code_cells(notebook: Path) -> list[tuple[int, nbformat.NotebookNode]]:
    """The code cells with their places on the page."""
    cells = nbformat.read(notebook, as_version=4).cells
    return [(number, cell) for number, cell in enumerate(cells, start=1) if cell.cell_type == "code"]


def outputs(notebook: Path) -> list[str]:
    """What a run left in the file, and what should not be committed."""
    return [
        f"{notebook.name}, cell {number}: has {what}"
        for number, cell in code_cells(notebook)
        for what in ("outputs", "execution_count")
        if cell.get(what)
    ]


def run(notebook: Path) -> dict[str, object]:
    """Run the code cells in one namespace and return it. Warnings are errors, as in all our tests."""
    namespace: dict[str, object] = {"__name__": "__main__", "display": repr}
    for number, cell in code_cells(notebook):
        place = f"{notebook.name}, cell {number}"
        try:
            exec(compile(cell.source, f"<{place}>", "exec"), namespace)  # noqa: S102
        except Exception as error:
            raise CellError(f"{place}: {type(error).__name__}: {error}") from error
    return namespace


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """An empty folder to work in, and figures that are drawn but not shown."""
    monkeypatch.setenv("MPLBACKEND", "agg")
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    folder = tmp_path / "desk"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setattr(plt, "show", lambda *_, **__: None)
    with mpl.rc_context():
        plt.switch_backend("agg")
        yield folder
        plt.close("all")


@pytest.fixture
def hurry(sampled_before, quick_fits: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixty steps count as converged; the bundled series is sampled in full, once. No profiles."""
    sample = mtjfit.sample
    enough = Verdict((Check("hurry", True, "not looked at"),), {})

    def short(study: mtjfit.Study, seed: int | None = None, **rest: object) -> mtjfit.Posterior:
        known = sampled_before(study, study.sampling.seed if seed is None else seed)
        if known is not None:
            return known
        few = study.replace(sampling=replace(study.sampling, target_ess=50, max_steps=60))
        return replace(sample(few, seed, **rest), verdict=enough)

    monkeypatch.setattr(mtjfit, "sample", short)
    monkeypatch.setattr(mtjfit, "identify", lambda study: mtjfit.fit(study).identifiability)


def written(path: Path, *sources: str) -> Path:
    """A notebook with a title and these code cells."""
    cells = [nbformat.v4.new_markdown_cell("# A title"), *map(nbformat.v4.new_code_cell, sources)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def test_there_are_notebooks():
    assert NOTEBOOKS


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])
def test_notebook_is_valid_and_carries_no_outputs(notebook: Path):
    nbformat.validate(nbformat.read(notebook, as_version=4))
    assert outputs(notebook) == []


@pytest.mark.parametrize(
    "notebook", [as_slow(path) if path.name.startswith(("01", "03", "04", "07")) else path for path in QUICK],
    ids=[path.stem for path in QUICK],
)  # fmt: skip
def test_notebook_runs(notebook: Path, desk: Path, hurry: None):
    skip_without_wings(notebook.read_text(encoding="utf-8"))
    run(notebook)


@pytest.mark.parametrize("notebook", LONG, ids=[path.stem for path in LONG])
def test_what_a_long_notebook_imports_exists(notebook: Path):
    """It runs among the slow tests; here at least no name that it uses has gone."""
    skip_without_wings(notebook.read_text(encoding="utf-8"))
    found = 0
    for _, cell in code_cells(notebook):
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.ImportFrom) and node.module:
                module = import_module(node.module)
                assert [name.name for name in node.names if not hasattr(module, name.name)] == []
                found += 1
    assert found


@pytest.mark.slow
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])
def test_notebook_runs_without_short_cuts(notebook: Path, desk: Path):
    run(notebook)


def test_cells_share_one_namespace_and_figures_need_no_screen(tmp_path: Path, desk: Path):
    draw = (
        "import matplotlib.pyplot as plt\nplt.plot([0, total])\nplt.show()\nplt.savefig('torque.png')\ndisplay(total)"
    )
    assert run(written(tmp_path / "sum.ipynb", "total = 1", "total += 1", draw))["total"] == 2
    assert [path.name for path in desk.iterdir()] == ["torque.png"]


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("total +", "SyntaxError: invalid syntax"),
        ("import warnings\nwarnings.warn('too few draws')", "UserWarning: too few draws"),
        ("import numpy as np\nnp.array([1.0]) / 0", "RuntimeWarning: divide by zero"),
    ],
)
def test_sabotage_a_failing_cell_is_named(tmp_path: Path, desk: Path, source: str, complaint: str):
    broken = written(tmp_path / "broken.ipynb", "total = 1", source, "never = 'reached'")
    with pytest.raises(CellError, match=f"^broken.ipynb, cell 3: {complaint}"):
        run(broken)


def test_sabotage_committed_outputs_are_found(tmp_path: Path):
    notebook = nbformat.read(written(tmp_path / "run.ipynb", "1 + 1", "2 + 2"), as_version=4)
    assert outputs(tmp_path / "run.ipynb") == []
    notebook.cells[2].update(execution_count=5, outputs=[nbformat.v4.new_output("stream", text="4")])
    nbformat.write(notebook, tmp_path / "run.ipynb")
    assert outputs(tmp_path / "run.ipynb") == [
        "run.ipynb, cell 3: has outputs",
        "run.ipynb, cell 3: has execution_count",
    ]
