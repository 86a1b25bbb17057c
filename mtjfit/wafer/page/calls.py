"""Python that draws a figure of the page of wafers again, from the folder in which the page lies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mtjfit.html import seen_from
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


def beginning_from(
    catalogue: Path, folder: Path, quantities: Sequence[str], control: Control, configuration: str = ""
) -> str:
    """Lines that make `survey` and `odd` of the catalogue, whose place is written as seen from `folder`."""
    chosen = f", configuration={configuration!r}" if configuration else ""
    return "\n".join([
        "import mtjfit.wafer.plot",
        f"with mtjfit.wafer.open_catalogue({seen_from(folder, catalogue)!r}) as catalogue:",
        f"    survey = mtjfit.wafer.survey_of(catalogue{chosen})",
        f"odd = mtjfit.wafer.odd_devices(survey, {list(quantities)!r}, control={control!r}).among(survey)",
    ])  # fmt: skip
