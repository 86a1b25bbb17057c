"""Every device of a study against those that are not odd, as a table, with what is odd about the odd ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from mtjfit.arrays import FloatArray, IntArray
from mtjfit.comparison.devices.freedoms import DeviceTests, Freedom
from mtjfit.comparison.devices.odd import OddDevice
from mtjfit.comparison.devices.quantities import determined_quantities
from mtjfit.comparison.devices.refit import Prediction
from mtjfit.model.device_combinations import combinations, noise_estimate
from mtjfit.results.coefficients import Coefficients, own_coefficients
from mtjfit.text import number, p_text

_DRAWS = 2000
_COLUMNS = (
    "device", "thickness", "chi2", "dof", "p", "p_holm", "outlier", "order", "kind", "value", "sd", "rivals",
    "quantity", "own", "expected", "deviation", "reason",
)  # fmt: skip
_NONE = ("", np.nan, np.nan, np.nan)


def outliers(tests: DeviceTests, odd: Sequence[OddDevice], bias: float, rng: np.random.Generator) -> pd.DataFrame:
    """Every device against all others that are not `odd`; a table with a row for each, empty for a single device.

    chi2 is what χ² of the study loses when the device has polynomials of its own, and p that of so many degrees of
    freedom (F where errors come from the scatter). p_holm is of the likeliest of all freedoms that the device might
    have, corrected for all of them and for the number of devices. An outlier is one of `odd`, in the order in which
    they were taken out; for kind, value, sd and rivals see `OddDevice`. quantity is that which departs most at `bias`
    (V) from what the others predict, with its own and its expected median and the deviation in 68 % half-widths of the
    difference.
    """
    model, devices = tests.refits.model, tests.refits.devices
    if len(devices) < 2:
        return pd.DataFrame(columns=list(_COLUMNS))
    order = {one.device: one for one in odd}
    own = own_coefficients(model.study, _DRAWS, rng)
    predicted = np.zeros_like(own.values)
    for device, curves in devices.items():
        predicted[:, curves] = _predicted(tests, tests.refits.prediction(order.keys() - {device}, device), curves, rng)
    deviations = _deviations(own, replace(own, values=predicted), bias)
    own_tests = combinations(model) if odd else ()
    rows = []
    for device, curves in devices.items():
        one, found = order.get(device), tests.judged(order.keys() - {device}, device)
        mine = [(name, float(x[j]), float(y[j]), float(away[j])) for name, x, y, away in deviations for j in curves]
        worst = max(mine, key=lambda each: abs(each[-1]), default=_NONE)
        p_any = min(1.0, float(np.exp(found.log_p_any)) * (len(devices) - len(odd)))
        reason = ""
        if one is not None:
            p_any = one.p_value
            reason = one.why or _reason(*worst, min(own_tests[j].p_value for j in curves))
        best = one or Freedom("", np.nan, np.nan, np.nan)
        place = [each.device for each in odd].index(device) + 1 if one is not None else 0
        rivals = ", ".join(one.rivals) if one is not None else ""
        rows.append((device, tests.refits.nominal(device), found.chi2, found.dof, float(np.exp(found.log_p)), p_any,
                     one is not None, place, best.kind, best.value, best.sd, rivals, *worst, reason))  # fmt: skip
    return pd.DataFrame(rows, columns=list(_COLUMNS))


def _predicted(tests: DeviceTests, expected: Prediction, curves: IntArray, rng: np.random.Generator) -> np.ndarray:
    """Draws of the coefficients of the curves of a device that the others predict, shape (n, curves, P)."""
    data = tests.refits.model.data
    # The symmetric root does not depend on the signs of singular vectors, which rounding decides.
    u, s, _ = np.linalg.svd(expected.root, full_matrices=False)
    noise = rng.standard_normal((_DRAWS, expected.mean.size))
    z = (expected.mean + noise @ (u * s) @ u.T).reshape(_DRAWS, curves.size, -1)
    rows = 1 / np.repeat(noise_estimate(tests.refits.model)[curves], data.powers.size, axis=1)
    A = data.R[curves] * rows[:, :, None]
    t = np.einsum("nkr,kpr->nkp", z, np.linalg.pinv(A))
    P = data.powers.size
    return np.asarray(t[..., :P] + 1j * t[..., P:])


def _deviations(
    own: Coefficients, predicted: Coefficients, bias: float
) -> list[tuple[str, FloatArray, FloatArray, FloatArray]]:
    """Name, own median, expected median and deviation of every quantity that exists in all draws."""
    found = []
    for mine, theirs in zip(determined_quantities(own, bias), determined_quantities(predicted, bias), strict=True):
        if not (np.all(np.isfinite(mine.values)) and np.all(np.isfinite(theirs.values))):
            continue
        q16, q50, q84 = np.quantile(mine.values - theirs.values, [0.16, 0.5, 0.84], axis=0)
        with np.errstate(over="ignore"):  # infinite where draws have no spread
            deviation = q50 / np.maximum((q84 - q16) / 2, 1e-300)
        found.append((mine.name, np.median(mine.values, axis=0), np.median(theirs.values, axis=0), deviation))
    return found


def _reason(quantity: str, own: float, expected: float, deviation: float, own_test: float) -> str:
    if own_test < 0.01:
        return f"its own coefficients come from no single κ, whatever the lengths (constraint test {p_text(own_test)})"
    if abs(deviation) < 2:
        return "no single quantity, but all its coefficients together"
    return (
        f"{quantity} is {number(own, 3)}, the others predict {number(expected, 3)} ({abs(deviation):.1f} half-widths)"
    )
