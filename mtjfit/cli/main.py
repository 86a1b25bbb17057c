"""``mtjfit``: the group of all commands. Imports nothing slow, so that ``mtjfit --help`` answers at once."""

from __future__ import annotations

import click

from mtjfit.cli.commands import Commands
from mtjfit.lazy import wing
from mtjfit.version import __version__

_EPILOG = """\b
Exit codes:
  0 done                              4 the data do not determine what was asked
  2 usage                             5 not converged, or not calibrated
  3 data, configuration or output   130 interrupted"""

_COMMANDS = (
    "cli.first_steps:demo",
    "cli.first_steps:init",
    "cli.identify:check",
    "cli.identify:identify",
    "planning.command:plan",
    "cli.run:run",
    "cli.report:report",
    "cli.compare:compare",
    "explorer.command:explore",
    "spectra.command:spectra",
    "wafer.commands.batch:batch",
    "wafer.commands.wafer:wafer",
    "calibration.command:calibrate",
    "cli.first_steps:datasets",
    "cli.schema:schema",
    "cli.cite:cite",
    "paper.command:figures",
)
"""Module and name of each command; its function is ``<name>_command``."""


@click.group(cls=Commands, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"], "color": True})
@click.version_option(__version__, message="mtjfit %(version)s")
def cli() -> None:
    """Fit spin-transfer torque against bias of magnetic tunnel junctions, with honest error bars.

    First time here: mtjfit demo
    """


for _place in _COMMANDS:
    _module, _, _name = _place.partition(":")
    if (_found := wing(_module)) is not None:  # a command is absent if its folder was deleted
        cli.add_command(getattr(_found, f"{_name}_command"), _name)
