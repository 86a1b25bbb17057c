"""Parts of pages: sections, templates that escape every string, and figures that cannot run code."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import jinja2

from mtjfit.text import Table, visible

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class PlannedFigure:
    """A figure of a page, not yet drawn; `draw` takes its `width` in inches.

    `caption` can go into a paper: what is shown, symbols and bands, number of devices, level. `alt` is the figure in
    words and numbers, for readers who cannot see it. `call` draws it in Python, with the names that the first lines of
    its page make, such as ``mtjfit``, ``fit`` and ``posterior``. A figure that shows draws of a posterior has to be
    marked where these have not converged.
    """

    name: str
    caption: str
    alt: str
    draw: Callable[..., Figure]
    call: str
    shows_draws: bool = False


@dataclass(frozen=True, eq=False)
class Section:
    """A section of a page and all that belongs to it in the folder of a result; `command` is what to type for more.

    The first of `sentences` says what to take from it: it is read where the section is folded.
    `check` is its line in the box of checks, a `mtjfit.results.Answer`, if it tests anything.
    `tables` go by the names of their CSV files, `files` (numbers with all digits) by their own, `record` into
    ``result.json``.
    """

    id: str
    title: str
    sentences: tuple[str, ...] = ()
    command: str = ""
    pictures: tuple[PlannedFigure, ...] = ()
    tables: Mapping[str, Table] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    record: Mapping[str, object] = field(default_factory=dict)
    check: object = None


def program_of(name: str, call: str, beginning: str) -> str:
    """A whole program: from the folder of the page to a PDF of the figure beside that folder.

    Not inside: mtjfit writes no page again into a folder in which a file was added or changed.
    """
    return f'{beginning}\nfigure = {call}\nfigure.savefig("../{name}.pdf")  # beside the folder of this page'


def seen_from(folder: Path, file: Path) -> str:
    """The place of a file as seen from a folder, for Python that runs in it; the whole place on another drive.

    >>> seen_from(Path("out/page"), Path("lot.db"))
    '../../lot.db'
    """
    try:
        return Path(os.path.relpath(file.resolve(), folder.resolve())).as_posix()
    except ValueError:  # another drive on Windows
        return file.resolve().as_posix()


_SVG = "http://www.w3.org/2000/svg"
_XLINK = "http://www.w3.org/1999/xlink"


@cache
def template(name: str) -> jinja2.Template:
    """A template by its place in mtjfit, such as ``report/report.html.j2``; it escapes every string."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("mtjfit", ""),
        autoescape=True,
        finalize=lambda value: visible(value, "\n\t") if type(value) is str else value,  # not what is markup already
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)


def inline_svg(data: bytes, prefix: str, alt: str) -> str:
    """An SVG file as an element for a page that holds others: ids get a prefix, all but drawing is dropped.

    Only SVG elements survive, no scripts, no event attributes and no links to anything outside the figure.

    >>> file = b'<svg xmlns="http://www.w3.org/2000/svg" width="9pt"><!-- x --><g id="a"/><script/></svg>'
    >>> inline_svg(file, "torque", "a plot")
    '<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="a plot"><g id="torque-a" /></svg>'
    """
    root = ElementTree.fromstring(data)  # noqa: S314 - drawn a moment ago; the parser drops comments
    _clean(root, prefix, set())
    for name in ("width", "height"):  # the page sets the width, the view box the shape
        root.attrib.pop(name, None)
    root.attrib |= {"role": "img", "aria-label": visible(alt)}
    ElementTree.register_namespace("", _SVG)
    ElementTree.register_namespace("xlink", _XLINK)
    return ElementTree.tostring(root, encoding="unicode")


_DROPPED = {f"{{{_SVG}}}{name}" for name in ("metadata", "script", "foreignObject", "a", "title", "desc")}


def _clean(element: ElementTree.Element, prefix: str, seen: set[str]) -> None:
    for name, value in list(element.attrib.items()):
        if name == "id":
            if value in seen:  # matplotlib defines a glyph anew in each text that uses it
                del element.attrib[name]
            else:
                element.set(name, f"{prefix}-{value}")
            seen.add(value)
        elif name.endswith("href"):
            if value.startswith("#"):
                element.set(name, f"#{prefix}-{value[1:]}")
            elif not value.startswith("data:image/"):
                del element.attrib[name]
        elif name.startswith("on"):
            del element.attrib[name]
        elif "url(#" in value:
            element.set(name, value.replace("url(#", f"url(#{prefix}-"))
    for child in list(element):
        if child.tag in _DROPPED or not str(child.tag).startswith(f"{{{_SVG}}}"):
            element.remove(child)
        else:
            _clean(child, prefix, seen)
