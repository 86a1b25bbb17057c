"""Build the pages of mtjfit as HTML that needs no network; every warning is an error.

Works on a copy, so that nothing is left in the source tree. Called by ``python do.py docs``.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MARK = ".pages-of-mtjfit"  # lies in every folder that is written here
TABLES = (f"benchmarks/{name}.csv" for name in ("likelihood", "sampling", "programs"))
BESIDE = "CHANGELOG.md", "SECURITY.md", "CITATION.cff", *TABLES
LOADS = re.compile(
    r"""<(?:script|img|iframe|source|video|audio|embed|object)\b[^>]*?\b(?:src|srcset|data)\s*=\s*["']?\s*
        (?:https?:)?//[^"'\s>]+
      | <link\b(?=[^>]*\brel\s*=\s*["']?[\w ]*(?:stylesheet|icon|manifest|pre|dns-))
        [^>]*?\bhref\s*=\s*["']?(?:https?:)?//[^"'\s>]+
      | (?:url\(\s*|@import\s+)["']?(?:https?:)?//[^"')\s]+""",
    re.VERBOSE | re.IGNORECASE,
)
"""What a browser fetches by itself from another machine; links that a reader may follow are none of it."""


def external(folder: Path) -> Iterator[str]:
    """Every reference of pages and styles that makes a browser ask another machine."""
    for path in sorted((*folder.rglob("*.html"), *folder.rglob("*.css"))):
        for found in LOADS.findall(path.read_text(encoding="utf-8")):
            yield f"{path.relative_to(folder)}: {found[:200]}"


def copied(folder: Path) -> Path:
    """The sources, with the notebooks among them, in a folder of their own."""
    pages = folder / "docs"
    shutil.copytree(ROOT / "docs", pages, ignore=shutil.ignore_patterns("__pycache__", "build.py"))
    for notebook in (ROOT / "notebooks").glob("*.ipynb"):
        shutil.copy(notebook, pages / "notebooks")
    for name in BESIDE:
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    return pages


def quiet_kernels(folder: Path) -> str:
    """A home of IPython in which the start-up of whoever builds has no part, and kernels tell only errors.

    Newer ones warn of every connection that is not encrypted, though it is within this computer.
    """
    profile = folder / "ipython" / "profile_default"
    profile.mkdir(parents=True)
    (profile / "ipython_kernel_config.py").write_text('c.IPKernelApp.log_level = "ERROR"\n', encoding="utf-8")
    return str(profile.parent)


def build(output: Path, execute: bool) -> int:
    """Leave the pages in `output`; 0 if there was nothing to complain about."""
    from sphinx.cmd.build import main as sphinx

    os.environ["MTJFIT_DOCS_NOTEBOOKS"] = "run" if execute else "shown"
    with tempfile.TemporaryDirectory() as folder:
        os.environ["IPYTHONDIR"] = quiet_kernels(Path(folder))
        pages, state = copied(Path(folder)), Path(folder) / "state"
        code = sphinx(["-b", "html", "-W", "--keep-going", "-q", "-d", str(state), str(pages), str(output)])
    for line in external(output):
        print(f"fetched from elsewhere: {line}", file=sys.stderr)  # noqa: T201
        code = 1
    return code


def main() -> int:
    parser = argparse.ArgumentParser(prog="python do.py docs", description=__doc__)
    help_output = "new or empty folder, or earlier pages (default: mtjfit-docs)"
    parser.add_argument("output", nargs="?", default="mtjfit-docs", type=Path, help=help_output)
    help_run = "show the notebooks as they are, without running them: seconds in place of minutes"
    parser.add_argument("--without-notebooks", action="store_true", help=help_run)
    arguments = parser.parse_args()
    output = arguments.output.resolve()
    if os.path.lexists(output) and not (output.is_dir() and (not any(output.iterdir()) or (output / MARK).is_file())):
        sys.exit(f"{output} holds something else: name a new or empty folder, or earlier pages.")
    if output == ROOT or (ROOT / "docs") in (output, *output.parents):
        sys.exit(f"{output} belongs to the sources: name a folder elsewhere.")
    linked = [path for path in output.rglob("*") if path.is_symlink() or (path.is_file() and path.stat().st_nlink > 1)]
    if linked:
        sys.exit(f"{linked[0]} is a link, and pages would be written through it: remove it, or name a new folder.")
    output.mkdir(parents=True, exist_ok=True)
    (output / MARK).touch()
    start = time.monotonic()
    code = build(output, not arguments.without_notebooks)
    print(f"{output / 'index.html'}: {'FAILED' if code else 'done'} in {time.monotonic() - start:.0f} s")  # noqa: T201
    return code


if __name__ == "__main__":
    sys.exit(main())
