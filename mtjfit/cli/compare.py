"""``mtjfit compare``: mechanisms or devices of one study, several studies, or wafers."""

from __future__ import annotations

from pathlib import Path

import click

from mtjfit.errors import MtjfitError
from mtjfit.lazy import wing
from mtjfit.terminal import with_pdf


@click.command("compare", short_help="Compare mechanisms, devices, data sets, or wafers.")
@click.argument(
    "studies", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="STUDY.toml... | CATALOGUE.db..."
)
@click.option("--mechanisms", "what", flag_value="mechanisms", help="Spin diffusion, asymmetric electrodes, or both.")
@click.option("--devices", "what", flag_value="devices", help="What each device determines, pairs, odd devices.")
@click.option("--bias", type=float, help="Of T_perp/T_par and the odd part, in V; with --devices.")
@click.option(
    "--share",
    "shared",
    multiple=True,
    metavar="LENGTH",
    help="With several studies: a length that is the same in all; may be repeated. Default: all they have in common.",
)
@click.option(
    "--with",
    "extra",
    multiple=True,
    metavar="NAME",
    help="Amplitude to add to every mechanism, such as a2; may be repeated.",
)
@click.option(
    "--quantity", "quantities", multiple=True, metavar="NAME", help="Column of catalogues to compare; may be repeated."
)
@click.option(
    "--own-error", type=click.FloatRange(0.0, 1.0), metavar="SHARE", help="Relative error that a wafer's devices share."
)
@click.option(
    "--common-error", type=click.FloatRange(0.0, 1.0), metavar="SHARE", help="Relative error that all wafers share."
)
@click.option("--output", "-o", type=click.Path(path_type=Path), metavar="DIR", help="Folder for numbers and figures.")
@with_pdf
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="Instead of the seed of the study.")
@click.option("--quiet", "-q", is_flag=True, help="No progress; only the conclusions.")
def compare_command(
    studies: tuple[Path, ...],
    what: str | None,
    bias: float | None,
    shared: tuple[str, ...],
    extra: tuple[str, ...],
    quantities: tuple[str, ...],
    own_error: float | None,
    common_error: float | None,
    output: Path | None,
    pdf: bool,
    seed: int | None,
    quiet: bool,
) -> None:
    """Compare explanations or devices of one study, several studies, or the wafers of catalogues (FILE).

    --mechanisms: a linear out-of-plane torque from spin diffusion (Eq. 12), from asymmetric electrodes (b1), from
    both, or none. Evidence with its error and its dependence on prior widths, prediction of left-out thicknesses, AIC
    and BIC, posterior-predictive checks. Takes about half a minute.

    --devices: slope ratio, amplitudes and asymmetry of every device, each alone and with the common lengths; pairs with
    the probability of their direction, devices that the others do not predict, and what follows for applications.

    Two or more studies: converted to common conventions, or refused with the reason; common lengths of each alone and
    of all together, and a tension that does not depend on prior widths. Torque and torkance, per device and per volume
    go together.

    Catalogues (`mtjfit batch`): mean and spread of every wafer, pairs with the probability of their direction, errors
    that devices of a wafer or all wafers share kept apart.

    Exit code 4: the data cannot decide; everything is printed and written. One thickness never can, and is refused.
    5: some number could not be computed well enough.
    """
    of_wafers = bool(quantities) or own_error is not None or common_error is not None
    wafers, comparison = wing("wafer.commands.compare"), wing("comparison.command")
    catalogues = [wafers is not None and wafers.is_catalogue(each) for each in studies]
    if wafers is not None and any(catalogues):
        if not all(catalogues):
            raise click.UsageError("name catalogues or studies, not both")
        if what is not None or shared or extra or bias is not None or seed is not None:
            raise click.UsageError("only --quantity, --own-error, --common-error and --output are about catalogues")
        wafers.compare_catalogues(studies, quantities, own_error or 0.0, common_error or 0.0, output, quiet, pdf)
        return
    if of_wafers:
        raise click.UsageError("--quantity, --own-error and --common-error are about catalogues of wafers")
    if comparison is None:
        raise MtjfitError("a comparison of studies needs mtjfit.comparison, which this installation was built without")
    if len(studies) > 1:
        if what is not None or extra or bias is not None:
            raise click.UsageError("--mechanisms, --devices, --bias and --with are about one study")
        comparison.compare_studies_command(studies, shared, output, seed, quiet, pdf)
        return
    if what is None:
        raise click.UsageError("choose --mechanisms or --devices, or name two or more studies")
    if shared:
        raise click.UsageError("--share is about several studies")
    if what == "devices":
        if extra:
            raise click.UsageError("--with is about mechanisms")
        comparison.compare_devices_command(studies[0], bias, output, seed, quiet, pdf)
        return
    if bias is not None:
        raise click.UsageError("--bias goes with --devices")
    comparison.compare_mechanisms_command(studies[0], extra, output, seed, quiet, pdf)
