"""What a design is built from, and what every kind changes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from mtjfit.study import Fixed, LogNormal, LogUniform, Normal, Uniform


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
    dead: float = 0.0
    sigma: tuple[float, float] = (1.0, 1.0)

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


def _student(p, fixed):
    nu = float(p.rng.choice([2.0, 3.0, 5.0]))
    p.priors["noise_dof"] = Fixed(nu) if fixed else LogUniform(1.0, 100.0)
    p.errors = lambda rng, par, perp, n: np.stack([par, perp]) * rng.standard_t(nu, (2, n))
    if not fixed:
        p.truth["noise_dof"] = nu


def _student_fixed(p):
    """Student-t errors of known degrees of freedom."""
    _student(p, True)


def _student_free(p):
    """Student-t errors of free degrees of freedom."""
    _student(p, False)


def _student_fit(p):
    """Student-t errors with a scale that is not known either."""
    _student(p, True)
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
    size = p.priors["a1"].sd
    for name in names:
        p.amplitudes[name] = float(p.amplitudes["a1"] * p.rng.normal(0.0, 0.3))
        p.priors[name] = Normal(0.0, size / 3)


def _with_a2(p):
    """a2 is free, too."""
    _more(p, "a2")


def _with_b0(p):
    """b0 is free, too; only a torque has it."""
    p.quantity = ["torque"] * p.J
    _more(p, "b0")


def _with_b1(p):
    """b1 is free, too."""
    _more(p, "b1")


def _five(p):
    """All five amplitudes are free."""
    p.quantity = ["torque"] * p.J
    _more(p, "a2", "b0", "b1")


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
    function.__name__.strip("_").replace("_", "-"): function
    for function in (
        _own_amplitudes, _scatter, _dead_layer, _fitted_noise, _jitter, _student_fixed, _student_free, _student_fit,
        _rho, _covariance, _bias_errors, _half_normal, _between, _with_a2, _with_b0, _with_b1, _five, _angles, _mixed,
        _one_component, _masks, _few_points, _amplitude_conflict, _length_conflict, _near_ballistic, _no_precession,
        _positive_phase, _d_ratio, _groups, _si_units,
    )
}  # fmt: skip
