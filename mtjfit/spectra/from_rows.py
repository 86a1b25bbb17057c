"""Rows of one device, bias and value held as spectra: one for each sweep and sign of the field, or their mean."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from mtjfit.errors import DataError, Problem
from mtjfit.spectra.rows import SpectrumRows, line_of
from mtjfit.spectra.spectrum import Against, Spectrum, branches, side_of_all
from mtjfit.spectra.study import LineOptions
from mtjfit.spectra.sweeps import legs, mean_of
from mtjfit.text import counted

_TURNS = 'the abscissa turns round: each sweep is a spectrum; confirm with sweeps = "separate", or set "average"'
TOO_FEW = "mask its rows, leave the file out with leave_out, widen line.range, or fit fewer modes"
"""Remedy for a spectrum of too few points."""


def spectra_of(
    rows: SpectrumRows, file: str, label: str, against: Against, options: LineOptions, notes: list[tuple[str, str]]
) -> Iterator[Spectrum]:
    """One spectrum, or one for each sweep and sign of the field; in their place the mean of the sweeps."""
    least = options.model.n_parameters + 4
    _refuse_frequencies(rows, file, against, options)
    places = legs(rows.x, least)
    whole = Spectrum(rows.device, rows.bias, against, rows.x, options.output * rows.voltage, rows.fixed, 1, label)
    if not places:
        if options.sweeps is not None:
            todo = "sort its rows, or remove sweeps"
            raise DataError([Problem(line_of(file, rows.lines), "has rows in no order of the abscissa", todo)])
        notes.append((file, "rows are in no order of the abscissa; taken as one sweep"))
    _refuse_short_side(rows, file, against, least)
    if len(places) < 2:
        yield from branches(whole, least)
        return
    parts: list[Spectrum] = []
    for leg in places:
        k = slice(leg.start, leg.stop)
        place = line_of(file, rows.lines[k])
        if leg.stop - leg.start < least:
            what = f"begins a sweep {leg.name} of {counted(leg.stop - leg.start, 'point')}; {least} are needed"
            raise DataError([Problem(place, what, TOO_FEW)])
        one = replace(whole, x=rows.x[k], voltage=options.output * rows.voltage[k], sweep=leg.name, label=place)
        parts += [replace(each, label=label) for each in branches(one, least)]
    if options.sweeps == "average":
        yield from (mean_of([each for each in parts if each.sign == sign]) for sign in (1, -1)
                    if any(each.sign == sign for each in parts))  # fmt: skip
        return
    if options.sweeps is None:
        notes.append((line_of(file, rows.lines[places[1].start :]), _TURNS))
    yield from parts


def _refuse_frequencies(rows: SpectrumRows, file: str, against: Against, options: LineOptions) -> None:
    """DataError for frequencies below zero, and for zero where the line is an oscillator's."""
    if against == "field":
        return
    wrong = rows.x <= 0 if options.model.form == "oscillator" else rows.x < 0
    if np.any(wrong):
        what = f"has a frequency of {rows.x[wrong][0] / rows.unit:g}"
        todo = 'set against = "field" if it is one, or mask the row'
        raise DataError([Problem(line_of(file, rows.lines[wrong]), what, todo)])


def _refuse_short_side(rows: SpectrumRows, file: str, against: Against, least: int) -> None:
    """DataError with the rows of a field sweep on a side of zero where too few are for a spectrum."""
    if against == "frequency" or side_of_all(rows.x):
        return
    problems = []
    for word, side in (("positive", rows.x >= 0), ("negative", rows.x < 0)):
        lines = rows.lines[side]
        if lines.size < least:
            what = f"has {counted(lines.size, 'point')} at {word} field; {least} are needed on a side of zero"
            todo = (
                f'mask = [{{ lines = [{lines.min()}, {lines.max()}], reason = "…" }}] under [[files]] leaves them out'
            )
            if lines.max() - lines.min() + 1 > lines.size:
                ends = sorted(rows.x[side] / rows.unit, key=abs)
                low, high = sorted((0.5 * ends[0], 1.01 * ends[-1]))
                todo = f'mask = [{{ x = [{low:.4g}, {high:.4g}], reason = "…" }}] under [[files]] leaves them out'
            problems.append(Problem(line_of(file, lines), what, todo))
    if len(problems) == 2:
        todo = "leave the file out with leave_out, give more points, or fit fewer modes"
        problems = [Problem(each.where, each.what, todo) for each in problems]
    if problems:
        raise DataError(problems)


def cut_to(spectrum: Spectrum, limits: tuple[float, float]) -> Spectrum:
    """The points in ``line.range``; DataError where there are fewer than three."""
    inside = (spectrum.x >= limits[0]) & (spectrum.x <= limits[1])
    if np.unique(spectrum.x[inside]).size < 3:
        todo = "correct line.range; it is in the unit of x"
        raise DataError([Problem(spectrum.label, "has no points in line.range", todo)])
    return spectrum.within(*limits)
