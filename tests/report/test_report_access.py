"""The page for those who cannot see it, who use a keyboard, who need contrast, or who do not want anything to move."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest
from html_pages import VOID, Page
from shown import contrast

import mtjfit

PACKAGE = Path(mtjfit.__file__).parent
PARTS = (PACKAGE / "page.html.j2").read_text(encoding="utf-8")
TEMPLATE = (PACKAGE / "report" / "report.html.j2").read_text(encoding="utf-8") + PARTS
FOLDING = re.search(r"macro folding_style\(\) %}(.*?){% endmacro", PARTS, re.DOTALL)[1]
STYLE = re.search(r"<style>(.*?)</style>", TEMPLATE, re.DOTALL)[1] + FOLDING
COLOURS = ("soft", "accent", "good", "fair", "bad")
BEHIND = {"ink": ("back", "card", "fairback", "badback"), **dict.fromkeys(COLOURS, ("back", "card"))}
"""Text colours of the page, and what is behind them."""


def themes(style: str) -> dict[str, dict[str, str]]:
    """Colours by name for light, dark and print."""
    light, dark, paper = (
        dict(re.findall(r"--(\w+): (#[0-9a-f]+)", block)) for block in re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    )
    return {"light": light, "dark": {**light, **dark}, "print": {**light, **paper}}


def faint(style: str) -> list[str]:
    """Pairs of text and background that are below 4.5 : 1."""
    return [
        f"{theme}: {text} on {back}"
        for theme, colours in themes(style).items()
        for text, backs in BEHIND.items()
        for back in backs
        if contrast(colours[text], colours[back]) < 4.5
    ]


def test_contrast_of_known_colours():
    assert contrast("#000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#fff") == pytest.approx(4.478, abs=1e-3)  # the textbook case that just fails


def test_text_has_contrast_in_every_theme():
    assert faint(STYLE) == []
    used = set(re.findall(r"[{ ;]color: var\(--(\w+)\)", STYLE))
    assert used <= set(BEHIND), "a colour of text that is not tested"
    assert "opacity" not in STYLE  # it would take contrast away unseen


def test_sabotage_faint_text_is_seen():
    assert faint(STYLE.replace("--soft: #59636e", "--soft: #8a949f")) == ["light: soft on back", "light: soft on card"]


def test_the_template_escapes_everything_and_its_style_loads_nothing():
    assert "|safe" not in TEMPLATE.replace(" ", "")
    assert not re.search(r"url\(|@import", STYLE)
    assert "prefers-color-scheme: dark" in STYLE
    assert "@media print" in STYLE


def test_paper_shows_what_a_screen_folds():
    """A browser prints what stands in a closed part where its style makes it visible."""
    printed = re.search(r"@media print \{(.*?)\n\}", FOLDING, re.DOTALL)[1]
    opened = re.search(r"([^{}]+)\{ content-visibility: visible; display: block; block-size: auto; \}", printed)[1]
    assert {each.strip() for each in opened.split(",")} == {".fold::details-content", ".checks::details-content"}
    assert set(re.findall(r'<details class="([a-z]+)"', TEMPLATE)) == {"fold", "checks", "call"}


def test_keyboard_and_motion_are_cared_for():
    assert re.search(r":focus-visible \{ outline: 3px solid", STYLE)
    assert "outline: none" not in STYLE
    for moving in re.findall(r"@media[^{]*\{[^{}]*\{[^{}]*(?:scroll-behavior|animation|transition)", STYLE):
        assert "prefers-reduced-motion: no-preference" in moving
    outside = re.sub(r"@media \(prefers-reduced-motion: no-preference\) \{[^{}]*\{[^{}]*\} *\}", "", STYLE)
    assert not re.search(r"scroll-behavior|animation|transition", outside)


def faults(page: Page) -> list[str]:
    """What somebody with a screen reader or a keyboard would stumble over."""
    found = []
    tags = [tag for tag, _ in page.elements]
    if dict(page.elements[0][1]).get("lang") != "en":
        found.append("no language")
    found += [f"{tags.count(tag)} {tag}" for tag in ("header", "main", "nav", "footer", "h1") if tags.count(tag) != 1]
    levels = [int(tag[1]) for tag in tags if re.fullmatch(r"h[1-6]", tag)]
    found += [f"h{high} after h{low}" for low, high in itertools.pairwise(levels) if high > low + 1]
    ids = {a["id"] for _, a in page.elements if "id" in a}
    for tag, a in page.elements:
        named = a.get("aria-label") or (a.get("aria-labelledby") in ids)
        if tag == "th" and a.get("scope") not in ("col", "row"):
            found.append("th without scope")
        if tag in ("table", "nav") and not named:
            found.append(f"{tag} without a name")
        if "tabindex" in a and not (a["tabindex"] == "0" and a.get("role") and named):
            found.append(f"{tag} in the order of tabs without role or name")
        if a.get("role") == "img" and len(a.get("aria-label") or "") < 60:
            found.append("a picture without words")
        if (a.get("href") or "").startswith("#") and a["href"][1:] not in ids:
            found.append(f"link to nothing: {a['href']}")
    return found


@pytest.fixture(scope="module")
def html(finished) -> str:
    """The page that a real run left."""
    return (finished.folder / "report.html").read_text(encoding="utf-8").removeprefix("<!DOCTYPE html>")


def test_the_page_can_be_heard_and_walked_through(html: str):
    assert faults(Page(html)) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "seen"),
    [
        ('lang="en"', "", "no language"),
        ('<th scope="col">', "<th>", "th without scope"),
        ("<h3", '<h4 class="x"', "h4 after h2"),
        (' role="region"', "", "div in the order of tabs without role or name"),
        ('href="#methods"', 'href="#method"', "link to nothing: #method"),
        ("<nav aria-label=", "<nav x=", "nav without a name"),
        ("<main>", "<div>", "0 main"),
        (' role="img" aria-label="', ' role="img" aria-label="a plot" x="', "a picture without words"),
    ],
)
def test_sabotage_what_one_would_stumble_over_is_seen(html: str, old: str, new: str, seen: str):
    assert old in html
    assert seen in faults(Page(html.replace(old, new)))


def test_the_walk_knows_void_elements():
    assert {"br", "img", "meta"} <= VOID
