"""``mtjfit``: the group of all commands. Imports nothing slow: `mtjfit --help` must not wait for lmfit."""

from __future__ import annotations

import click

import mtjfit
from mtjfit.calibration.command import calibrate
from mtjfit.cli.check import check
from mtjfit.cli.compare import compare_command
from mtjfit.cli.datasets import datasets_command, demo
from mtjfit.cli.identify import identify
from mtjfit.cli.init import init
from mtjfit.cli.run import run
from mtjfit.explorer.command import explore_command
from mtjfit.paper.command import figures_command
from mtjfit.planning.command import plan_command
from mtjfit.spectra.command import spectra_command
from mtjfit.terminal import Commands
from mtjfit.wafer.commands.batch import batch_command
from mtjfit.wafer.commands.wafer import wafer_command

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
    plan_command,
    run,
    compare_command,
    explore_command,
    spectra_command,
    batch_command,
    wafer_command,
    calibrate,
    datasets_command,
    figures_command,
):
    cli.add_command(_command)
