"""Sphinx configuration; `python do.py docs` builds the pages."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from sphinx.application import Sphinx

import mtjfit

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "mtjfit"
author = "The mtjfit developers"
copyright = "The mtjfit developers, MIT licence"
release = version = mtjfit.__version__

extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "sphinx-mathjax-offline",  # formulas without network, from file:// too
    "click_reference",
]
exclude_patterns = ["_ext", "_build"]
default_role = "py:obj"

html_theme = "pydata_sphinx_theme"
html_title = f"mtjfit {release}"
html_static_path = ["_static"]
html_css_files = ["mtjfit.css"]
html_extra_path = ["llms.txt"]
html_sidebars = {page: [] for page in ("index",)}
smartquotes = False  # they make an en dash of --option
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "secondary_sidebar_items": ["page-toc"],
    "header_links_before_dropdown": 9,
    "show_prev_next": True,
    "footer_start": ["copyright"],
    "footer_end": [],
}

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

nb_execution_mode = "force"
nb_execution_excludepatterns = [] if os.environ.get("MTJFIT_DOCS_NOTEBOOKS", "run") == "run" else ["notebooks/*"]
nb_execution_timeout = 300
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_merge_streams = True

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings give types, shapes and units
numpydoc_show_class_members = False


def bars_are_moduli(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """|κ| in a docstring is a modulus, not a substitution; what stands in examples and literals is left alone."""
    end = lines.index(".. rubric:: Examples") if ".. rubric:: Examples" in lines else len(lines)
    for k, line in enumerate(lines[:end]):
        parts = line.split("``")
        parts[::2] = [part.replace("|", "\\|") for part in parts[::2]]
        lines[k] = "``".join(parts)


def setup(app: Sphinx) -> None:
    app.connect("autodoc-process-docstring", bars_are_moduli, priority=900)
