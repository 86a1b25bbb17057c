"""Designs drawn at random: studies in memory with simulated data, of every kind that a study file can declare.

`design(seed)` is one of them, always the same for a seed. About half are "plain": several thicknesses, known errors, a1
and b2 shared, log-uniform or log-normal priors. Every other kind is a plain one with something added, see `kinds`.
The data come from the forward model of the reference, not from that of mtjfit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from conditions import CONDITIONS, measure_again
from parts import CHOICES, UNDER, leave_out, what_was_measured
from reference_forward import kappa, terms

from mtjfit.data import Origin, TorqueCurve
from mtjfit.study import AboutNominal, Fixed, LogNormal, LogUniform, Normal, Parameter, Study, Uniform


@dataclass
class Plan:
    """What a design is built from; a kind changes some of it before it is simulated."""

    rng: np.random.Generator
    thicknesses: np.ndarray  # nominal ones
    tolerance: float  # sd of the true thicknesses about them; 0: exact, and declared so
    bias: list[np.ndarray]  # for each device
    noise: float  # relative to the largest value of a device
    quantity: list[str]
    per: str
    truth: dict[str, float]
    priors: dict[str, object]
    amplitudes: dict[str, float]
    scopes: dict[str, str] = field(default_factory=dict)
    factors: dict[str, np.ndarray] = field(default_factory=dict)  # what each device multiplies an amplitude by
    curves: dict[str, object] = field(default_factory=dict)
    errors: Callable | None = None  # makes noise of one curve: (rng, sigma_par, sigma_perp, n) to (2, n)
    unit: str = "arb"
    masked: float = 0.0
    parts: np.ndarray | None = None  # which components of each device were measured, shape (J, 2)
    holes: float = 0.0  # share of their values that were not
    dead: float = 0.0
    sigma: tuple[float, float] = (1.0, 1.0)
    of: np.ndarray | None = None  # device of each curve, where some have several
    condition: list[str] | None = None  # of each curve

    @property
    def J(self):
        return self.thicknesses.size


def log_uniform(rng, low, high, size=None):
    return np.exp(rng.uniform(np.log(low), np.log(high), size))


def _own_amplitudes(p):
    """Every device has its own a1 and b2."""
    for name in p.amplitudes:
        p.scopes[name] = "device"
        p.factors[name] = 1 + 0.2 * p.rng.standard_normal(p.J)


def _scatter(p):
    """Amplitudes scatter between devices by a few per cent."""
    for name in ("a1", "b2")[: int(p.rng.integers(1, 3))]:
        s = float(log_uniform(p.rng, 0.01, 0.1))
        p.priors[f"scatter_{name}"], p.truth[f"scatter_{name}"] = LogNormal(0.03, 2.0), s
        p.factors[name] = 1 + s * p.rng.standard_normal(p.J)


def _dead_layer(p):
    """A dead layer, up to half of the thinnest device."""
    most = 0.5 * float(p.thicknesses[0])
    p.dead = float(p.rng.uniform(0.05, 0.9) * most)
    p.priors["dead_layer"], p.truth["dead_layer"] = Uniform(0.0, most), p.dead


def _fitted_noise(p):
    """The errors are not known."""
    p.curves["sigma"] = "fit"


def _jitter(p):
    """Errors that lack something."""
    p.curves["jitter"] = ("par", "perp") if p.rng.random() < 0.6 else ("par",)


def _student(p, fixed, scale_is_known=True):
    """Student-t errors."""
    nu = float(p.rng.choice([2.0, 3.0, 5.0]))
    p.priors["noise_dof"] = Fixed(nu) if fixed else LogUniform(1.0, 100.0)
    p.errors = lambda rng, par, perp, n: np.stack([par, perp]) * rng.standard_t(nu, (2, n))
    if not fixed:
        p.truth["noise_dof"] = nu
    if not scale_is_known:
        p.curves["sigma"] = "fit"


def _rho(p):
    """The two errors of each point are correlated."""
    rho = float(p.rng.uniform(-0.95, 0.95))
    p.curves["rho"] = rho

    def errors(rng, par, perp, n):
        first, second = rng.standard_normal((2, n))
        return np.stack([par * first, perp * (rho * first + np.sqrt(1 - rho**2) * second)])

    p.errors = errors


def _covariance(p):
    """A calibration error that all points of a device have in common, and correlations between components."""
    p.curves["covariance"] = float(p.rng.uniform(0.3, 2.0))


def _bias_errors(p):
    """Errors of the bias, one to five per cent of its range."""
    p.curves["sigma_bias"] = float(log_uniform(p.rng, 0.005, 0.05) * np.ptp(p.bias[0]))


def _half_normal(p):
    """Amplitudes that are known to be positive."""
    p.amplitudes["a1"], p.amplitudes["b2"] = abs(p.amplitudes["a1"]), abs(p.amplitudes["b2"])
    p.priors["a1"] = Normal(0.0, p.priors["a1"].sd, low=0.0)
    if p.rng.random() < 0.5:
        p.priors["b2"] = Normal(0.0, p.priors["b2"].sd, low=0.0)


def _between(p):
    """a1 between bounds that the data may lie beyond."""
    a1 = p.amplitudes["a1"]
    low, high = a1 * np.sort(log_uniform(p.rng, 0.5, 2.0, 2)) * (0.9, 1.1)
    p.priors["a1"] = Normal(a1, 3 * a1, low=float(low), high=float(high))


def _more(p, *names):
    """Further amplitudes are free; b0 shows only in a torque."""
    if "b0" in names:
        p.quantity = ["torque"] * p.J
    size = p.priors["a1"].sd
    for name in names:
        p.amplitudes[name] = float(p.amplitudes["a1"] * p.rng.normal(0.0, 0.3))
        p.priors[name] = Normal(0.0, size / 3)


def _angles(p):
    """Devices differ in the angle between the moments."""
    p.curves["angle"] = p.rng.uniform(20.0, 160.0, p.J)


def _mixed(p):
    """Some devices measured as torque, some as torkance."""
    p.quantity = [("torque", "torkance")[j % 2] for j in range(p.J)]


def _one_component(p):
    """The errors of one component are so large that it says nothing."""
    p.sigma = (1.0, 1000.0) if p.rng.random() < 0.7 else (1000.0, 1.0)


def _masks(p):
    """A third of the points is masked."""
    p.masked = 0.33


def _few_points(p):
    """Devices with two or three points."""
    p.bias = [np.linspace(-each[-1], each[-1], int(p.rng.integers(2, 4))) for each in p.bias]


def _amplitude_conflict(p):
    """A prior of a1 that the data contradict."""
    a1 = p.amplitudes["a1"]
    p.priors["a1"] = Normal(a1 * float(p.rng.choice([0.4, 2.0, 3.0])), 0.05 * a1)


def _length_conflict(p):
    """A prior of a length that the data contradict."""
    name = str(p.rng.choice(["lambda_J", "lambda_phi", "lambda_sf_F"]))
    p.priors[name] = LogNormal(p.truth[name] * float(p.rng.choice([0.2, 5.0])), 1.15)


def _near_ballistic(p):
    """λ_φ much shorter than every layer."""
    p.truth["lambda_phi"] = float(p.thicknesses[0] * p.rng.uniform(0.05, 0.2))
    if isinstance(p.priors["lambda_phi"], LogUniform):
        p.priors["lambda_phi"] = LogUniform(0.01, 100.0)


def _no_precession(p):
    """λ_J much longer than every layer."""
    p.truth["lambda_J"] = float(log_uniform(p.rng, 20.0, 80.0))


def _positive_phase(p):
    """Im κ > 0 in some layer: λ_J about half of λ_φ, both short."""
    p.truth["lambda_J"] = float(p.rng.uniform(0.45, 0.6))
    p.truth["lambda_phi"] = float(p.rng.uniform(0.9, 1.2))
    p.thicknesses = p.thicknesses.copy()
    p.thicknesses[p.J // 2] = round(float(p.rng.uniform(2.8, 3.2)), 2)


def _d_ratio(p):
    """λ_sf^N and D_ratio are both free."""
    for name in ("lambda_sf_N", "Lambda"):
        p.priors.pop(name, None)
        Lambda = p.truth.pop(name, None)
        if Lambda is not None:
            D = float(log_uniform(p.rng, 0.3, 3.0))
            p.truth |= {"D_ratio": D, "lambda_sf_N": Lambda / D}
    p.priors |= {"lambda_sf_N": LogUniform(0.1, 100.0), "D_ratio": LogNormal(1.0, 2.0)}


def _groups(p):
    """Two groups of devices, each with its own a1."""
    p.curves["groups"] = True
    p.scopes["a1"] = "group"
    ratio = 1 + 0.2 * p.rng.standard_normal()
    p.factors["a1"] = np.array([1.0 if j % 2 else ratio for j in range(p.J)])


def _si_units(p):
    """Torques in N m, of 1e-19."""
    p.unit = "N m" if p.quantity[0] == "torque" else "N m/V"
    p.per = "device"
    for name in p.amplitudes:
        p.amplitudes[name] *= 1e-19
        p.priors[name] = Normal(0.0, p.priors[name].sd * 1e-19)


KINDS: dict[str, Callable[[Plan], None]] = {
    "own-amplitudes": _own_amplitudes, "scatter": _scatter, "dead-layer": _dead_layer, "fitted-noise": _fitted_noise,
    "jitter": _jitter, "student-fixed": lambda p: _student(p, True), "student-free": lambda p: _student(p, False),
    "student-fit": lambda p: _student(p, True, False), "rho": _rho, "covariance": _covariance,
    "bias-errors": _bias_errors, "half-normal": _half_normal, "between": _between,
    "with-a2": lambda p: _more(p, "a2"), "with-b0": lambda p: _more(p, "b0"), "with-b1": lambda p: _more(p, "b1"),
    "five": lambda p: _more(p, "a2", "b0", "b1"), "angles": _angles, "mixed": _mixed, "one-component": _one_component,
    "masks": _masks, "few-points": _few_points, "amplitude-conflict": _amplitude_conflict,
    "length-conflict": _length_conflict, "near-ballistic": _near_ballistic, "no-precession": _no_precession,
    "positive-phase": _positive_phase, "d-ratio": _d_ratio, "groups": _groups, "si-units": _si_units,
}  # fmt: skip
"""In this order: seeds choose from it by number."""

_LENGTHS = ("lambda_J", "lambda_phi", "lambda_sf_F", "Lambda")


@dataclass(frozen=True, eq=False)
class Design:
    """A study, what it was simulated from, and where it came from."""

    kind: str
    seed: int
    study: Study
    truth: dict[str, float]


def _plain(rng) -> Plan:
    J = int(rng.integers(2, 6))
    while True:
        thicknesses = np.sort(np.round(log_uniform(rng, 0.5, 6.0, J), 2))
        if np.unique(thicknesses).size == J:
            break
    n, reach = int(rng.choice([5, 11, 21])), float(rng.choice([0.2, 0.5]))
    truth = {
        "lambda_J": log_uniform(rng, 0.4, 8.0), "lambda_phi": log_uniform(rng, 0.4, 8.0),
        "lambda_sf_F": log_uniform(rng, 2.0, 40.0), "Lambda": log_uniform(rng, 0.1, 20.0),
    }  # fmt: skip
    if rng.random() < 0.5:
        priors = {
            "lambda_J": LogUniform(0.1, 100.0),
            "lambda_phi": LogUniform(0.1, 100.0),
            "Lambda": LogUniform(0.1, 100.0),
        }
    else:
        priors = {"lambda_J": LogNormal(1.5, 2.5), "lambda_phi": LogNormal(1.5, 2.5), "Lambda": LogUniform(0.1, 200.0)}
    priors["lambda_sf_F"] = LogNormal(10.0, 2.0)
    if rng.random() < 0.3:
        truth["lambda_sf_N"], priors["lambda_sf_N"] = truth.pop("Lambda"), priors.pop("Lambda")
        priors["D_ratio"] = Fixed(1.0)
    tolerance = float(rng.choice([0.0, 0.05]))
    a1 = log_uniform(rng, 0.5, 2.0)
    amplitudes = {"a1": a1, "b2": a1 * log_uniform(rng, 0.3, 1.5) * rng.choice([-1.0, 1.0])}
    size = 3 * max(abs(each) for each in amplitudes.values())
    priors |= {"a1": Normal(0.0, size), "b2": Normal(0.0, size)}
    quantity = str(rng.choice(["torque", "torkance"]))
    return Plan(
        rng=rng, thicknesses=thicknesses, tolerance=tolerance, bias=[np.linspace(-reach, reach, n)] * J,
        noise=log_uniform(rng, 0.003, 0.15), quantity=[quantity] * J, per=str(rng.choice(["device", "volume"])),
        truth={name: float(value) for name, value in truth.items()}, priors=priors, amplitudes=amplitudes,
    )  # fmt: skip


def kinds() -> tuple[str, ...]:
    """Every kind of design; "plain" first, to which about half of all seeds belong.

    Those of `parts` and `conditions` by name only.
    """
    return ("plain", *KINDS, *CHOICES, CONDITIONS)


def design(seed: int, kind: str | None = None) -> Design:
    """The design of a seed; `kind` forces one of `kinds`."""
    chooser = np.random.default_rng([seed, 0])
    drawn = "plain" if chooser.random() < 0.5 else list(KINDS)[int(chooser.integers(len(KINDS)))]
    kind = drawn if kind is None else kind
    plan = _plain(np.random.default_rng([seed, 1]))
    if kind != "plain":
        if kind in CHOICES or kind == CONDITIONS:
            under = str(plan.rng.choice(UNDER))
            if under and not (kind == CONDITIONS and under == "scatter"):
                KINDS[under](plan)
            if kind == CONDITIONS:
                measure_again(plan)
            else:
                leave_out(plan, kind)
        else:
            KINDS[kind](plan)
    return _built(kind, seed, plan)


def _built(kind, seed, p) -> Design:
    rng, truth = p.rng, dict(p.truth) | {name: float(each) for name, each in p.amplitudes.items()}
    of = np.arange(p.J) if p.of is None else p.of
    d = (p.thicknesses + p.tolerance * rng.standard_normal(p.J))[np.unique(of, return_index=True)[1]][of]
    Lambda = truth["Lambda"] if "Lambda" in truth else truth["lambda_sf_N"] * truth.get("D_ratio", 1.0)
    K = kappa(d - p.dead, truth["lambda_J"], truth["lambda_phi"], truth["lambda_sf_F"], Lambda)
    K = K / (d - p.dead) if p.per == "volume" else K
    curves = [_curve(p, j, d[j], K[j]) for j in range(p.J)]
    if p.tolerance:
        truth |= {f"thickness[D{j}]": float(each) for j, each in zip(of, d, strict=True)}
    if p.condition is not None:
        for j, curve in enumerate(curves):
            truth |= {f"{name}[{owner(p.scopes[name], curve)}]": value * p.factors[name][j]
                      for name, value in p.amplitudes.items()}  # fmt: skip
    priors = dict(p.priors)
    scale = max(float(np.nanmax(np.abs([curve.par, curve.perp]))) for curve in curves)
    seen = np.any([curve.used_values.any(axis=1) for curve in curves], axis=0)
    there = [which for which, one in zip(("par", "perp"), seen, strict=True) if one]
    if p.curves.get("sigma") == "fit":
        priors |= {f"noise_{which}": LogNormal(0.05 * scale, 3.0) for which in there}
    for which in set(there) & set(p.curves.get("jitter", ())):
        priors[f"jitter_{which}"] = LogNormal(p.noise * scale, 3.0)
    parameters = {name: Parameter(name, prior, p.scopes.get(name, "shared")) for name, prior in priors.items()}
    thickness = AboutNominal(p.tolerance) if p.tolerance else Fixed(0.0)
    parameters["thickness"] = Parameter("thickness", thickness, "device")
    return Design(kind, seed, Study(f"{kind} {seed}", tuple(curves), parameters), truth)


def owner(scope, curve):
    """Whose an amplitude is."""
    return {"shared": "", "group": curve.group, "device": curve.device, "curve": curve.name}[scope]


def _curve(p, j, d, K) -> TorqueCurve:
    rng, V = p.rng, p.bias[j]
    n = V.size
    angle = p.curves["angle"][j] if "angle" in p.curves else None
    factor = 1.0 if angle is None else float(np.sin(np.deg2rad(angle)))
    names = list(p.amplitudes)
    c = [p.amplitudes[a] * p.factors.get(a, np.ones(p.J))[j] * (1.0 if a[0] == "a" else 1j) for a in names]
    powers = [int(a[1:]) for a in names]

    def torque(at):
        return K * (terms(powers, at, p.quantity[j], factor) @ np.array(c))

    T = torque(V)
    level = p.noise * float(np.max(np.abs(T)))
    par, perp = level * p.sigma[0] * np.ones(n), level * p.sigma[1] * np.ones(n)
    extra: dict[str, object] = {}
    if "sigma_bias" in p.curves:
        extra["sigma_bias"] = p.curves["sigma_bias"]
        T = torque(V + p.curves["sigma_bias"] * rng.standard_normal(n))
    noise = (p.errors or (lambda g, a, b, k: np.stack([a, b]) * g.standard_normal((2, k))))(rng, par, perp, n)
    if "covariance" in p.curves:
        common = np.concatenate([par, 0.7 * perp]) * p.curves["covariance"]
        C = np.diag(np.concatenate([par, perp]) ** 2) + np.outer(common, common)
        extra["covariance"] = C
        noise = (np.linalg.cholesky(C) @ rng.standard_normal(2 * n)).reshape(2, n)
    for k, which in enumerate(("par", "perp")):
        if which in p.curves.get("jitter", ()):
            noise[k] += 1.5 * level * rng.standard_normal(n)
    if "rho" in p.curves:
        extra["rho"] = np.full(n, p.curves["rho"])
    if angle is not None:
        extra |= {"angle": float(angle), "sin_theta": "included"}
    if p.condition is not None:
        extra |= {"condition": p.condition[j], "group": p.condition[j] or "alone"}
    if "groups" in p.curves:
        extra["group"] = f"G{j % 2}"
    if p.curves.get("sigma") != "fit" and "covariance" not in extra:
        extra |= {"sigma_par": par, "sigma_perp": perp}
    par, perp = T.real + noise[0], T.imag + noise[1]
    if p.parts is not None:
        has = p.parts[j][:, None] & (rng.random((2, n)) >= p.holes)
        has[:, n // 2 - 1 : n // 2 + 2] = p.parts[j][:, None]
        V, par, perp, extra = what_was_measured(has, V, par, perp, extra)
    curve = TorqueCurve(
        f"D{j if p.of is None else p.of[j]}", V, par, perp, float(p.thicknesses[j]), p.quantity[j], p.per, p.unit,
        origin=Origin("simulated", "design drawn at random"), **extra,
    )  # fmt: skip
    if p.masked:
        away, n = rng.random(V.size) < p.masked, V.size
        away[n // 2 - 1 : n // 2 + 2] = False
        curve = curve.mask(away, "drawn at random") if away.any() else curve
    return curve
