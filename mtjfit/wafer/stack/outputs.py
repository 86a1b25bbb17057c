"""What one wants from the posterior of a stack: its devices, the odd ones among them, and lengths without these."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from mtjfit.arrays import BoolArray
from mtjfit.cards import ShownAsCard
from mtjfit.data import Origin
from mtjfit.errors import DataError, Problem, did_you_mean
from mtjfit.multiple_tests import FALSE_ALARM
from mtjfit.plain import csv_frame
from mtjfit.text import counted, some
from mtjfit.wafer.stack.deviations import DEVIATION, device_deviations, device_units, scattered
from mtjfit.wafer.stack.groups import GroupPosteriors
from mtjfit.wafer.stack.odd import WithoutOdd, lengths_without
from mtjfit.wafer.stack.posterior import WaferPosterior
from mtjfit.wafer.stack.predictive import predictive_check
from mtjfit.wafer.stack.sample import StackPosterior
from mtjfit.wafer.survey.survey import Survey

_CHECKED = ["chi2", "dof", "p_value", "p_adjusted", "odd", "k_hat", "predicted_by"]


@dataclass(frozen=True, eq=False)
class StackOutputs(ShownAsCard):
    """Devices of a stack and its lengths.

    Attributes
    ----------
    devices : DataFrame
        One row for each device: columns of `device_deviations`, then those of `predictive_check`.
    lengths : WithoutOdd
        With all devices and without the odd ones.
    """

    posterior: StackPosterior
    devices: pd.DataFrame
    lengths: WithoutOdd

    @classmethod
    def of(
        cls, posterior: StackPosterior, sample: Callable[[WaferPosterior], StackPosterior] | None = None
    ) -> StackOutputs:
        """All of a posterior; `sample` as of `lengths_without`."""
        checked = predictive_check(posterior)
        devices = device_deviations(posterior).join(checked[_CHECKED])
        return cls(posterior, devices, lengths_without(posterior, checked["odd"].to_numpy(), sample=sample))

    @property
    def odd(self) -> BoolArray:
        """True for odd devices, shape (n_devices,)."""
        return self.devices["odd"].to_numpy(dtype=bool)

    @property
    def units(self) -> dict[str, str]:
        """Units of the columns of `devices`."""
        return device_units(self.posterior.model)

    @property
    def scattered(self) -> tuple[str, ...]:
        """What has a deviation from the smooth surface: ``thickness``, amplitudes that scatter."""
        return scattered(self.posterior.model)

    @property
    def says(self) -> str:
        """The number of odd devices, with the first of them, and the bound on false alarms."""
        n, share = int(self.odd.sum()), f"{100 * FALSE_ALARM:.0f} %"
        who = f"The others predict each of {len(self.devices)} devices"
        if n:
            who = f"{counted(n, 'device')} of {len(self.devices)} ({some(self.lengths.odd)}): not as the others predict"
        return f"{who}; of stacks without odd devices, {share} at most have one (Holm's correction)."

    def survey(self, origins: tuple[Origin, ...] = (Origin(),), name: str = "stack") -> Survey:
        """Deviations from the smooth surface as quantities of a survey, for `mtjfit.wafer.plot.plot_wafer_map`.

        Quantities are named by `surface_quantity`; the column ``odd`` marks the odd ones.
        """
        return _surface_survey(self.devices, self.units, origins, name)


def _surface_survey(devices: pd.DataFrame, units: Mapping[str, str], origins: tuple[Origin, ...], name: str) -> Survey:
    """Deviations from the smooth surface as quantities of a survey, of a table such as `StackOutputs.devices`."""
    frame = devices[["device", "wafer", "x", "y", "odd"]].assign(thickness=devices["thickness_nominal"])
    its = {"x": "mm", "y": "mm", "thickness": "nm"}
    for column in [each for each in devices.columns if each.endswith(DEVIATION)]:
        quantity = surface_quantity(column.removesuffix(DEVIATION))
        frame[quantity] = devices[column]
        frame[f"{quantity}_sd"] = devices[f"{column}_sd"]
        its[quantity] = units[column]
    return Survey(name, frame, its, origins=origins)


def load_stack_devices(path: str | Path, split: str = "", origins: tuple[Origin, ...] = (Origin(),)) -> Survey:
    """Devices of a stack from ``stack-devices.csv``, for maps with `mtjfit.wafer.plot.plot_wafer_map`.

    The same as `StackOutputs.survey`, to the last digit, without a posterior.

    Parameters
    ----------
    split : str
        Split of the stack; empty for a stack without a name.
    origins : tuple of Origin
        Whether the devices were measured, with the notes that the table does not hold, as of
        `mtjfit.wafer.Catalogue.origins`.

    Raises
    ------
    DataError
        The table is of something else, damaged, or does not hold the split.

    Examples
    --------
    >>> import tempfile
    >>> columns = "split,device,wafer,x (mm),y (mm),thickness_nominal (nm),a1_deviation (relative)"
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "stack-devices.csv"
    ...     _ = file.write_text(f"{columns},a1_deviation_sd (relative),odd\\nA,D1,W1,0.5,-5,1.6,0.03,0.01,True\\n")
    ...     stack = load_stack_devices(file, "A")
    >>> stack.quantities, stack.unit(stack.quantities[0]), stack.frame["odd"].tolist()
    (('a1 less its smooth surface',), 'relative', [True])
    """
    needed = ("split", "device", "wafer", "odd", "x (mm)", "y (mm)", "thickness_nominal (nm)")
    table = csv_frame(path, "stack-devices.csv", needed, ("split", "device", "wafer", "predicted_by", "origin"))
    # columns of what only other splits have are empty
    mine = table[table["split"] == split].dropna(axis=1, how="all")
    if mine.empty:
        raise DataError([Problem(str(path), f"holds no split {split!r}", did_you_mean(split, set(table["split"])))])
    names, units = [], {}
    for header in mine.columns:
        name, _, unit = header.removesuffix(")").partition(" (")
        names.append(name)
        units[name] = unit
    known = mine.set_axis(names, axis=1).reindex(columns=list(dict.fromkeys([*names, "x", "y", "thickness_nominal"])))
    return _surface_survey(known, units, origins, split or "stack")


def surface_quantity(name: str) -> str:
    """Name of a deviation from the smooth surface on maps.

    >>> surface_quantity("a1")
    'a1 less its smooth surface'
    """
    return f"{name} less its smooth surface"


def group_outputs(
    posteriors: GroupPosteriors, sample: Callable[[WaferPosterior], StackPosterior] | None = None
) -> dict[str, StackOutputs]:
    """Outputs of every split whose posterior converged, by split; `sample` as of `lengths_without`."""
    converged = {split: one for split, one in posteriors.posteriors.items() if one.verdict.converged}
    return {split: StackOutputs.of(one, sample) for split, one in converged.items()}
