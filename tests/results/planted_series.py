"""Series of devices as laboratories take them, drawn at random, right or with one planted fault.

The forward model is that of the zoo's reference; every number of a series follows from its seed.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from reference_forward import kappa, terms

from mtjfit.data import Origin, TorqueCurve
from mtjfit.study import AboutNominal, Fixed, LogNormal, LogUniform, Normal, Parameter, Study

FAULTS = (
    "b0", "drift", "gain", "outliers", "hysteresis", "angstrom", "quantity", "flipped", "thickness", "a2",
)  # fmt: skip


@dataclass
class Series:
    """Truth of a series and all that a study declares of it; thicknesses in nm, bias in V."""

    seed: int
    nominal: np.ndarray
    true: np.ndarray
    tolerance: float
    bias: np.ndarray  # up, and in half of the series down again
    lengths: dict[str, float]
    amplitudes: dict[str, float]
    quantity: str
    per: str
    noise: float  # relative to the largest value of a device
    sigma_known: bool
    # what a fault changes
    factor: np.ndarray = field(default_factory=lambda: np.ones(0))
    extra: dict[str, float] = field(default_factory=dict)
    added: np.ndarray | None = None  # by device, component, point; in standard errors
    declared: dict[str, object] = field(default_factory=dict)
    odd: str = ""  # name of the device that is unlike the others

    @property
    def scale(self) -> float:
        return max(abs(each) for each in self.amplitudes.values())


def series(seed: int) -> Series:
    """The right series of a seed."""
    rng = np.random.default_rng([seed, 11])
    J = int(rng.integers(5, 9))
    nominal = np.round(np.sort(np.exp(rng.uniform(np.log(0.7), np.log(3.0), J))), 2)
    while np.min(np.diff(nominal)) < 0.1:
        nominal = np.round(np.sort(np.exp(rng.uniform(np.log(0.7), np.log(3.0), J))), 2)
    tolerance = float(rng.choice([0.02, 0.05]))
    reach, n = float(rng.choice([0.3, 0.5])), int(rng.choice([21, 31]))
    up = np.linspace(-reach, reach, n)
    a1 = float(np.exp(rng.uniform(np.log(0.5), np.log(2.0))))
    return Series(
        seed=seed,
        nominal=nominal,
        true=nominal + tolerance * rng.standard_normal(J),
        tolerance=tolerance,
        bias=np.append(up, up[::-1]) if rng.random() < 0.5 else up,
        lengths={
            "lambda_J": float(np.exp(rng.uniform(np.log(0.6), np.log(3.0)))),
            "lambda_phi": float(np.exp(rng.uniform(np.log(0.6), np.log(3.0)))),
            "lambda_sf_F": float(np.exp(rng.uniform(np.log(4.0), np.log(20.0)))),
            "Lambda": float(np.exp(rng.uniform(np.log(1.0), np.log(20.0)))),
        },
        amplitudes={"a1": a1, "b2": a1 * float(rng.uniform(0.4, 1.5)) * float(rng.choice([-1, 1]))},
        quantity=str(rng.choice(["torque", "torkance"])),
        per=str(rng.choice(["device", "volume"])),
        noise=float(np.exp(rng.uniform(np.log(0.01), np.log(0.04)))),
        sigma_known=bool(rng.random() < 0.5),
        factor=np.ones(J),
    )


def planted(fault: str, seed: int, times: float = 1.0) -> Series:
    """The series of a seed with one of `FAULTS`; its size is drawn at random, too, and is so many `times` as large."""
    s, rng = series(seed), np.random.default_rng([seed, 12, FAULTS.index(fault)])
    J, n = s.nominal.size, s.bias.size
    k, sign = int(rng.integers(J)), float(rng.choice([-1, 1]))
    added = np.zeros((J, 2, n))
    if fault == "b0":
        s.quantity = "torque"
        size = times * float(np.exp(rng.uniform(np.log(0.003), np.log(0.1))))
        s.extra = {"b0": sign * s.scale * size * s.bias.max()}
    elif fault == "a2":
        s.extra = {"a2": sign * s.scale * times * float(np.exp(rng.uniform(np.log(0.02), np.log(0.6))))}
    elif fault == "drift":
        added[:] = sign * times * rng.uniform(1, 6) * np.linspace(-0.5, 0.5, n)
        s.bias = np.append(u := np.linspace(-s.bias.max(), s.bias.max(), (n + 1) // 2), u[::-1])[:n]
        s.added = added
    elif fault == "hysteresis":
        s.bias = np.append(u := np.linspace(-s.bias.max(), s.bias.max(), (n + 1) // 2), u[::-1])[:n]
        half = (n + 1) // 2
        added[..., :half], added[..., half:] = 0.5, -0.5
        s.added = added * sign * times * rng.uniform(0.5, 4)
    elif fault == "gain":
        s.odd = f"D{k}"
        s.factor[k] = (1 + rng.uniform(0.03, 0.25) * times) ** sign if times > 1 else 1 + sign * rng.uniform(0.03, 0.25)
    elif fault == "outliers":
        for j in range(J):
            at = rng.random((2, n)) < 0.03
            added[j][at] = rng.choice([-1, 1], at.sum()) * times * rng.uniform(6, 15, at.sum())
        s.added = added
    elif fault == "angstrom":
        s.declared["thickness"] = 10 * s.nominal
    elif fault == "quantity":
        s.declared["quantity"] = {"torque": "torkance", "torkance": "torque"}[s.quantity]
    elif fault == "flipped":
        s.declared["perp"] = -1.0
    elif fault == "thickness":
        s.odd = f"D{k}"
        s.true = s.true.copy()
        s.true[k] += sign * times * rng.uniform(4, 10) * max(s.tolerance, 0.03)
        s.true[k] = max(s.true[k], 0.3)
    return s


def _clean(s: Series) -> np.ndarray:
    L = s.lengths
    K = kappa(s.true, L["lambda_J"], L["lambda_phi"], L["lambda_sf_F"], L["Lambda"])
    K = K / s.true if s.per == "volume" else K
    c = s.amplitudes | s.extra
    J0 = terms([int(a[1:]) for a in c], s.bias, s.quantity, 1.0) @ np.array(
        [value * (1.0 if a[0] == "a" else 1j) for a, value in c.items()]
    )
    return s.factor[:, None] * K[:, None] * J0


def measured(s: Series) -> tuple[np.ndarray, np.ndarray]:
    """Values, shape (J, 2, n), and the standard error of each device, shape (J,)."""
    T = _clean(s)
    level = s.noise * np.max(np.abs(_clean(replace(s, extra={}))), axis=1)
    rng = np.random.default_rng([s.seed, 13])
    values = np.stack([T.real, T.imag], axis=1) + level[:, None, None] * rng.standard_normal(
        (s.nominal.size, 2, s.bias.size)
    )
    if s.added is not None:
        values += level[:, None, None] * s.added
    values[:, 1] *= s.declared.get("perp", 1.0)
    return values, level


def study(s: Series) -> Study:
    """What a laboratory would declare of a series."""
    values, level = measured(s)
    quantity, thickness = str(s.declared.get("quantity", s.quantity)), s.declared.get("thickness", s.nominal)
    curves = tuple(
        TorqueCurve(
            f"D{j}", s.bias, *values[j], float(thickness[j]), quantity, s.per, "arb",
            origin=Origin("simulated", "laboratory drawn at random"),
            **({f"sigma_{c}": np.full(s.bias.size, level[j]) for c in ("par", "perp")} if s.sigma_known else {}),
        )
        for j in range(s.nominal.size)
    )  # fmt: skip
    size = (
        10
        * float(np.max(np.abs(values)))
        / (1.0 if quantity == "torkance" else float(s.bias.max()))
        * (float(np.mean(thickness)) if s.per == "volume" else 1.0)
    )
    priors = {name: LogUniform(0.1, 100.0) for name in ("lambda_J", "lambda_phi", "lambda_sf_N")}
    priors |= {"lambda_sf_F": LogNormal(10.0, 2.0), "D_ratio": Fixed(1.0)}
    priors |= {name: Normal(0.0, size) for name in s.amplitudes}
    parameters = {name: Parameter(name, prior) for name, prior in priors.items()}
    parameters["thickness"] = Parameter("thickness", AboutNominal(s.tolerance), "device")
    if not s.sigma_known:
        middle = float(np.median(level))
        parameters |= {f"noise_{c}": Parameter(f"noise_{c}", LogNormal(middle, 3.0)) for c in ("par", "perp")}
    return Study(f"series {s.seed}", curves, parameters)
