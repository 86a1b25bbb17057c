"""``mtjfit explore``: sliders and live pictures in a browser."""

from __future__ import annotations

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
    bundled thickness series (simulated) is shown. Only this machine can reach the page, and nothing leaves it. Ctrl-C
    ends the program. Needs: python -m pip install "mtjfit[explore]"
    """
    from mtjfit.data import dataset
    from mtjfit.explorer import serve_explorer
    from mtjfit.study import load_study

    file = dataset(_SERIES).study_file if study is None else study
    progress(f"reading {f'the bundled {_SERIES} (simulated, not measured)' if study is None else study}")
    loaded = load_study(file)

    def started(url: str) -> None:
        click.echo(f"Explorer: {url}   (Ctrl-C stops)")
        if not no_browser:
            click.launch(url)

    serve_explorer(loaded, port, started)
    click.echo("Stopped.")
