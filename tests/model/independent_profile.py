"""Profile likelihoods without any code of `mtjfit.model` or `mtjfit.infer`: point by point, from many starts, scipy.

Eq. 12 as it is printed, in rates and with `cosh` and `sinh`; amplitudes by least squares on the points themselves; the
other lengths and the thicknesses by `scipy.optimize.least_squares` with numerical derivatives, in logarithms.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from model_studies import LENGTHS, naive
from scipy.optimize import least_squares

from mtjfit.data import TorqueCurve
from mtjfit.infer import FitResult
from mtjfit.study import AboutNominal, Fixed, LogNormal, LogUniform, Normal, Parameter, Study

FIRST, LAST = 1e-3, 1e5  # nm that a length without bounds of its own may reach


def eq12(d: np.ndarray, lambda_J: float, lambda_phi: float, lambda_sf_F: float, lambda_N: float) -> np.ndarray:
    """κ(d) as printed; large arguments of cosh by its limit."""
    q0 = -1j / lambda_J**2 + 1 / lambda_phi**2
    q2 = q0 + 1 / lambda_sf_F**2
    q = np.sqrt(q2)
    x = np.minimum((q * d).real, 300.0) + 1j * (q * d).imag
    return q0 / q2 * (1 - 1 / (np.cosh(x) + lambda_N * q * np.sinh(x)))


def _real(z: np.ndarray, m: int) -> np.ndarray:
    return np.concatenate([z.real.reshape(m, -1), z.imag.reshape(m, -1)], axis=1)


@dataclass
class Design:
    """One random design with its data; what `study()` hands to mtjfit and `lowest()` minimises."""

    d: np.ndarray
    bias: np.ndarray
    data: np.ndarray  # (n_devices, n_bias), complex
    sigma: float
    torkance: bool
    per_volume: bool
    thickness_sd: float
    bounds: dict[str, tuple[float, float]]
    priors: dict[str, LogUniform | LogNormal]
    seed: int
    pool: list[np.ndarray] = field(default_factory=list)

    def study(self) -> Study:
        curves = []
        for j, (d, T) in enumerate(zip(self.d, self.data, strict=True)):
            errors = np.full(self.bias.size, self.sigma)
            quantity, per = "torkance" if self.torkance else "torque", "volume" if self.per_volume else "device"
            curves.append(TorqueCurve(f"D{j}", self.bias, T.real, T.imag, d, quantity, per, "arb",
                                      sigma_par=errors, sigma_perp=errors))  # fmt: skip
        given = {name: Parameter(name, prior) for name, prior in self.priors.items()}
        given |= {name: Parameter(name, Normal(0.0, 3.0)) for name in ("a1", "b2")}
        exact = self.thickness_sd == 0
        given["thickness"] = Parameter("thickness", Fixed(0.0) if exact else AboutNominal(self.thickness_sd), "device")
        return Study("random", tuple(curves), given | {"D_ratio": Parameter("D_ratio", Fixed(1.0))})

    def lowest(self, held: dict[str, float], n_starts: int = 3) -> float:
        """χ² with parameters held, all others following, from starts of the prior and from where others ended."""
        free = [name for name in LENGTHS if name not in held]
        n, soft = len(free), self.d.size if self.thickness_sd else 0
        if self.torkance:
            V = np.stack([np.ones_like(self.bias), 2 * self.bias])
        else:
            V = np.stack([self.bias, self.bias**2])
        names = [name for name in ("a1", "b2") if name not in held]

        def residuals(x: np.ndarray) -> np.ndarray:
            """Rows of misfit at several points, shape (m, rows); amplitudes by Gram and Schmidt."""
            m = len(x)
            lengths = held | dict(zip(free, np.exp(x[:, :n]).T[..., None], strict=True))
            d = np.maximum(self.d + (self.thickness_sd * x[:, n:] if soft else 0.0), 1e-6)
            K = eq12(d, *(lengths[name] for name in LENGTHS)) / (d if self.per_volume else 1.0)
            K = np.broadcast_to(K, (m, self.d.size))[..., None]
            terms = {"a1": K * V[0], "b2": 1j * K * V[1]}
            left = self.data - sum((held[name] * terms[name] for name in terms if name in held), 0.0)
            flat = _real(np.broadcast_to(left, (m, *self.data.shape)), m) / self.sigma
            columns: list[np.ndarray] = []
            for name in names:
                column = _real(terms[name], m)
                for one in (*columns, *columns):  # twice is enough
                    column = column - one * np.sum(one * column, axis=1, keepdims=True)
                columns.append(column / np.maximum(np.linalg.norm(column, axis=1, keepdims=True), 1e-300))
            for one in columns:
                flat = flat - one * np.sum(one * flat, axis=1, keepdims=True)
            return np.concatenate([flat, x[:, n:]], axis=1)

        def residual(x: np.ndarray) -> np.ndarray:
            return residuals(x[None])[0]

        def slope(x: np.ndarray) -> np.ndarray:
            h = 1e-5 * np.eye(x.size)
            both = residuals(np.concatenate([x + h, x - h]))
            return (both[: x.size] - both[x.size :]).T / 2e-5

        low = np.log([self.bounds[name][0] for name in free])
        high = np.log([self.bounds[name][1] for name in free])
        rng = np.random.default_rng(self.seed)
        starts = [np.log([each[LENGTHS.index(name)] for name in free]) for each in self.pool[-4:]]
        starts += [rng.uniform(np.maximum(low, np.log(0.2)), np.minimum(high, np.log(60.0))) for _ in range(n_starts)]
        if n_starts > 20:  # along the ridge of weak torque, too: λ_J and λ_φ long together, amplitudes large
            for _ in range(n_starts // 2):
                s = np.log(held.get("lambda_J", held.get("lambda_phi", float(np.exp(rng.uniform(0.0, 11.0))))))
                start = rng.uniform(np.maximum(low, np.log(0.2)), np.minimum(high, np.log(60.0)))
                ridge = np.isin(free, ["lambda_J", "lambda_phi"])
                starts.append(np.where(ridge, s + rng.uniform(-3.0, 3.0, n), start))
        starts += [np.where(np.array(free) == "lambda_sf_F", high - 0.5, start) for start in starts[-1:]]
        if not n + soft:
            return float(np.sum(residual(np.zeros(0)) ** 2))
        wide = 10 * np.ones(soft)
        best, where = np.inf, None
        for start in starts:
            thin = rng.standard_normal(soft) if start is starts[-2] or n_starts > 20 else np.zeros(soft)
            x = np.concatenate([np.clip(start, low + 1e-3, high - 1e-3), thin])
            with np.errstate(over="ignore", invalid="ignore"):
                found = least_squares(residual, x, slope, bounds=(np.append(low, -wide), np.append(high, wide)),
                                      x_scale="jac", max_nfev=60)  # fmt: skip
            if 2 * found.cost < best:
                best, where = 2 * found.cost, np.exp(found.x[:n])
        if where is not None:
            at = held | dict(zip(free, where, strict=True))
            self.pool.append(np.array([at[name] for name in LENGTHS]))
        return float(best)


def random_design(seed: int) -> Design:
    """A design drawn with the spread of what laboratories measure: thicknesses, noise, bias, form, truth, priors."""
    rng = np.random.default_rng([22, seed])

    def within(low: float, high: float) -> float:
        return float(np.exp(rng.uniform(np.log(low), np.log(high))))

    d = np.unique(np.round([within(0.5, 6.0) for _ in range(rng.integers(2, 6))], 2))
    bias = np.linspace(-1.0, 1.0, rng.choice([5, 11, 21])) * rng.choice([0.2, 0.5])
    torkance, per_volume = bool(rng.integers(2)), bool(rng.integers(2))
    truth = (within(0.4, 8.0), within(0.4, 8.0), within(2.0, 40.0), within(0.1, 20.0))
    thickness_sd = float(rng.choice([0.0, 0.05]))
    true_d = np.maximum(d + thickness_sd * rng.standard_normal(d.size), 0.1)
    K = eq12(true_d, *truth) / (true_d if per_volume else 1.0)
    J0 = 1.0 + 2j * 0.6 * bias if torkance else bias + 0.6j * bias**2
    exact = K[:, None] * J0
    sigma = within(0.003, 0.15) * float(np.abs(exact).max())
    data = exact + sigma * (rng.standard_normal(exact.shape) + 1j * rng.standard_normal(exact.shape))
    priors: dict[str, LogUniform | LogNormal] = {}
    bounds = {}
    for name, truth_of in zip(LENGTHS, truth, strict=True):
        if rng.integers(2):
            priors[name], bounds[name] = LogUniform(0.1, 300.0), (0.1, 300.0)
        else:
            priors[name], bounds[name] = LogNormal(truth_of * within(0.6, 1.6), 2.5), (FIRST, LAST)
    return Design(d, bias, data, sigma, torkance, per_volume, thickness_sd, bounds, priors, seed)


def rise_by_scipy(result: FitResult, name: str, value: float) -> float:
    """χ² with a parameter at `value`, all others found anew by scipy's own differences, above the one of the fit."""
    study, rest = result.study, [n for n in result.values if n not in (name, "D_ratio")]
    log = np.array([n.startswith("lambda") for n in rest])
    x0 = np.array([np.log(result.values[n]) if n.startswith("lambda") else result.values[n] for n in rest])
    reach = np.where(log, np.log(100.0), np.inf)

    def residual(x: np.ndarray) -> np.ndarray:
        values = np.where(log, np.exp(np.where(log, x, 0.0)), x)
        point = dict(zip(rest, values, strict=True)) | {name: value}
        parts = naive(study, point)
        rows = (parts["y"] - parts["D"] @ [point[label] for label in parts["labels"]]) / parts["sigma"]
        sd = getattr(study.parameters["thickness"].prior, "sd", None)
        off = [(point[f"thickness[{c.device}]"] - c.thickness) / sd for c in study.curves] if sd else []
        return np.append(rows, off)

    bounds = (np.where(log, np.log(0.1), -reach), reach)
    found = least_squares(residual, x0, bounds=bounds, x_scale="jac", ftol=1e-5)
    return float(2 * found.cost - result.chi2)
