"""What objects show of themselves in a notebook, whether names from files stay text in it, and contrast of colours."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

from model_studies import simulated

from mtjfit.data import Origin
from mtjfit.study import Study

HOSTILE = '</td></table><script>alert("x")</script><img src=x onerror=y> $x_1$ \\(y\\)'
SAFE_TAGS = {"div", "strong", "small", "span", "table", "thead", "tbody", "tr", "th", "td"}


class Shown(HTMLParser):
    """Tags, text, attributes and faults of a piece of HTML."""

    def __init__(self, html: str):
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.faults: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        self.faults += self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.faults.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def harmless(html: str) -> list[str]:
    """What is wrong with a piece of HTML that came from names in files: tags of its own, or things to be loaded."""
    shown = Shown(html)
    faults = [f"tag {tag}" for tag in sorted(shown.tags - SAFE_TAGS)] + [f"unbalanced {tag}" for tag in shown.faults]
    faults += [f"attribute {name}" for name in sorted(shown.attributes - {"style", "scope", "role"})]
    faults += ["a formula"] if re.search(r"\$x|\\\(", html) else []
    return faults


def hostile_study() -> Study:
    study = simulated(n_bias=9)
    curves = tuple(
        replace(curve, device=f"{HOSTILE} {k}", group=HOSTILE, source=HOSTILE, origin=Origin("simulated", HOSTILE))
        for k, curve in enumerate(study.curves)
    )
    return study.replace(name=HOSTILE, curves=curves)


def luminance(colour: str) -> float:
    """Relative luminance of sRGB, WCAG 2.2."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * c for c in colour[1:])
    channels = [int(digits[k : k + 2], 16) / 255 for k in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)
