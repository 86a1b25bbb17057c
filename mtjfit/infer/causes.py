"""Likely causes of a misfit, each tried: what the fit would be if it were the cause.

A study whose model fails, or whose residuals show a pattern, is fitted again with one thing changed at a time: the
other quantity, the other perp_axis, the components exchanged, one more amplitude, one kind of pattern taken off; where
nothing of that makes it fit well, the components of one device exchanged; then one device left out; and where that
does not either, amplitudes that differ from device to device. The cause that leaves the best fit comes first; one after
which a pattern remains comes after those that leave none.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np

from mtjfit.data import TorqueCurve
from mtjfit.infer.assumptions import amplitude_size
from mtjfit.infer.optimum import as_other_quantity, flipped
from mtjfit.model.equivalent_noise import least_squares_model
from mtjfit.model.patterns import Pattern, without_pattern
from mtjfit.study import DOF, SCATTER, LogNormal, Normal, Parameter, Study

P_BAD = 1e-3
"""p-value below which the model does not describe the data."""
CauseKind: TypeAlias = Literal["quantity", "perp_axis", "components", "amplitude", "pattern", "device", "scatter"]
_TRIED = ("b0", "a2", "b1", "a3", "b3")
_LEAST_DEVICES, _MOST_DEVICES = 4, 20  # of fewer the odd one cannot be told, of more each fit takes too long
_SCATTER = LogNormal(0.05, 2.0)  # least squares does not use it: each device has an amplitude of its own
_WELL = 0.05  # p above which nothing else is looked for
_SMALLER = 2.0  # factor by which χ² per degree of freedom must fall for a cause that leaves a bad fit


@dataclass(frozen=True)
class Outcome:
    """How well a changed study is described: p-value, χ² per degree of freedom, and whether a pattern is left."""

    p_value: float
    chi2_per_dof: float
    has_pattern: bool

    @property
    def is_good(self) -> bool:
        """True where nothing is wrong any more."""
        return self.p_value >= P_BAD and not self.has_pattern

    @property
    def rank(self) -> tuple[bool, float, float]:
        """Smaller is better."""
        p = 0.0 if math.isnan(self.p_value) else self.p_value
        return self.has_pattern, -p, self.chi2_per_dof


@dataclass(frozen=True)
class Cause:
    """One thing that may be wrong, and how well the model would describe the data if it were.

    `name` is that of an amplitude, a device or a kind of pattern, or those of amplitudes that scatter, with commas;
    empty for quantity and perp_axis, and for the components of all devices. `helps`: it explains everything, or makes
    χ² per degree of freedom much smaller.
    """

    kind: CauseKind
    name: str
    outcome: Outcome
    helps: bool

    @property
    def explains(self) -> bool:
        """True where nothing would be wrong any more."""
        return self.outcome.is_good


def _changed(study: Study, patterns: Sequence[Pattern]) -> Iterator[tuple[CauseKind, str, Study]]:
    """Every change that is tried, the simplest first."""
    model = least_squares_model(study)
    other = as_other_quantity(model)
    if other is not None:
        yield "quantity", "", other.study
    if _both_measured(study):
        yield "perp_axis", "", flipped(model).study
        yield "components", "", study.replace(curves=tuple(map(with_exchanged_components, study.curves)))
    for kind in dict.fromkeys(each.kind for each in patterns if each.kind in ("points", "drift", "sweeps")):
        yield "pattern", kind, without_pattern(study, kind)
    named = {f"{'a' if each.component == 'par' else 'b'}{each.kind[-1]}" for each in patterns if each.kind[:2] == "V^"}
    for name in _TRIED:
        size = amplitude_size(study, name)
        if name not in study.parameters and size > 0 and (name[-1] != "3" or name in named):
            free = Parameter(name, Normal(0.0, size))
            yield "amplitude", name, study.replace(parameters={**study.parameters, name: free})


def _both_measured(study: Study) -> bool:
    return all(curve.measured.any(axis=1).all() for curve in study.curves)


def with_exchanged_components(curve: TorqueCurve) -> TorqueCurve:
    """The curve if its columns of T_par and T_perp had been named the other way round, with their errors."""
    sign, n = (1.0 if curve.declared_perp_axis == "MxP" else -1.0), curve.bias.size
    turned = np.r_[n : 2 * n, :n]  # out-of-plane values first
    return replace(
        curve, par=sign * curve.perp, perp=sign * curve.par, sigma_par=curve.sigma_perp, sigma_perp=curve.sigma_par,
        covariance=None if curve.covariance is None else curve.covariance[np.ix_(turned, turned)],
        used_values=curve.used_values[::-1],
    )  # fmt: skip


def _exchanged_in_a_device(study: Study) -> Iterator[tuple[CauseKind, str, Study]]:
    if _LEAST_DEVICES <= study.n_devices <= _MOST_DEVICES and _both_measured(study):
        for device in _devices(study):
            curves = (with_exchanged_components(curve) if curve.device == device else curve for curve in study.curves)
            yield "components", device, study.replace(curves=tuple(curves))


def _devices(study: Study) -> tuple[str, ...]:
    return tuple(dict.fromkeys(curve.device for curve in study.curves))


def _without_a_device(study: Study) -> Iterator[tuple[CauseKind, str, Study]]:
    if _LEAST_DEVICES <= study.n_devices <= _MOST_DEVICES:
        for device in _devices(study):
            yield "device", device, study.replace(curves=tuple(c for c in study.curves if c.device != device))


def _with_scatter(study: Study) -> Iterator[tuple[CauseKind, str, Study]]:
    """Amplitudes of devices that differ: each amplitude alone, then all of them."""
    several_curves = len({curve.device for curve in study.curves}) < len(study.curves)
    if several_curves or DOF in study.parameters or not _LEAST_DEVICES <= study.n_devices <= _MOST_DEVICES:
        return  # beside several curves or Student-t errors scatter cannot be declared
    amplitudes = [study.parameters[name] for name in study.amplitudes if SCATTER + name not in study.parameters]
    shared = [one.name for one in amplitudes if one.scope == "shared" and one.value != 0]
    together = [shared] if len(shared) > 1 else []
    for names in [*([name] for name in shared), *together]:
        added = {SCATTER + name: Parameter(SCATTER + name, _SCATTER) for name in names}
        yield "scatter", ", ".join(names), study.replace(parameters={**study.parameters, **added})


def likely_causes(
    study: Study, patterns: Sequence[Pattern], before: float, judge: Callable[[Study], Outcome]
) -> tuple[Cause, ...]:
    """What may be wrong with a study that the model does not describe, or that shows `patterns`; the likeliest first.

    `before` is its χ² per degree of freedom; `judge` fits a changed study. Causes that do not help are returned, too.
    """
    found: list[Cause] = []
    simplest = (_changed(study, patterns), _exchanged_in_a_device(study))
    for changes in (*simplest, _without_a_device(study), _with_scatter(study)):
        for kind, name, changed in changes:
            outcome = judge(changed)
            helps = outcome.is_good or outcome.chi2_per_dof * _SMALLER < before
            found.append(Cause(kind, name, outcome, helps))
        if any(cause.explains and (cause.outcome.p_value > _WELL or cause.kind == "components") for cause in found):
            break  # simpler than what follows; an exchange has no freedom that could make it fit by chance
    return tuple(sorted(found, key=lambda each: each.outcome.rank))
