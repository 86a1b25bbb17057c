"""``mtjfit plan``: the next measurement, planned from data or from priors alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from mtjfit.output import DRAWN, OTHER_FILE, OutputFolder, refuse_file, write_file
from mtjfit.terminal import FORMATS, echo, figure_names, progress, with_pdf

if TYPE_CHECKING:
    from mtjfit.planning import Plan
    from mtjfit.study import PlanRequest

_NAME = "plan"
_FILES = ("candidates.csv", *figure_names(_NAME))

T = TypeVar("T")


@click.command("plan", short_help="Choose the next measurement.")
@click.argument("study", type=click.Path(path_type=Path), metavar="STUDY.toml")
@click.option("--target", "-t", help="A parameter such as lambda_phi or b1, Lambda, or everything.")
@click.option("--thickness", metavar="LOW:HIGH:STEP", help="Candidates in nm; or a list such as 0.8,1.2,2.")
@click.option("--choose", "-k", type=click.IntRange(1, 20), help="How many devices to choose together.")
@click.option("--bias", metavar="LOW:HIGH:N", help="Sweep of a new device in V.")
@click.option("--noise", help='Standard error of a point in the unit of the torque, or such as "2 %" of the signal.')
@click.option("--cap", metavar="LAMBDA:FACTOR", help="Also devices with another metal, of D_F/D_N·lambda_sf_N in nm.")
@click.option("--reweight", is_flag=True, help="Check every candidate by reweighting, not only the best.")
@click.option("--output", "-o", type=click.Path(path_type=Path), metavar="DIR", help="New or empty folder for files.")
@click.option("--plot", type=click.Path(path_type=Path), metavar="FILE", help="The figure: .svg, .png or .pdf.")
@with_pdf
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="Instead of the seed of the study.")
@click.option("--quiet", "-q", is_flag=True, help="No progress and no tables; only the answer.")
def plan_command(
    study: Path,
    target: str | None,
    thickness: str | None,
    choose: int | None,
    bias: str | None,
    noise: str | None,
    cap: str | None,
    reweight: bool,
    output: Path | None,
    plot: Path | None,
    pdf: bool,
    seed: int | None,
    quiet: bool,
) -> None:
    """Choose which device, or which several, to grow next, for one parameter or for everything.

    With data the plan starts from their posterior, which takes some seconds to sample. Without data it starts from the
    priors: a study file with [plan] in place of [[data]] names thicknesses, bias, noise, quantity and per. Options
    override [plan].

    Expected errors are those of a Gaussian approximation, averaged over the posterior or the priors; with data the
    answer is checked by reweighting. Errors of lengths are those of their logarithm.
    """
    suffixes = [f".{suffix}" for suffix in FORMATS]
    if plot is not None and plot.suffix.lower() not in suffixes:
        raise click.BadParameter(f"{plot}: the name must end in {', '.join(suffixes)}", param_hint="--plot")
    if plot is not None:
        refuse_file(plot, DRAWN)
    from mtjfit.planning import load_plan, plan
    from mtjfit.planning.result import plan_tables
    from mtjfit.study import LogNormal, Study, refuse_nothing_free

    progress(f"reading {study}", quiet)
    loaded, asked = load_plan(study)
    with_data = isinstance(loaded, Study)
    if isinstance(loaded, Study):
        refuse_nothing_free(loaded, "no measurement can make anything better known")
    request = _request(asked, target, thickness, choose, bias, noise)
    behind = None if cap is None else _or_bad("--cap", LogNormal, *_numbers("--cap", cap, ":", 2))
    folder = None if output is None else OutputFolder(output, "plan", _FILES.__contains__, f"{_NAME}.json")
    if folder is not None:
        folder.prepare()
    progress("sampling the posterior" if with_data else "no data: planning from the priors", quiet)
    found = plan(
        loaded, request=request, cap=behind, method="reweight" if reweight else "auto", seed=seed, progress=not quiet
    )
    if folder is not None or plot is not None:
        progress("drawing the figure", quiet)
        _save(found, folder, plot, pdf, loaded.sampling.seed if seed is None else seed)
    if not quiet:
        echo(*plan_tables(found))
        click.echo()
    for note in found.notes:
        echo(note)
    if found.notes:
        click.echo()
    echo(f"Plan: {found.sentence}")


def _request(
    asked: PlanRequest,
    target: str | None,
    thickness: str | None,
    choose: int | None,
    bias: str | None,
    noise: str | None,
) -> PlanRequest:
    """The request of the file, overridden by options."""
    from dataclasses import replace

    from mtjfit.errors import ConfigError
    from mtjfit.study import Noise, grid

    changes: dict[str, object] = {"target": target, "choose": choose}
    if thickness is not None and ":" in thickness:
        changes["thickness"] = _or_bad("--thickness", grid, *_numbers("--thickness", thickness, ":", 3))
    elif thickness is not None:
        changes["thickness"] = tuple(_numbers("--thickness", thickness, ",", None))
    if bias is not None:
        low, high, n = _numbers("--bias", bias, ":", 3)
        changes["bias"] = (low, high, int(n))
    if noise is not None:
        changes["noise"] = _or_bad("--noise", Noise.of, noise)
    try:
        return replace(asked, **{key: each for key, each in changes.items() if each is not None})  # type: ignore[arg-type]
    except ConfigError as error:
        problem = error.problems[0]
        option = f"--{problem.where.removeprefix('plan.')}"
        raise click.BadParameter(f"{problem.what}; {problem.todo}", param_hint=option) from None


def _numbers(option: str, text: str, separator: str, n: int | None) -> list[float]:
    parts = text.split(separator)
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        raise click.BadParameter(f"{text!r} is not made of numbers", param_hint=option) from None
    if n is not None and len(numbers) != n:
        raise click.BadParameter(f"{text!r} has {len(numbers)} numbers, not {n}", param_hint=option)
    return numbers


def _or_bad(option: str, make: Callable[..., T], *arguments: object) -> T:
    try:
        return make(*arguments)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from None


def _save(found: Plan, folder: OutputFolder | None, plot: Path | None, pdf: bool, seed: int) -> None:
    """Figures and tables, the document last."""
    from mtjfit.infer.store.fingerprint import versions
    from mtjfit.plain import csv_bytes
    from mtjfit.planning.plot import plot_plan
    from mtjfit.planning.result import plan_document
    from mtjfit.plot.style import picture_files, render
    from mtjfit.results import provenance
    from mtjfit.study import Study

    figure = plot_plan(found)
    if plot is not None:
        shown = render(figure, plot.suffix.lower().removeprefix("."))  # type: ignore[arg-type]
        write_file(plot, shown, OTHER_FILE, DRAWN)
    if folder is None:
        return
    made_by = (
        dict(provenance(found.study, seed))
        if isinstance(found.study, Study)
        else {"versions": dict(versions()), "seed": seed}
    )
    files = picture_files({_NAME: figure}, pdf) | {"candidates.csv": csv_bytes(found.table)}
    folder.write(files, plan_document(found) | {"provenance": made_by})
