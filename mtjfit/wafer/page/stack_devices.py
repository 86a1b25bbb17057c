"""Devices of stacks on the page of wafers: deviations, odd ones, lengths without these, and pictures."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from mtjfit.data import Origin, pretty
from mtjfit.data.origin import kinds
from mtjfit.text import Table, number, p_text, value_with_error
from mtjfit.wafer.plot.beside import plot_beside
from mtjfit.wafer.plot.map import plot_wafer_map
from mtjfit.wafer.stack.beside import FIT, FitsBesidePosterior
from mtjfit.wafer.stack.deviations import DEVIATION, SCORE, with_units
from mtjfit.wafer.stack.odd import bounded_text
from mtjfit.wafer.stack.outputs import StackOutputs, surface_quantity

DEVICE_TABLES = ("stack-devices.csv", "stack-lengths.csv", "stack-fits-beside-posteriors.csv")
_MOST_DEVICES = 40
_MOST_MAPS = 6  # splits with maps


@dataclass(frozen=True)
class StackPicture:
    """One picture of the section on stacks: name of its file, how to draw it, caption and alternative text.

    `call` draws it in Python, from what `reading` makes of a table beside the page and of ``origins``.
    """

    name: str
    draw: Callable[[], Figure]
    caption: str
    alt: str
    call: str
    reading: str


def device_frames(
    outputs: Mapping[str, StackOutputs], beside: FitsBesidePosterior, origins: tuple[Origin, ...]
) -> dict[str, pd.DataFrame]:
    """Tables with all digits by file name; those of devices have their units in the headers."""
    devices = [with_units(one.devices, one.units).assign(split=split) for split, one in outputs.items()]
    lengths = [one.lengths.table.assign(split=split) for split, one in outputs.items()]
    found = {}
    for name, parts in zip(DEVICE_TABLES, (devices, lengths), strict=False):
        if parts:
            found[name] = pd.concat(parts, ignore_index=True).assign(origin=kinds(origins))
    if not beside.table.empty:
        found[DEVICE_TABLES[2]] = beside.table
    return found


def device_tables(outputs: Mapping[str, StackOutputs], beside: FitsBesidePosterior) -> tuple[Table, ...]:
    """For the page and the terminal: the devices that depart most, lengths without odd ones, fits alone."""
    found = [_devices(split, one) for split, one in outputs.items()]
    return tuple(table for table in (*found, _lengths(outputs), _beside(beside)) if table.rows)


def _devices(split: str, one: StackOutputs) -> Table:
    rows, table = [], one.devices.sort_values("p_value", kind="stable")
    for row in table.head(_MOST_DEVICES).to_dict("records"):
        cells = [str(row["device"]), str(row["wafer"]), "yes" if row["odd"] else "no"]
        cells += [p_text(float(row["p_adjusted"])), p_text(float(row["p_value"])), f"{row['chi2']:.1f} / {row['dof']}"]
        for name in one.scattered:
            away = value_with_error(float(row[name + DEVIATION]), float(row[f"{name}{DEVIATION}_sd"]))
            cells += [away, value_with_error(float(row[name + SCORE]), float(row[f"{name}{SCORE}_sd"]))]
        rows.append(tuple(cells))
    header = ["device", "wafer", "odd", "p (Holm)", "p", "χ² / dof"]
    for name in one.scattered:
        unit = pretty(one.units[name + DEVIATION])
        header += [f"{name} less its surface ({unit})", "in sd of the scatter"]
    more = len(table) - len(rows)
    note = (
        f"{one.says} Posterior mean ± sd of the deviation from the smooth surface. χ²: the data of the device against "
        "what the others predict, with thickness and amplitudes from the scatter, not fitted to it."
    )
    note += f" The other {more} devices are in {DEVICE_TABLES[0]}." if more else ""
    return Table(f"Devices of {split or 'the stack'}", tuple(header), tuple(rows), note)


def _lengths(outputs: Mapping[str, StackOutputs]) -> Table:
    rows = []
    for split, one in outputs.items():
        for row in one.lengths.table.to_dict("records") if one.lengths.odd else ():
            change = float(row["change_in_errors"])
            rows.append((split or "all", str(row["parameter"]), bounded_text(row, "_with"),
                         bounded_text(row, "_without"), f"{change:+.1f}" if np.isfinite(change) else "",
                         one.lengths.how))  # fmt: skip
    note = "Median and 90 % interval. Change of the median in errors of the length without odd devices."
    header = ("split", "parameter", "with all devices", "without odd ones", "change (errors)", "how")
    return Table("Lengths without odd devices", header, tuple(rows), note)


def _beside(beside: FitsBesidePosterior) -> Table:
    rows = []
    for row in beside.table.to_dict("records"):
        away = float(row["difference_in_errors"])
        rows.append((str(row["parameter"]), str(row["split"]) or "all", str(row["source"]), bounded_text(row),
                     f"{away:+.1f}" if np.isfinite(away) else ""))  # fmt: skip
    note = "Of a fit: its value and 1.645 errors on either side, and its difference from the posterior in its errors."
    header = ("parameter", "split", "source", "median (90 %)", "difference (errors)")
    return Table("Fits alone and posteriors", header, tuple(rows), note)


def device_notes(outputs: Mapping[str, StackOutputs]) -> tuple[str, ...]:
    """Sentences on odd devices and on each length without them."""
    said = []
    for split, one in outputs.items():
        who = split or "all devices"
        if one.lengths.odd:
            said += [f"{who}: {one.says}", *(f"{who}: {sentence}" for sentence in one.lengths.sentences())]
    return tuple(said)


def device_pictures(
    outputs: Mapping[str, StackOutputs], beside: FitsBesidePosterior, origins: tuple[Origin, ...]
) -> Iterator[StackPicture]:
    """Intervals of fits and posteriors; maps of deviations of the first six splits whose devices have positions."""
    if not beside.table.empty:
        caption = "Lengths and amplitudes: fits of splits alone, and posteriors."
        alt, call = _beside_alt(beside), "mtjfit.wafer.plot.plot_beside(beside)"
        reading = f'beside = mtjfit.wafer.load_beside("{DEVICE_TABLES[2]}", origins)'
        yield StackPicture("stack-intervals", lambda: plot_beside(beside), caption, alt, call, reading)
    for place, (split, one) in enumerate(list(outputs.items())[:_MOST_MAPS]):
        survey, who = one.survey(origins, split), split or "the stack"
        reading = f'stack = mtjfit.wafer.load_stack_devices("{DEVICE_TABLES[0]}", {split!r}, origins)'
        for name in one.scattered if survey.placed.any() else ():
            quantity = surface_quantity(name)
            caption = f"{who}: {quantity}. Devices that the others do not predict have a ring."
            slug = re.sub(r"[^a-z0-9]+", "-", f"{place + 1}-{name}".lower())
            draw = _map_of(one, quantity, origins, split)
            odd = 'odd=stack.frame["odd"].to_numpy(), kind="diverging"'
            call = f"mtjfit.wafer.plot.plot_wafer_map(stack, {quantity!r}, {odd})"
            yield StackPicture(f"stack-map-{slug}", draw, caption, _map_alt(who, one, name), call, reading)


def _map_of(one: StackOutputs, quantity: str, origins: tuple[Origin, ...], split: str) -> Callable[[], Figure]:
    return lambda: plot_wafer_map(one.survey(origins, split), quantity, odd=one.odd, kind="diverging")


def _map_alt(who: str, one: StackOutputs, name: str) -> str:
    """A map in words."""
    away, unit = one.devices[name + DEVIATION], pretty(one.units[name + DEVIATION])
    low, middle, high = (number(float(each), 2) for each in away.quantile([0.0, 0.5, 1.0]))
    ends = f"from {low} to {high}, median {middle} ({unit})"
    return f"Map of {surface_quantity(name)} over the wafer, {who}: {ends}. {one.says}"


def _beside_alt(beside: FitsBesidePosterior) -> str:
    """The intervals in words."""
    shown = beside.table.head(12).to_dict("records")
    said = [f"{row['parameter']}, {row['split'] or 'all'}, {row['source']}: {bounded_text(row)}" for row in shown]
    more = len(beside.table) - len(said)
    n = int((beside.table["source"] == FIT).sum())
    return f"Intervals, {n} of them of fits alone. {'; '.join(said)}" + (f"; and {more} more." if more else ".")
