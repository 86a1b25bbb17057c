"""What one wants from the posterior of a stack: its devices, the odd ones among them, and lengths without these."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from mtjfit.arrays import BoolArray
from mtjfit.cards import ShownAsCard
from mtjfit.data import Origin
from mtjfit.multiple_tests import FALSE_ALARM
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

        Quantities are named by `surface_quantity`; `odd` marks the odd ones.
        """
        frame = self.devices[["device", "wafer", "x", "y"]].assign(thickness=self.devices["thickness_nominal"])
        units = {"x": "mm", "y": "mm", "thickness": "nm"}
        for each in self.scattered:
            quantity = surface_quantity(each)
            frame[quantity] = self.devices[each + DEVIATION]
            frame[f"{quantity}_sd"] = self.devices[f"{each}{DEVIATION}_sd"]
            units[quantity] = self.units[each + DEVIATION]
        return Survey(name, frame, units, origins=origins)


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
