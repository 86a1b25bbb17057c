"""Every block of the documentation and the README runs: Python prints what is written, commands and options exist."""

from __future__ import annotations

import doctest
import importlib.util
import os
import re
import shlex
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import click
import pytest
from shortcuts import as_slow, skip_without_wings

import mtjfit
from mtjfit.cli import cli

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
README = ROOT / "README.md"
PAGES = [README, *sorted(DOCS.rglob("*.md"))]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
LONG = {"asymmetric", "commands", "compare", "explorer", "inference", "own_axes", "own_model", "own_sampling",
        "priors_and_ties", "results_in_python", "tutorial", "what-data-tell"}  # fmt: skip
"""Pages whose blocks take long: slow tests. Those of `first-fit.md` run in the quick lane."""
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
BLOCK = re.compile(r"^```(\{?[\w-]*\}?)[ ]*(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One fenced block of a page; `file` is its caption, the name of the file that it shows."""

    language: str
    file: str
    text: str


def blocks(page: str) -> list[Block]:
    """All blocks of a page, in order; of directives without their options."""
    found = []
    for directive, argument, body in BLOCK.findall(page):
        caption = re.search(r"^:caption: (\S+)$", body, flags=re.MULTILINE)
        text = re.sub(r"\A(?::[^\n]*\n)+\n?", "", body) if directive.startswith("{") else body
        language = {"{code-block}": argument, "{code-cell}": "cell"}.get(directive, directive)
        found.append(Block(language, caption[1] if caption else "", text))
    return found


def complaints(page: str, name: str) -> list[str]:
    """What is wrong with the blocks of a page, run in the current folder."""
    found = blocks(page)
    for block in found:
        if block.file and block.language in ("text", "toml"):
            Path(block.file).write_text(block.text, encoding="utf-8")
    said: list[str] = []
    space: dict[str, object] = {}
    for k, block in enumerate(found):
        try:
            if block.language == "python":
                test = doctest.DocTestParser().get_doctest(block.text + "\n", space, f"{name}, block {k}", name, 0)
                if not test.examples:
                    said.append(f"{name}: a Python block without >>> is never run")
                doctest.DocTestRunner(optionflags=FLAGS, verbose=False).run(test, out=said.append, clear_globs=False)
                space |= test.globs
            elif block.language == "cell":
                exec(compile(block.text, name, "exec"), space)  # noqa: S102
            elif block.language == "toml":
                tomllib.loads(block.text)
            elif block.language in ("console", "bash"):
                for line in block.text.splitlines():
                    understood(line)
        except Exception as error:
            said.append(f"{name}: {type(error).__name__}: {error}")
    return said


def understood(line: str) -> None:
    """Parse a line of a console as mtjfit would; nothing is run."""
    words = shlex.split(line, comments=True)
    words = words[1:] if words[:1] == ["srun"] else words
    if words[:1] != ["mtjfit"]:
        return
    context = click.Context(cli, info_name="mtjfit")
    _, command, rest = cli.resolve_command(context, words[1:])
    assert command is not None
    command.make_context(command.name, rest, parent=context)


@pytest.mark.parametrize("page", [as_slow(page) if page.stem in LONG else page for page in PAGES], ids=NAMES)
def test_blocks_of_a_page_run(
    page: Path, tmp_path: Path, sampled_before, quick_fits: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The posterior is the one of the bundled series that other tests look at, too; refusals come from the real one."""
    skip_without_wings(page.read_text(encoding="utf-8"))
    sample = mtjfit.sample

    def known(study: mtjfit.Study, seed: int | None = None, **rest: object) -> mtjfit.Posterior:
        return (sampled_before(study, seed) if seed is not None else None) or sample(study, seed, **rest)

    monkeypatch.setattr(mtjfit, "sample", known)
    monkeypatch.chdir(tmp_path)
    assert complaints(page.read_text(encoding="utf-8"), page.name) == []


def test_the_readme_shows_numbers_commands_and_files_that_exist() -> None:
    text = README.read_text(encoding="utf-8")
    skip_without_wings(text)
    assert text.count("\n>>> ") >= 9
    shown = "demo run check init identify plan compare spectra datasets figures calibrate"
    assert [name for name in shown.split() if name not in cli.commands or f"mtjfit {name}" not in text] == []
    links = re.findall(r"\]\((?!http)([^)#]+)\)", text)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


@pytest.mark.parametrize(
    ("block", "complaint"),
    [
        ("```python\n>>> 1 + 1\n3\n```", "Expected"),
        ("```python\nprint(1)\n```", "never run"),
        ("```python\n>>> x = 1\n```\n\n```python\n>>> x\n2\n```", "Got"),
        ("```{code-cell} ipython3\n:tags: [remove-input]\n1 / 0\n```", "ZeroDivisionError"),
        ("```toml\na = \n```", "TOMLDecodeError"),
        ("```{code-block} toml\n:caption: a.toml\n\na = \n```", "TOMLDecodeError"),
        ("```console\nmtjfit runs study.toml\n```", "No such command"),
        ("```console\nmtjfit run study.toml --outputs results\n```", "No such option"),
        ("```console\nmtjfit run study.toml    # where to?\n```", "Missing parameter: output"),
        ("```console\nmtjfit calibrate study.toml -o c -n many\n```", "not a valid integer"),
    ],
)
def test_sabotage_a_wrong_block_is_found(
    block: str, complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert complaint in "".join(complaints(f"# A page\n\n{block}\n", "page.md"))


def test_pages_stay_short() -> None:
    lengths = {page.name: len(page.read_text(encoding="utf-8").splitlines()) for page in PAGES if page != README}
    assert {name: n for name, n in lengths.items() if n > 200} == {}


def test_every_public_formula_stands_in_the_theory() -> None:
    theory = "".join(page.read_text(encoding="utf-8") for page in (DOCS / "theory").glob("*.md"))
    internal = {"KappaGradient", "kappa_from_rates", "lambda_product"}
    assert [
        name for name in mtjfit.physics.__all__ if name not in internal and f"mtjfit.physics.{name}" not in theory
    ] == []


def dead_links(page: Path, text: str) -> list[str]:
    """Links of a page to files that are not there; sphinx, with its warnings as errors, also looks at anchors."""
    links = re.findall(r"\]\((?!\w+:|#)([^)#\s]+)", text)
    return [link for link in links if not (page.parent / link).exists()]


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    assert dead_links(page, page.read_text(encoding="utf-8")) == []


def test_sabotage_a_dead_link_is_found() -> None:
    text = "[a](tutorial.md#x), [b](https://x.org), [c](#here), [d](how-to/plans.md), [e](../nothing.md#x)"
    assert dead_links(DOCS / "index.md", text) == ["how-to/plans.md", "../nothing.md"]


TITLE = re.compile(r"^# (.+)$", re.MULTILINE)
LINK = re.compile(r"^- \[(.+)\]\((\S+)\.html\)$", re.MULTILINE)
UNLISTED = {"index", "tutorials", "explanation", "about", "how-to/index", "theory/index", "changelog", "security"}


def wrong_links(listing: str) -> list[str]:
    """What llms.txt gets wrong: pages gone, renamed or left out, and commands that do not exist."""
    linked = {page: title for title, page in LINK.findall(listing)}
    titles = {}
    for page in DOCS.rglob("*.md"):
        name = page.relative_to(DOCS).with_suffix("").as_posix()
        found = TITLE.search(page.read_text(encoding="utf-8"))
        titles[name] = found[1] if found else ""
    wanted = {name for name in titles if name not in UNLISTED and not name.startswith("reference/")}
    said = [f"{page}: is not linked" for page in sorted(wanted - set(linked))]
    said += [f"{page}: {title!r} is not its title" for page, title in linked.items() if titles.get(page) != title]
    names = re.findall(r"`(?:mtjfit (\w+)|mtjfit\.(\w+))", listing)
    said += [f"mtjfit {command} is no command" for command, _ in names if command and command not in cli.commands]
    return said + [f"mtjfit.{name} does not exist" for _, name in names if name and not hasattr(mtjfit, name)]


def test_llms_txt_names_every_page_by_its_title() -> None:
    listing = (DOCS / "llms.txt").read_text(encoding="utf-8")
    skip_without_wings(listing)
    assert wrong_links(listing) == []
    assert len(listing.splitlines()) < 100


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("(tutorial.html)", "(tutorials.html)", "tutorial: is not linked"),
        ("(tutorial.html)", "(tutoriel.html)", "tutoriel: 'From files to a paragraph in a paper' is not its title"),
        ("[Plan the next thickness]", "[Plan]", "how-to/plan: 'Plan' is not its title"),
        ("`mtjfit init ", "`mtjfit begin ", "mtjfit begin is no command"),
        ("`mtjfit.fit`", "`mtjfit.fits`", "mtjfit.fits does not exist"),
    ],
)
def test_sabotage_a_stale_llms_txt_is_found(old: str, new: str, complaint: str) -> None:
    listing = (DOCS / "llms.txt").read_text(encoding="utf-8")
    assert old in listing
    assert complaint in wrong_links(listing.replace(old, new))


@pytest.fixture
def builder():
    spec = importlib.util.spec_from_file_location("build_docs", DOCS / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("page", "fetches"),
    [
        ('<a href="https://doi.org/10">a link</a> <link rel="canonical" href="https://x.org/">', 0),
        ('<script src="_static/a.js"></script><link rel="stylesheet" href="_static/a.css">', 0),
        ('<script async="async" src="https://cdn.org/mathjax.js"></script>', 1),
        ("<img alt='x' src=//cdn.org/a.png>", 1),
        ('<link href="https://fonts.org/a.css" rel="stylesheet"/>', 1),
        ("<style>@import url('https://fonts.org/a.css');</style>", 1),
    ],
)
def test_what_a_browser_would_fetch_is_seen(builder, tmp_path: Path, page: str, fetches: int) -> None:
    (tmp_path / "index.html").write_text(page, encoding="utf-8")
    assert min(len(list(builder.external(tmp_path))), 1) == fetches


@pytest.mark.skipif(os.name != "posix", reason="links need rights there")
@pytest.mark.parametrize("link", [Path.symlink_to, Path.hardlink_to], ids=["symbolic", "hard"])
def test_pages_are_not_written_through_a_link(builder, tmp_path: Path, monkeypatch, link) -> None:
    (tmp_path / "thesis.tex").write_text("years", encoding="utf-8")
    pages = tmp_path / "pages"
    pages.mkdir()
    (pages / builder.MARK).touch()
    link(pages / "index.html", tmp_path / "thesis.tex")
    monkeypatch.setattr(sys, "argv", ["build.py", str(pages)])
    monkeypatch.setattr(builder, "build", lambda output, execute: (output / "index.html").write_text("a page"))
    with pytest.raises(SystemExit, match=r"index\.html is a link"):
        builder.main()
    assert (tmp_path / "thesis.tex").read_text(encoding="utf-8") == "years"


@pytest.mark.slow
def test_pages_build_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("sphinx", reason="needs the extra docs")
    pytest.importorskip("myst_nb", reason="needs the extra docs")
    command = [sys.executable, str(DOCS / "build.py"), str(tmp_path / "pages"), "--without-notebooks"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    text = (tmp_path / "pages" / "reference" / "cli.html").read_text(encoding="utf-8")
    assert all(f"mtjfit {name}" in text for name in cli.commands)
    assert "torkanc" in (tmp_path / "pages" / "searchindex.js").read_text(encoding="utf-8")  # words by their stems
    assert (tmp_path / "pages" / "llms.txt").read_bytes() == (DOCS / "llms.txt").read_bytes()
