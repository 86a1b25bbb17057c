"""Header of every output: data, conventions, and the test of the model."""

from __future__ import annotations

import math
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from mtjfit.data import TorqueCurve, pretty
from mtjfit.data.implausible import suspicious_curve, suspicious_lengths
from mtjfit.infer import FitResult
from mtjfit.infer.causes import P_BAD
from mtjfit.model import DeviceCombinations
from mtjfit.model.noise import noise_words
from mtjfit.results.causes import cause_lines
from mtjfit.results.patterns import pattern_words
from mtjfit.study import DOF, Study
from mtjfit.study.parameter import SCATTER
from mtjfit.text import p_text, some
from mtjfit.version import __version__

P_TOO_GOOD = 0.999
"""p-value above which the scatter is smaller than the errors."""

_LAST_DIGIT = 1e-15  # a p-value is not nearer to 1 than a double can tell
_WIDTH = 100
_LABEL = 15
_MOST_DEVICES = 12
_MOST_NOTICES = 20
_QUANTITY = {"torque": "torque T against V", "torkance": "torkance dT/dV against V"}
_PER = {
    "device": "per device: no 1/d",
    "area": "per area: no 1/d",
    "volume": "per volume: carries 1/d (effective field, divided by M_s d)",
}
_AXIS = {"MxP": "T_perp along M x P, as declared", "PxM": "T_perp declared along P x M, flipped to M x P"}
_NO_PERP = "T_perp was not measured"
_SIN_THETA = {
    None: "not declared: amplitudes belong to the angle of the measurement, one for all devices",
    "included": "sin θ included in the values: amplitudes are per sin θ",
    "divided": "values already divided by sin θ: amplitudes are per sin θ",
}


_WHY_SCATTERED = "errors too small? outliers or drift? a power of V not declared? wrong quantity (torque or torkance)?"


@dataclass(frozen=True)
class Notice:
    """A message that a reader must not miss (`loud`) or should know: one sentence, then causes, hints and numbers."""

    loud: bool
    title: str
    lines: tuple[str, ...] = ()

    def __str__(self) -> str:
        mark = "!!! " if self.loud else "note: "
        rest = "!!!   - " if self.loud else "  - "
        body = [mark + self.title, *(rest + line for line in self.lines)]
        if not self.loud:
            return "\n".join(body)
        rule = "!" * 80
        return "\n".join([rule, *body, rule])


def device_names(curves: Iterable[TorqueCurve], most: int = _MOST_DEVICES) -> str:
    """Devices and thicknesses, the first `most` of them."""
    named = [f"{curve.name} ({curve.thickness:g} nm)" for curve in curves]
    rest = f" and {len(named) - most} more" if len(named) > most else ""
    return ", ".join(named[:most]) + rest


def masked_points(curve: TorqueCurve) -> dict[str, int]:
    """Number of points of a curve that were left out for each reason.

    >>> curve = TorqueCurve("A1", [-0.2, 0.0, 0.2], [-2, 0, 2], [0.2, 0, 0.2], 2.0, "torque", "device")
    >>> masked_points(curve.mask(curve.bias < 0, "the contact slipped"))
    {'the contact slipped': 1}
    """
    masked = (curve.measured & ~curve.used_values).any(axis=0) | ~curve.used
    left_out = (why for why, left in zip(curve.reasons, masked, strict=True) if left)
    return dict(Counter(why or "no reason given" for why in left_out))


def bias_range(study: Study) -> tuple[float, float]:
    """Smallest and largest bias in use, in V."""
    used = [curve.bias[curve.used] for curve in study.curves]
    return min(float(V.min()) for V in used), max(float(V.max()) for V in used)


def measured_quantities(study: Study) -> str:
    """What was measured: torque, torkance, or both."""
    return " and ".join(dict.fromkeys(curve.quantity for curve in study.curves))


def free_lengths(study: Study) -> tuple[str, ...]:
    """Declared lengths that are not fixed, in the order of every table."""
    return tuple(name for name in study.lengths if not study.parameters[name].is_fixed)


def _sign_of_one_thickness(study: Study, fit: FitResult) -> str:
    """Evidence of a single thickness for the sign of T_perp; empty where a notice covers it or the lengths are known.

    Over all lengths the phase of κ is below +1.6°: a flipped T_perp shows where the phase is clearly not zero and J0
    has no b1, so in thin layers. In thick or noisy ones it fits as well as the right one.
    """
    measured = np.any([curve.used_values.any(axis=1) for curve in study.curves], axis=0)
    if study.n_thicknesses > 1 or not free_lengths(study) or fit.p_value < P_BAD or not measured.all():
        return ""
    flipped = fit.p_value_flipped
    if math.isnan(flipped):
        return "; taken on trust: nothing is left to test it with"
    if flipped < P_BAD:
        return f"; the curves agree: with the other perp_axis {p_text(flipped)}"
    return f"; taken on trust: with the other perp_axis the curves would fit, too ({p_text(flipped)})"


def _by_device(study: Study, said: Mapping[str, str]) -> str:
    """One statement if it holds for all devices, else each statement with its devices."""
    kinds = list(dict.fromkeys(said.values()))
    if len(kinds) == 1:
        return kinds[0]
    return "; ".join(f"{', '.join(name for name in study.devices if said[name] == kind)}: {kind}" for kind in kinds)


def _angle(study: Study) -> dict[str, str]:
    """Which angle between the moments the amplitudes belong to; nothing for a single device that declares none."""
    said = {curve.name: _SIN_THETA[curve.sin_theta] for curve in study.curves}
    angles = [curve.angle for curve in study.curves if curve.angle is not None]
    if len(said) == 1 and study.curves[0].sin_theta is None:
        return {}
    span = "" if not angles else f"{min(angles):g}°" + (f" to {max(angles):g}°" if max(angles) > min(angles) else "")
    return {"angle": (f"{span}, " if span else "") + _by_device(study, said)}


def _thicknesses(study: Study) -> str:
    n, d = study.n_thicknesses, study.thicknesses
    span = f"one, {d[0]:g} nm" if n == 1 else f"{n}, from {d.min():g} to {d.max():g} nm"
    sd = study.parameters["thickness"].nominal_sd
    exact = f"each ± {sd:g} nm" if sd > 0 else "taken as exact"
    dead = study.parameters.get("dead_layer")
    return f"{span}; {exact}" + (f"; of each a dead layer is not magnetic, {dead.prior.describe()}" if dead else "")


def _masked(study: Study) -> str:
    reasons: Counter[str] = Counter()
    for curve in study.curves:
        reasons.update(masked_points(curve))
    total = sum(curve.bias.size for curve in study.curves)
    if not reasons:
        return f"none of {total} points"
    return f"{reasons.total()} of {total} points: " + "; ".join(f"{n} {why}" for why, n in reasons.items())


def _components(study: Study) -> str:
    """Values of each component, or bias points where every point has both."""
    par, perp = (int(n) for n in sum(curve.used_values.sum(axis=1) for curve in study.curves))
    if par == perp == sum(curve.n_used for curve in study.curves):
        return f"{par} bias points, two components"
    return f"{par} in-plane, {perp} out-of-plane"


def header_fields(study: Study, fit: FitResult) -> dict[str, str]:
    """The header as labelled sentences in the order in which they are shown, for tables and for ``result.json``."""
    curves, (low, high) = study.curves, bias_range(study)
    fields = {"program": f"mtjfit {__version__}", "study": study.name}
    if study.label:
        fields["origin"] = study.label
    units = {curve.name: pretty(curve.unit) for curve in curves}
    axes = {c.name: _AXIS[c.declared_perp_axis] if c.measured[1].any() else _NO_PERP for c in curves}
    sign = _by_device(study, axes)
    return fields | {
        "devices": f"{study.n_devices if study.n_devices == len(curves) else study.counted}: {device_names(curves)}",
        "thicknesses": _thicknesses(study),
        "values": f"{study.n_values} ({_components(study)}), {low:g} to {high:g} V",
        "masked": _masked(study),
        "quantity": _by_device(study, {curve.name: _QUANTITY[curve.quantity] for curve in curves}),
        "normalisation": _PER[curves[0].per],
        **_angle(study),
        "errors": noise_words(study),
        "unit": _by_device(study, units),
        "sign": sign + _sign_of_one_thickness(study, fit),
        "model test": fit.chi2_says,
    }


def notices(fit: FitResult) -> tuple[Notice, ...]:
    """Results of the model test, and of reading the data, that need attention; loud where the model fails.

    Examples
    --------
    >>> print(Notice(False, "errors may be too large", ("compare them with the scatter",)))
    note: errors may be too large
      - compare them with the scatter
    """
    found = []
    if fit.p_value < P_BAD:
        title = f"THE MODEL DOES NOT DESCRIBE THESE DATA: {p_text(fit.p_value)}. Do not use the numbers below."
        found.append(Notice(True, title, (*cause_lines(fit), *_other_causes(fit))))
    elif says := too_good(fit):
        found.append(Notice(False, says, ("the errors may be overestimated, and with them the error bars below",)))
    if fit.patterns:
        says = "THE RESIDUALS SHOW A PATTERN that the declared powers of V lack; the errors below do not allow for it"
        causes = () if fit.p_value < P_BAD else cause_lines(fit)
        found.append(Notice(True, says, (*causes, *(pattern_words(fit.study, each) for each in fit.patterns))))
    if fit.conflicts:
        found.append(_contradicted(fit))
    found += _one_component(fit.study)
    if fit.study.data_notices:
        more = (
            [f"and {len(fit.study.data_notices) - _MOST_NOTICES} more"]
            if len(fit.study.data_notices) > _MOST_NOTICES
            else []
        )
        lines = (*fit.study.data_notices[:_MOST_NOTICES], *more)
        found.append(Notice(False, "noticed while the data files were read", lines))
    known = {name: value for name, value in fit.values.items() if name.startswith("lambda") and fit.errors.get(name)}
    doubtful = [doubt for curve in fit.study.curves for doubt in suspicious_curve(curve)]
    doubtful += suspicious_lengths(known)
    if doubtful:
        found.append(Notice(True, "NUMBERS THAT ARE UNUSUAL IN THEIR UNIT; nothing was rescaled", tuple(doubtful)))
    violating = [each for each in fit.devices if each.p_value < P_BAD]
    if violating:
        listed = tuple(f"{each.device}: {p_text(each.p_value)}" for each in violating)
        law = fit.study.model.law
        says = f"on their own these devices contradict {law} with the declared amplitudes, whatever the lengths are"
        found.append(Notice(fit.p_value < P_BAD, says, listed))
    scattered = [each for each in fit.devices if each.scatter_p_value < P_BAD]
    if scattered:
        law = fit.study.model.law
        says = (
            f"the points of these devices do not follow a polynomial of the declared powers of V, whatever {law} says"
        )
        found.append(Notice(fit.p_value < P_BAD, says, (*map(_scatter, scattered), _WHY_SCATTERED)))
    return tuple(found)


def too_good(fit: FitResult) -> str:
    """That the data scatter less than their errors predict, or some devices less than those declared; else empty."""
    whole, fitted = fit.p_value > P_TOO_GOOD, any(curve.sigma_is_fitted for curve in fit.study.curves)
    tested = [] if DOF in fit.study.parameters else [one for one in fit.devices if one.scatter_dof > 0]
    tight = [one for one in tested if 1 - one.scatter_p_value < P_BAD / len(tested)]
    if tight and (fitted or not whole):
        highest = max(one.scatter_p_value for one in tight)
        names = some([one.device for one in tight])
        return f"the points of {names} scatter less than their declared errors predict ({_beyond(highest)})"
    return f"the data scatter less than their errors predict ({_beyond(fit.p_value)})" if whole else ""


def _beyond(p: float) -> str:
    left = 1 - p
    return f"1 - p = {left:.1g}" if left > _LAST_DIGIT else f"1 - p < {_LAST_DIGIT:g}"


def _one_component(study: Study) -> Iterator[Notice]:
    """What a study of one component cannot determine, or only by other means."""
    there = np.any([curve.used_values.any(axis=1) for curve in study.curves], axis=0)
    if there.all():
        return
    missing, other = ("T_par", "T_perp") if there[1] else ("T_perp", "T_par")
    shows = "do not show with a single thickness"
    if study.n_thicknesses > 1:
        shows = f"show only in how {other} changes with thickness"
    yield Notice(
        False, f"{missing} was not measured", (f"the lengths mix the two components: in one alone they {shows}",)
    )


def _contradicted(fit: FitResult) -> Notice:
    """Priors that the data contradict, and what would be without them."""
    names = ", ".join(each.name for each in fit.conflicts)
    lines = [line for each in fit.conflicts for line in (each.says, each.without) if line]
    lines.append(
        "a posterior combines prior and data also where they exclude each other: correct the one that is wrong"
    )
    several = "PRIORS" if len(fit.conflicts) > 1 else "THE PRIOR"
    return Notice(True, f"THE DATA CONTRADICT {several} OF {names}", tuple(lines))


def _scatter(device: DeviceCombinations) -> str:
    square = f"χ² = {device.scatter_chi2:.1f} for {device.scatter_dof} degrees of freedom"
    return f"{device.device}: {square}, {p_text(device.scatter_p_value)}"


def _other_causes(fit: FitResult) -> Iterator[str]:
    """What may be the cause and cannot be tried."""
    fitted = any(curve.sigma_is_fitted for curve in fit.study.curves)
    small = [one for one in fit.devices if one.scatter_p_value < P_BAD]
    if fitted and small and not any(cause.explains and cause.kind == "device" for cause in fit.causes):
        factor = math.sqrt(sum(one.scatter_chi2 for one in small) / sum(one.scatter_dof for one in small))
        names = some([one.device for one in small])
        yield f"underestimated errors of {names}: the points scatter {factor:.2g} times as far as declared"
    yield f'per area or per volume: per = "{fit.study.curves[0].per}" decides whether the data carry 1/d'
    if not fitted:
        factor = math.sqrt(fit.chi2 / fit.dof)
        yield f"underestimated errors: errors {factor:.2g} times larger would make χ² equal its degrees of freedom"
    else:
        yield "errors fitted from the scatter see no drift or offset between neighbouring points"
    if fit.study.n_thicknesses > 1:
        tried = any(cause.kind == "scatter" for cause in fit.causes)
        spread = "" if tried or f"{SCATTER}a1" in fit.study.parameters else " (scatter_a1 declares it)"
        differing = "thicknesses" if tried else "thicknesses or amplitudes"
        yield f"{differing} that differ between the devices by more than declared{spread}"
    yield f"a mechanism other than {fit.study.model.law}, or a term of J0(V) that was not declared"


def header(study: Study, fit: FitResult) -> str:
    """The header as text, with the notices under it; no newline at the end.

    Examples
    --------
    >>> from mtjfit.data import dataset
    >>> from mtjfit.infer import fit
    >>> from mtjfit.study import load_study
    >>> study = load_study(dataset("thickness-series").study_file)
    >>> print(header(study, fit(study)).splitlines()[5])
    values         410 (205 bias points, two components), -0.5 to 0.5 V
    """
    fields = header_fields(study, fit)
    lines = [fields.pop("program")]
    for label, text in fields.items():
        lines += textwrap.wrap(
            text, _WIDTH, initial_indent=label.ljust(_LABEL), subsequent_indent=" " * _LABEL, break_long_words=False
        )
    return "\n".join([*lines, *(str(notice) for notice in notices(fit))])
