"""``mtjfit compare``: explanations of one data set side by side."""

from __future__ import annotations

from pathlib import Path

import click

from mtjfit.cli.compare_mechanisms import compare_mechanisms

__all__ = ["compare"]


@click.command(short_help="Compare what could have caused the data.")
@click.argument("studies", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="STUDY.toml...")
@click.option("--mechanisms", "what", flag_value="mechanisms", help="Spin diffusion, asymmetric electrodes, or both.")
@click.option(
    "--with",
    "extra",
    multiple=True,
    metavar="NAME",
    help="Amplitude to add to every mechanism, such as a2; may be repeated.",
)
@click.option("--output", "-o", type=click.Path(path_type=Path), metavar="DIR", help="Folder for numbers and figures.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="Instead of the seed of the study.")
@click.option("--quiet", "-q", is_flag=True, help="No progress; only the conclusions.")
def compare(
    studies: tuple[Path, ...],
    what: str | None,
    extra: tuple[str, ...],
    output: Path | None,
    seed: int | None,
    quiet: bool,
) -> None:
    """Compare explanations of a thickness series.

    --mechanisms: a linear out-of-plane torque from spin diffusion (Eq. 12), from asymmetric electrodes (b1), from
    both, or none. Evidence with its error and what prior widths make of it, prediction of left-out thicknesses, AIC
    and BIC, posterior-predictive checks. Takes about half a minute.

    Exit code 4: the data cannot decide; everything is printed and written. One thickness never can, and is refused.
    5: some number could not be computed well enough.
    """
    if what is None:
        raise click.UsageError("say what to compare: --mechanisms")
    if len(studies) > 1:
        raise click.UsageError(f"--mechanisms compares explanations of one study, not {len(studies)}")
    compare_mechanisms(studies[0], extra, output, seed, quiet)
