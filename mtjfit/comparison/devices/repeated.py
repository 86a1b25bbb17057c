"""Agreement of devices of one nominal thickness, without any length, and the odd ones among them."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mtjfit.arrays import FloatArray, IntArray
from mtjfit.comparison.devices.freedoms import (
    AMPLITUDE,
    REVERSED,
    UNLIKE,
    Freedom,
    JudgedDevice,
    judgement,
    log_p_value,
    own_factor,
)
from mtjfit.comparison.devices.odd import take_out, why_odd
from mtjfit.comparison.devices.own_data import Whitened, whitened_data
from mtjfit.comparison.devices.refit import Prediction
from mtjfit.model.device_combinations import noise_estimate, noise_groups
from mtjfit.model.equivalent_noise import least_squares_model
from mtjfit.multiple_tests import FALSE_ALARM, holm
from mtjfit.results.coefficients import Coefficients, own_coefficients
from mtjfit.study import Study

_DRAWS = 2000


def repeats(study: Study, rng: np.random.Generator) -> pd.DataFrame:
    """Test whether devices of one nominal thickness agree, without any length; a table with a row for each set.

    The coefficients of free polynomials of all devices of one thickness (and one group, where parameters belong to
    groups) under one condition are set equal; χ² is what that costs. Only errors of the data count: tolerances of
    thickness and of amplitude, where they are declared, would make agreement likelier. `odd` names those that differ
    from the rest of three or more, taken out one after the other as in `find_odd_devices`, and `reason` says how.
    ``agree`` is p_holm ≥ 0.05 and none odd, ``scatter`` the relative standard deviation of |κ| a1 between the devices
    beyond their errors.
    """
    model = least_squares_model(study)
    P, (group, dof) = model.data.powers.size, noise_groups(model)
    rows = np.repeat(1 / noise_estimate(model), P, axis=1)
    data = list(whitened_data(model, rows))
    own = own_coefficients(study, _DRAWS, rng)
    by_group = any(parameter.scope == "group" for parameter in study.parameters.values())
    sets: dict[tuple[float, str, str], dict[str, int]] = {}
    for k, curve in enumerate(study.curves):
        key = round(curve.thickness, 6), curve.group if by_group else "", curve.condition
        sets.setdefault(key, {})[curve.name] = k
    sets = {key: members for key, members in sets.items() if len(members) > 1}
    all_of_them = sum(len(members) for members in sets.values() if len(members) > 2)
    table = []
    for (thickness, of, _), members in sorted(sets.items()):
        curves = np.array(list(members.values()))
        repeated = Repeated(
            {name: data[k] for name, k in members.items()}, {name: group[[k]] for name, k in members.items()}, dof
        )
        square, n, _, _ = repeated.common(frozenset())
        p = float(np.exp(log_p_value(square, n, group[curves], dof))) if n else float("nan")
        odd = repeated.odd(all_of_them)
        best = [repeated.judged(frozenset(odd), name).best for name in odd]
        reasons = [
            f"{name}: {why_odd(one.kind, one.value, one.sd, thickness) or one.kind}"
            for name, one in zip(odd, best, strict=True)
        ]
        names = ", ".join(members), len(members)
        scatter = _scatter_of(own, curves)
        table.append((thickness, of, *names, square, n, p, scatter, ", ".join(odd), "; ".join(reasons)))
    columns = ["thickness", "group", "devices", "n", "chi2", "dof", "p", "scatter", "odd", "reason"]
    out = pd.DataFrame(table, columns=columns)
    out["p_holm"] = holm(out["p"].to_numpy(dtype=float))
    out["agree"] = ~(out["p_holm"] < FALSE_ALARM) & (out["odd"] == "")
    return out


@dataclass(frozen=True)
class Repeated:
    """Devices that should have the same coefficients, and the groups of `log_p_value` of each."""

    data: Mapping[str, Whitened]
    groups: Mapping[str, IntArray]
    noise_dof: FloatArray

    def common(self, out: Set[str]) -> tuple[float, int, FloatArray, FloatArray]:
        """χ² and its degrees of freedom, coefficients t and a root of their covariance, of all but those of `out`."""
        kept = [one for name, one in self.data.items() if name not in out]
        A, z = np.vstack([one.A for one in kept]), np.concatenate([one.z for one in kept])
        scale = np.maximum(np.linalg.norm(A, axis=0), 1e-300)
        u, s, vt = np.linalg.svd(A / scale, full_matrices=False)
        seen = s > s.max(initial=0.0) * max(A.shape) * np.finfo(float).eps
        root = (vt.T / np.where(seen, s, np.inf)) / scale[:, None]
        t = root @ (u.T @ z)
        return float(np.sum((z - A @ t) ** 2)), z.size - int(seen.sum()), t, root

    def odd(self, tests: int) -> tuple[str, ...]:
        """Those that differ from the rest, if there are three or more; one of so many `tests` is made of each."""
        if len(self.data) < 3:
            return ()

        def log_p(out: frozenset[str], name: str) -> float:
            return self.judged(out, name).log_p_any

        return take_out(tuple(self.data), log_p, log_p, tests)

    def judged(self, out: Set[str], name: str) -> JudgedDevice:
        """One device against the others."""
        every, rest, one = self.common(out - {name}), self.common(out | {name}), self.data[name]
        square, n = max(every[0] - rest[0], 0.0), every[1] - rest[1]
        alone = Prediction(one.z, one.A @ rest[2], one.A @ rest[3])
        turned = one.A * np.repeat([1.0, -1.0], one.A.shape[1] // 2)
        factor, sd, low = own_factor(alone)
        other = Prediction(one.z, turned @ rest[2], turned @ rest[3]).square
        trials = Freedom(AMPLITUDE, factor, sd, alone.square - low), Freedom(REVERSED, -1.0, 0.0, alone.square - other)
        freedoms = tuple(each for each in trials if each.gain > 0)
        return judgement(
            name,
            square,
            n,
            freedoms,
            lambda x, m: log_p_value(x, m, self.groups[name], self.noise_dof),
            (AMPLITUDE, REVERSED, UNLIKE),
        )


def _scatter_of(own: Coefficients, members: IntArray) -> float:
    """Relative standard deviation of |t_1| between devices, what their own errors explain taken off; 0 if all of it."""
    size = np.abs(own.of(1)[:, members])
    middle = np.median(size, axis=0)
    errors = size - middle
    between = float(np.var(middle, ddof=1)) - float(np.mean(errors**2))
    return float(np.sqrt(max(between, 0.0)) / np.mean(middle))
