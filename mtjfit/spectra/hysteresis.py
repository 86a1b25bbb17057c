"""Sweeps up and down over one resonance compared: how far their lines differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import t as t_distribution

from mtjfit.arrays import FloatArray
from mtjfit.spectra.lines import fit_lines, stacked
from mtjfit.spectra.spectrum import Spectrum
from mtjfit.spectra.study import Hysteresis, LineOptions, SpectrumFit

DIFFERENT = 1e-4
"""p-value below which two sweeps differ."""
_NO_LINE = ("no line was found", "too narrow", "background alone")  # of sweeps that cover a part of the line only


@dataclass(frozen=True)
class _Line:
    """One sweep: centre, half width, s, a and mean background, with their errors."""

    sweep: str
    values: FloatArray
    errors: FloatArray
    dof: int


def hysteresis_of(fits: Sequence[SpectrumFit], options: LineOptions) -> tuple[Hysteresis, ...]:
    """Every set of sweeps over one resonance, each sweep fitted on its own."""
    sweeps: list[tuple[Spectrum, int]] = []
    for fit in fits:
        if fit.spectrum.sweep and not any(word in flag for flag in fit.flags for word in _NO_LINE):
            one = replace(fit.spectrum, x=fit.spectrum.x[fit.used], voltage=fit.spectrum.voltage[fit.used])
            sweeps.append((one, fit.mode))
        sweeps += [(part, fit.mode) for part in fit.spectrum.parts]
    if not sweeps:
        return ()
    x, y, used = stacked([one.x for one, _ in sweeps], [one.voltage for one, _ in sweeps])
    lines = fit_lines(x, y, options.model, used=used)
    level = 4 * options.model.modes
    sets: dict[tuple[object, ...], list[tuple[Spectrum, _Line]]] = {}
    for i, (one, k) in enumerate(sweeps):
        if not lines.converged[i]:
            continue
        values = [lines.centre[i, k], lines.half_width[i, k], lines.s[i, k], lines.a[i, k], *lines.background[i, :1]]
        places = [*range(k, level, options.model.modes), *([level] if options.model.degree >= 0 else [])]
        sd = np.sqrt(np.maximum(np.diagonal(lines.covariance[i])[places], 0.0))
        line = _Line(one.sweep, np.array(values), sd, one.x.size - options.model.n_parameters)
        sets.setdefault((one.label, one.device, one.bias, repr(one.fixed), one.sign), []).append((one, line))
    return tuple(_compared(each) for each in sets.values() if len(each) > 1)


def _compared(sweeps: Sequence[tuple[Spectrum, _Line]]) -> Hysteresis:
    lines = [line for _, line in sweeps]
    up = [line for line in lines if line.sweep.startswith("up")]
    down = [line for line in lines if line.sweep.startswith("down")]
    if not up or not down:
        up, down = [lines[0]], [lines[-1]]
    names = [side[0].sweep if len(side) == 1 else side[0].sweep.split()[0] for side in (up, down)]
    means = [np.mean([line.values for line in side], axis=0) for side in (up, down)]
    variance = sum(np.sum([line.errors**2 for line in side], axis=0) / len(side) ** 2 for side in (up, down))
    difference, errors = means[0] - means[1], np.sqrt(variance)
    dof = max(sum(line.dof for line in (*up, *down)), 1)
    size = np.divide(np.abs(difference), errors, out=np.zeros_like(errors), where=errors > 0)
    p = min(1.0, errors.size * float(np.min(2 * t_distribution.sf(size, dof))))
    return Hysteresis(replace(sweeps[0][0], sweep=""), len(lines), names[0], names[1], difference, errors, p)
