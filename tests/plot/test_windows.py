"""Figures show themselves where figures of pyplot do: in windows, below cells; and say so where nothing can be seen."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
from shortcuts import slow_after

from mtjfit.plot import NotebookFigure

WINDOWS = """
import sys, types
from matplotlib.backend_bases import FigureManagerBase
from matplotlib.backends.backend_agg import FigureCanvasAgg

# matplotlib takes a program with this for one whose windows work
sys.modules["PyQt6.QtWidgets"] = types.SimpleNamespace(QApplication=types.SimpleNamespace(instance=lambda: True))
shown = []


class FigureManager(FigureManagerBase):
    def show(self):
        shown.append(self.canvas.figure)


class FigureCanvas(FigureCanvasAgg):
    required_interactive_framework = "qt"
    manager_class = FigureManager
"""
NOTEBOOK = """
import types
shell = types.SimpleNamespace(kernel=object())
get_ipython = lambda: shell
shown, version_info = [], (9, 0)
display = types.SimpleNamespace(display=shown.append)
"""


def said(folder: Path, code: str) -> str:
    """What a new process prints, whose backend and IPython are those of this folder."""
    (folder / "windows_of_a_test.py").write_text(WINDOWS, encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), *sys.path]), "MPLBACKEND": "agg"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, env=environment, check=False
    )
    assert not done.stderr, done.stderr[-2000:]
    return done.stdout.strip()


MADE = "from mtjfit.plot import NotebookFigure; f, g = NotebookFigure(), NotebookFigure()\n"


@pytest.fixture
def windows() -> str:
    """Begin of a program with windows, and two figures."""
    return (
        f'import matplotlib; matplotlib.use("module://windows_of_a_test")\nfrom windows_of_a_test import shown\n{MADE}'
    )


def test_no_window_is_a_warning_with_advice_that_works(tmp_path: Path) -> None:
    figure = NotebookFigure(figsize=(2, 1))
    with pytest.warns(UserWarning, match=r"'agg' opens no windows: save the figure with fig\.savefig\(") as warned:
        figure.show()
    assert [each.filename for each in warned] == [__file__]
    figure.show(warn=False)
    assert plt.get_fignums() == []
    figure.savefig(tmp_path / "figure.pdf")
    assert (tmp_path / "figure.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.slow
def test_a_window_is_one_of_pyplot_s(tmp_path: Path, windows: str) -> None:
    code = f"""{windows}
f.show(); g.show(); f.show()
import matplotlib.pyplot as plt
print(shown == [f, g, f], plt.get_fignums(), plt.gcf() is f)
plt.close(f); print(plt.get_fignums()); f.show(); print(plt.get_fignums(), plt.gcf() is f)
"""
    assert said(tmp_path, code).splitlines() == ["True [1, 2] True", "[2]", "[2, 3] True"]


@pytest.mark.slow
def test_figures_that_are_not_shown_are_not_kept(tmp_path: Path, windows: str) -> None:
    code = f"""{windows}
import matplotlib.pyplot as plt
plt.ion()
from mtjfit.plot import render
for k in range(25):
    render(NotebookFigure())
print(plt.get_fignums(), shown)
"""
    assert said(tmp_path, code) == "[] []"


@pytest.mark.slow
@pytest.mark.parametrize(("before", "opened"), slow_after(1, [
    ("import matplotlib.pyplot as plt; plt.ion()", True),
    ("import matplotlib.pyplot as plt; plt.ioff()", False),
    ("", False),
]))  # fmt: skip
def test_the_prompt_opens_windows_as_pyplot_does(tmp_path: Path, windows: str, before: str, opened: bool) -> None:
    """IPython asks for a display, and goes on to the picture if there is none."""
    code = f"""{before}
{windows}
try:
    f._ipython_display_()
except NotImplementedError:
    pass
print(len(shown))
"""
    assert said(tmp_path, code) == str(int(opened))


@pytest.mark.slow
def test_a_notebook_shows_a_figure_once_below_the_cell(tmp_path: Path) -> None:
    (tmp_path / "IPython.py").write_text(NOTEBOOK, encoding="utf-8")
    code = f"import IPython, sys\n{MADE}f.show(); print(IPython.shown == [f], 'matplotlib.pyplot' in sys.modules)"
    assert said(tmp_path, code) == "True False"


def test_a_blank_figure_at_the_prompt_without_pyplot_is_a_picture() -> None:
    with pytest.raises(NotImplementedError):
        NotebookFigure()._ipython_display_()
