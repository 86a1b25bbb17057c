"""Pages as a browser sees them: elements, text, tables, and whatever could run or load something."""

from __future__ import annotations

import re
from html.parser import HTMLParser

VOID = {"meta", "br", "img", "link", "hr", "input"}
INDICES = {"sub": "_", "sup": "^"}
"""Low and high indices, and how they are written in text: λ_J."""


class Page(HTMLParser):
    """Elements with attributes, text, and rows of tables; unbalanced tags are noted."""

    def __init__(self, html: str):
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.faults: list[str] = []
        self.texts: list[str] = []
        self.tables: list[list[list[str]]] = []
        self.within_word = False
        self.feed(html)
        self.close()
        self.faults += self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
        self._index(tag, INDICES.get(tag, ""))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(tag)
        self._index(tag, "")

    def _index(self, tag: str, mark: str) -> None:
        """What follows an index, or stands in it, belongs to the same word."""
        self.within_word = tag in INDICES
        if mark:
            self.handle_data(mark)
            self.within_word = True

    def handle_data(self, data: str) -> None:
        if not {"style", "svg"} & set(self.open):
            if self.within_word and self.texts:
                self.texts[-1] += data
            else:
                self.texts.append(data)
            self.within_word = False
        if {"td", "th"} & set(self.open):
            self.tables[-1][-1][-1] += data

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.texts))


def dangers(page: Page) -> list[str]:
    """Whatever could run, or load something."""
    found = [tag for tag, _ in page.elements if tag in ("script", "iframe", "object", "embed", "link", "form", "img")]
    for tag, attributes in page.elements:
        for name, value in attributes.items():
            target = name.rsplit(":")[-1] in ("href", "src", "action", "data", "srcset")
            inside = (value or "").startswith(("#", "data:image/png;base64,"))
            link = tag == "a" and (value or "").startswith("https://doi.org/10.")
            if name.startswith("on") or (target and not (inside or link)):
                found.append(f"{tag} {name}={value}")
    return found
