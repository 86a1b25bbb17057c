"""What a figure shows, in words and numbers, for those who cannot see it."""

from __future__ import annotations

import numpy as np

from mtjfit.data import pretty
from mtjfit.infer import FitResult, Posterior
from mtjfit.infer.comparison import MechanismComparison
from mtjfit.results.devices import DeviceComparison
from mtjfit.results.header import device_names
from mtjfit.results.predict import errors_of, torque_at
from mtjfit.results.transfer import accumulation_draws, stacks
from mtjfit.text import number, value_with_error

__all__ = ["accumulation_in_words", "devices_in_words", "mechanisms_in_words", "ratios_in_words", "torque_in_words"]

_MOST = 6  # devices that are named one by one
_QUANTITIES = 3


def torque_in_words(fit: FitResult) -> str:
    """Devices, the range of each component, χ², and the largest residual."""
    curves = fit.study.curves
    what = " and ".join(dict.fromkeys(curve.quantity for curve in curves))
    first = [curve for curve in curves if curve.unit == curves[0].unit]
    measured = {
        "in-plane": np.concatenate([curve.par[curve.used] for curve in first]),
        "out-of-plane": np.concatenate([curve.perp[curve.used] for curve in first]),
    }
    unit = pretty(curves[0].unit)
    ranges = [f"{name} from {number(v.min(), 3)} to {number(v.max(), 3)} {unit}" for name, v in measured.items()]
    largest = max(_largest_residual(fit, k) for k in range(len(curves)))
    return (
        f"Plot of {what} against bias for {device_names(curves, _MOST)}: {', '.join(ranges)}. {fit.chi2_says}. "
        f"The point farthest from the best fit is {largest:.1f} standard errors away."
    )


def _largest_residual(fit: FitResult, k: int) -> float:
    curve = fit.study.curves[k]
    best = torque_at(fit.study, fit.values, curve, curve.bias)
    par, perp = errors_of(fit.study, fit.values, curve)
    away = np.maximum(np.abs(curve.par - best.real) / par, np.abs(curve.perp - best.imag) / perp)
    return float(np.max(away[curve.used]))


def ratios_in_words(fit: FitResult) -> str:
    """Slope ratio of each device, up to twelve of them."""
    ratios = fit.combinations[fit.combinations["quantity"] == "slope_ratio"]
    values = ", ".join(f"{r.device}: {float(r.value):.3g}" for r in ratios.head(12).itertuples())  # type: ignore[arg-type]
    return f"Slope ratio T_perp/T_par by device: {values}."


def accumulation_in_words(posterior: Posterior) -> str:
    """Both components at the barrier and at the far side, for the thinnest and the thickest device."""
    of_stack = {device: stack for stack in stacks(posterior) for device in stack.devices}
    curves = sorted(posterior.study.curves, key=lambda curve: curve.thickness)
    said = []
    for curve in curves if len(curves) == 1 else (curves[0], curves[-1]):
        stack = of_stack[curve.device]
        d = max(curve.thickness - float(np.median(stack.lengths["dead_layer"])), 1e-3)
        m = np.median(accumulation_draws(stack, [0.0, d], d), axis=0)
        said.append(
            f"{curve.device} ({curve.thickness:g} nm): in-plane {m[0].real:.3g} nm at the barrier and "
            f"{m[1].real:.3g} nm at the far side, out-of-plane {m[0].imag:.3g} and {m[1].imag:.3g} nm."
        )
    return " ".join(said)


def devices_in_words(compared: DeviceComparison) -> str:
    """Medians with half of the central 68 % of the first quantities, device by device; which devices are odd."""
    said = []
    for name in [each.name for each in compared.quantities][:_QUANTITIES]:
        rows = compared.table[compared.table["quantity"] == name].to_dict("records")
        listed = [
            f"{r['device']} {value_with_error(r['median'], (r['q84'] - r['q16']) / 2)}"
            for r in rows[:_MOST]
            if np.isfinite(r["median"])
        ]
        rest = f" and {len(rows) - _MOST} more" if len(rows) > _MOST else ""
        said.append(f"{name}: {', '.join(listed)}{rest}.")
    odd = compared.outliers.loc[compared.outliers["outlier"].astype(bool), "device"]
    return " ".join([*said, f"Odd devices: {', '.join(map(str, odd))}." if len(odd) else "No device is odd."])


def mechanisms_in_words(found: MechanismComparison) -> str:
    """ln Z of each mechanism below the best."""
    best = found.best
    others = ", ".join(
        f"{one.name} {one.evidence.value - best.evidence.value:.1f}" for one in found.results if one is not best
    )
    return f"The best is {best.name}; ln Z of the others minus that of the best: {others}."
