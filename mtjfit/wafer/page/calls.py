"""Python that draws a figure of the page of wafers again, from the folder in which the page lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mtjfit.html import seen_from
from mtjfit.wafer.survey.curves import DeviceCurve
from mtjfit.wafer.survey.limits import Control

_CALLS = {
    "control": "mtjfit.wafer.plot.plot_control(survey, {name!r})",
    "map": "mtjfit.wafer.plot.plot_wafer_map(survey, {name!r}, odd=odd)",
    "smooth": "mtjfit.wafer.plot.plot_smooth(survey, {name!r}, odd=odd)",
    "histogram": "mtjfit.wafer.plot.plot_splits(survey, {name!r})",
}


def quantity_call(kind: str, quantity: str) -> str:
    """The line that draws a figure of a quantity; `kind` is the beginning of its file name."""
    return _CALLS[kind].format(name=quantity)


def curve_call(curve: DeviceCurve) -> str:
    """The line that draws the curve of a device."""
    return f"mtjfit.wafer.plot.plot_device_curve(curves.found[{curve.wafer!r}, {curve.device!r}], survey)"


@dataclass(frozen=True)
class Beginnings:
    """First lines of the programs of a page that lies in `folder`, with the options that the page was made with."""

    catalogue: Path
    folder: Path
    quantities: Sequence[str] = ()
    control: Control = "holm"
    configuration: str = ""

    def _opened(self, *lines: str) -> str:
        """Lines that read something of the catalogue, whose place is written as seen from the folder."""
        opening = f"with mtjfit.wafer.open_catalogue({seen_from(self.folder, self.catalogue)!r}) as catalogue:"
        return "\n".join(["import mtjfit.wafer.plot", opening, *(f"    {line}" for line in lines)])

    @property
    def _survey(self) -> str:
        return f"survey = mtjfit.wafer.survey_of(catalogue{self._chosen})"

    @property
    def _chosen(self) -> str:
        return f", configuration={self.configuration!r}" if self.configuration else ""

    def of_quantities(self) -> str:
        """Lines that make `survey` and `odd`."""
        found = f"mtjfit.wafer.odd_devices(survey, {list(self.quantities)!r}, control={self.control!r})"
        return f"{self._opened(self._survey)}\nodd = {found}.among(survey)"

    def of_curve(self, curve: DeviceCurve) -> str:
        """Lines that make `survey`, and `curves` of one device from the table in which it was found."""
        table = f"table={seen_from(self.folder, Path(curve.table))!r}"
        read = f"mtjfit.wafer.curves_of(catalogue, [{(curve.wafer, curve.device)!r}], survey, {table}{self._chosen})"
        return self._opened(self._survey, f"curves = {read}")

    def of_stacks(self, reading: str) -> str:
        """Lines that make `origins`, and what `reading` makes of a table beside the page."""
        chosen = repr(self.configuration) if self.configuration else ""
        return f"{self._opened(f'origins = catalogue.origins({chosen})')}\n{reading}"
