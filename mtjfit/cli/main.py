"""``mtjfit``: the group of all commands. Imports nothing slow: `mtjfit --help` must not wait for lmfit."""

from __future__ import annotations

import click

import mtjfit
from mtjfit.calibration.command import calibrate_command
from mtjfit.cli.check import check
from mtjfit.cli.compare import compare
from mtjfit.cli.datasets import datasets, demo
from mtjfit.cli.identify import identify
from mtjfit.cli.init import init
from mtjfit.cli.run import run
from mtjfit.explorer.command import explore
from mtjfit.paper.command import figures
from mtjfit.planning.command import plan
from mtjfit.spectra.command import spectra
from mtjfit.terminal import Commands
from mtjfit.wafer.commands.batch import batch
from mtjfit.wafer.commands.wafer import wafer

__all__ = ["cli"]

_EPILOG = """\b
Exit codes:
  0 done                      4 the data do not determine what was asked
  2 usage                     5 not converged, or not calibrated
  3 data or configuration   130 interrupted"""


@click.group(cls=Commands, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(mtjfit.__version__, message="mtjfit %(version)s")
def cli() -> None:
    """Fit spin-transfer torque against bias of magnetic tunnel junctions, with honest error bars.

    First time here: mtjfit demo
    """


for _command in (
    demo,
    init,
    check,
    identify,
    plan,
    run,
    compare,
    explore,
    spectra,
    batch,
    wafer,
    calibrate_command,
    datasets,
    figures,
):
    cli.add_command(_command)
