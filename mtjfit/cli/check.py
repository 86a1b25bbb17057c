"""``mtjfit check``: is the study sound, and which parameters do its data determine?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mtjfit.lazy import wing
from mtjfit.terminal import echo, progress

if TYPE_CHECKING:
    from mtjfit.cli.run import Steps

__all__ = ["check_command"]


@click.command(short_help="Say what the data of a study determine.")
@click.argument("study", type=click.Path(path_type=Path), metavar="STUDY.toml")
@click.pass_obj
def check_command(steps: Steps | None, study: Path) -> None:
    """Read a study and its data, fit it, and say what the data determine; writes nothing.

    Of whole wafers, a study file with [wafer], the first devices are read and reduced.

    Takes seconds. Exit code 0 means that study and data are sound, not that everything is determined.
    """
    wafers = wing("wafer.commands.check")
    if wafers is not None and wafers.is_wafer_study(study):
        wafers.check_wafer(study)
        return
    from mtjfit.cli.run import usual_steps
    from mtjfit.results import checks, header, not_determined
    from mtjfit.results.headers import free_lengths
    from mtjfit.results.identify_text import model_test
    from mtjfit.results.tables import device_combinations_table, masks_table, undetermined_table
    from mtjfit.study import NOTHING_FREE, load_study, nothing_free

    progress(f"reading {study}")
    loaded = load_study(study)
    progress(f"fitting {loaded.n_values} values of {len(loaded.curves)} devices")
    fit = (steps or usual_steps()).fit(loaded)
    known = fit.identifiability
    echo(str(header(loaded, fit)), masks_table(loaded), "\nIdentifiability")
    echo(f"{known.rank} of {known.n_parameters} parameters are determined by this design, thicknesses known")
    echo(*(f"  - {words}" for words in not_determined(fit, None)))
    echo(*(table for table in (device_combinations_table(fit), undetermined_table(fit)) if table.rows))
    box = {each.name: str(each) for each in checks(fit, None, None)}
    echo(f"\n{model_test(fit.devices, loaded.amplitudes)}", f"\n{box['χ² plausible']}")
    echo(*(box[name] for name in ("priors agree with the data",) if name in box))
    if nothing_free(loaded):
        echo(f"Next:   {NOTHING_FREE}, so χ² is the only result; to fit anything give it a prior in [parameters]")
    elif loaded.n_thicknesses == 1 and free_lengths(loaded):
        click.echo(f"Next:   mtjfit run {study} --output results   (combinations only: exit code 4)")
    else:
        click.echo(f"Next:   mtjfit run {study} --output results")
