"""The devices of one stack, reduced to sufficient statistics, with their places on the wafers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mtjfit.data import FloatArray
from mtjfit.data.units import Per, Quantity
from mtjfit.model.compress import Compressed
from mtjfit.model.likelihood import full_posterior
from mtjfit.study import Study

__all__ = ["WaferDevices"]


@dataclass(frozen=True, eq=False)
class WaferDevices:
    """Devices of one stack on one or more wafers; the raw points are no longer needed.

    Attributes
    ----------
    device, wafer : tuple of str
        Names; ``""`` where no wafer was declared.
    thickness : ndarray, shape (n_devices,)
        Nominal thicknesses in nm.
    x, y : ndarray, shape (n_devices,)
        Positions in mm from the centre of the wafer, NaN where not declared.
    quantity, per, unit : str
        As declared, the same for all devices.
    """

    device: tuple[str, ...]
    wafer: tuple[str, ...]
    thickness: FloatArray
    x: FloatArray
    y: FloatArray
    data: Compressed
    quantity: Quantity
    per: Per
    unit: str

    @classmethod
    def of(
        cls, study: Study, x: Sequence[float] | FloatArray, y: Sequence[float] | FloatArray, wafer: Sequence[str] = ()
    ) -> WaferDevices:
        """From a study that holds the curves, and the positions of its devices in mm.

        Examples
        --------
        >>> from mtjfit.data import dataset
        >>> from mtjfit.study import load_study
        >>> devices = WaferDevices.of(load_study(dataset("thickness-series").study_file), np.zeros(5), np.zeros(5))
        >>> devices.n, devices.data.R.shape
        (5, (5, 4, 4))
        """
        first = study.curves[0]
        return cls(
            device=study.devices,
            wafer=tuple(wafer) or ("",) * len(study.curves),
            thickness=study.thicknesses,
            x=np.asarray(x, dtype=float),
            y=np.asarray(y, dtype=float),
            data=full_posterior(study).data,
            quantity=first.quantity,
            per=first.per,
            unit=first.unit,
        )

    @property
    def n(self) -> int:
        """Number of devices."""
        return len(self.device)

    @property
    def per_volume(self) -> bool:
        """True where the data carry 1/d."""
        return self.per == "volume"

    @property
    def n_values(self) -> int:
        """Measured numbers that enter."""
        return int(self.data.n.sum())

    @property
    def wafers(self) -> tuple[str, ...]:
        """Names of the wafers, in order of appearance."""
        return tuple(dict.fromkeys(self.wafer))

    def chosen(self, which: np.ndarray) -> WaferDevices:
        """Some of the devices, by a mask or by places."""
        places = np.arange(self.n)[which]
        return replace(
            self,
            device=tuple(self.device[k] for k in places),
            wafer=tuple(self.wafer[k] for k in places),
            thickness=self.thickness[places],
            x=self.x[places],
            y=self.y[places],
            data=self.data.chosen(places),
        )
