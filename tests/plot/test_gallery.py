"""The gallery has every public plot, by a call that its signature takes, and a picture of each that is small."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import pytest
from every_plot import EVERY
from matplotlib.image import imread

DOCS = Path(__file__).resolve().parents[2] / "docs"
MOST_BYTES = 1_500_000


def shown(page: str) -> dict[str, tuple[str, str]]:
    """Call and picture of each plot on a page."""
    found = re.findall(r"^`((plot_\w+)\([^`]*\))`[^\n]*\n\n!\[[^\]\n]+\]\(([^)\n]+)\)$", page, re.MULTILINE)
    return {name: (call, picture) for call, name, picture in found}


def misses(page: str) -> set[str]:
    """Public plots that a page does not show, or by a call or a picture that is not theirs."""
    there = shown(page)
    return {name for name in EVERY if name not in there or there[name][1] != f"gallery/{name}.png"} | {
        name for name in there if name not in EVERY
    }


PAGE = (DOCS / "gallery.md").read_text(encoding="utf-8")


def test_every_plot_is_there_with_a_picture() -> None:
    assert misses(PAGE) == set()
    pictures = {path.stem: path for path in (DOCS / "gallery").iterdir()}
    assert set(pictures) == set(EVERY)
    assert sum(path.stat().st_size for path in pictures.values()) < MOST_BYTES
    for path in pictures.values():
        assert imread(path).std() > 0.01, path


@pytest.mark.parametrize("spoilt", [
    PAGE.replace("`plot_trace(posterior)`", "plot_trace(posterior)"),
    PAGE.replace("(gallery/plot_trace.png)", "(gallery/plot_torque.png)"),
    PAGE.replace("![Rank histograms of each parameter]", "[Rank histograms of each parameter]"),
])  # fmt: skip
def test_sabotage_a_plot_that_is_not_shown_is_named(spoilt: str) -> None:
    assert misses(spoilt) == {"plot_trace"}


@pytest.mark.parametrize("name", EVERY)
def test_the_call_is_one_that_the_plot_takes(name: str) -> None:
    call = ast.parse(shown(PAGE)[name][0], mode="eval").body
    assert isinstance(call, ast.Call)
    words = {str(word.arg): None for word in call.keywords}
    inspect.signature(EVERY[name].function(name)).bind(*call.args, **words)
