"""``mtjfit explore``: sliders and live pictures in a browser."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from mtjfit.terminal import progress

_SERIES = "thickness-series"


@click.command("explore", short_help="Sliders and live pictures in a browser.")
@click.argument("study", required=False, type=click.Path(path_type=Path), metavar="[STUDY.toml]")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="By default any free port.")
@click.option("--no-browser", is_flag=True, help="Only print the address of the page.")
def explore_command(study: Path | None, port: int, no_browser: bool) -> None:
    """Move lengths, thickness and amplitudes of a STUDY by hand and see accumulation, κ(d) and torque follow.

    The data are drawn on top, with χ² and its p-value; from there fit, or export a study file. Without STUDY the
    bundled thickness series (simulated) is shown. Only this machine can reach the page, only a browser that was given
    an address printed here can open it, and nothing leaves it. Each address opens one browser, once; then there is a
    new one. Ctrl-C ends the program. Needs: python -m pip install "mtjfit[explore]"
    """
    from mtjfit.data import dataset
    from mtjfit.explorer import serve_explorer
    from mtjfit.explorer.gate import forwarding
    from mtjfit.study import load_study

    file = dataset(_SERIES).study_file if study is None else study
    progress(f"reading {f'the bundled {_SERIES} (simulated, not measured)' if study is None else study}")
    loaded = load_study(file)

    with tempfile.TemporaryDirectory(prefix="mtjfit-") as folder:  # which no other account may read

        def started(url: str) -> None:
            page = Path(folder) / "explorer.html"
            again = page.exists()
            click.echo(f"Explorer: {url}   ({'for one more browser' if again else 'for one browser'}; Ctrl-C stops)")
            page.write_text(forwarding(url), encoding="utf-8")  # the address itself would stand in the process list
            if not no_browser and not again:
                click.launch(page.as_uri())

        serve_explorer(loaded, port, started)
    click.echo("Stopped.")
