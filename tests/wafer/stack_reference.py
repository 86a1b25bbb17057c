"""The hierarchical posterior of a stack once more: own forward code, raw points, dense quadrature, own sampler.

Nothing of mtjfit is imported here. Priors are (median, factor) of lognormal and (mean, sd) of normal numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from reference_forward import kappa
from reference_sampler import anneal, importance

LENGTHS = {"lambda_J": (1.2, 1.5), "lambda_phi": (1.2, 1.5), "lambda_sf_F": (10.0, 2.0), "Lambda": (2.0, 1.5)}
AMPLITUDES = {"a1": (1.0, 0.5), "b2": (0.6, 0.3)}
SPREADS = {"scatter_a1": (0.03, 1.5), "scatter_b2": (0.03, 1.5), "thickness_scatter": (0.02, 1.5)}
RADIUS, SMOOTH_SD = 100.0, 0.04
_NODES, _REACH = 49, 6.5  # of the quadrature over a thickness, in standard deviations of its prior
_ROWS = 200  # at a time
_LN_2PI = np.log(2 * np.pi)


def shapes(name, x, y):
    """A shape over the wafer from positions in mm, in polar coordinates."""
    r, phi = np.hypot(x, y) / RADIUS, np.arctan2(y, x)
    return {"tilt_x": r * np.cos(phi), "tilt_y": r * np.sin(phi), "bowl": r**2 - (1 - r**2)}[name]


@dataclass(frozen=True, eq=False)
class Stack:
    """Raw points of one stack, a torque in arb that varies as a1 V and b2 V², and what is to be found of it."""

    nominal: np.ndarray  # nm, shape (J,)
    x: np.ndarray  # mm
    y: np.ndarray
    bias: np.ndarray  # V, shape (n,)
    noise: float
    spreads: tuple[str, ...]  # those of `SPREADS` that the devices have
    smooth: tuple[tuple[str, str], ...]  # parameter and shape
    values: np.ndarray = field(default_factory=lambda: np.empty(0))  # in-plane, then out-of-plane, shape (J, 2n)
    truth: np.ndarray = field(default_factory=lambda: np.empty(0))  # coordinates, shape (D,)

    @property
    def priors(self):
        """(first number, second number, True if lognormal) by name, in the order of the coordinates."""
        found = {name: (*pair, True) for name, pair in LENGTHS.items()}
        found |= {name: (*pair, False) for name, pair in AMPLITUDES.items()}
        found |= {name: (*SPREADS[name], True) for name in self.spreads}
        return found | {f"{of}_{shape}": (0.0, SMOOTH_SD, False) for of, shape in self.smooth}

    def natural(self, z):
        """Values by name of coordinates (D, n), which are standard normal a priori."""
        out = {}
        for row, (name, (first, second, is_log)) in zip(z, self.priors.items(), strict=True):
            out[name] = first * second**row if is_log else first + second * row
        return out

    def coordinates(self, values):
        """The inverse of `natural`, (D, n)."""
        rows = []
        for name, (first, second, is_log) in self.priors.items():
            v = np.asarray(values[name])
            rows.append(np.log(v / first) / np.log(second) if is_log else (v - first) / second)
        return np.array(rows)

    def factor(self, of, v):
        """1 + Σ g P of every device, shape (n, J)."""
        total = np.ones((1, self.nominal.size))
        for name, shape in self.smooth:
            if name == of:
                total = total + np.atleast_1d(v[f"{of}_{shape}"])[:, None] * shapes(shape, self.x, self.y)
        return total

    def chosen(self, which):
        """Some of the devices."""
        x, y, nominal, values = self.x[which], self.y[which], self.nominal[which], self.values[which]
        return replace(self, x=x, y=y, nominal=nominal, values=values)


def simulated(stack, rng, z=None):
    """The stack with points, drawn at coordinates z of shape (D,), or at coordinates drawn from the prior."""
    z = rng.standard_normal(len(stack.priors)) if z is None else z
    v, J = stack.natural(z[:, None]), stack.nominal.size
    scatter = {name: v.get(name, np.zeros(1)) * rng.standard_normal(J) for name in SPREADS}
    d = stack.nominal * stack.factor("thickness", v)[0] + scatter["thickness_scatter"]
    K = kappa(d, *(v[name] for name in LENGTHS))
    a1, b2 = (v[name] * stack.factor(name, v)[0] * (1 + scatter[f"scatter_{name}"]) for name in AMPLITUDES)
    T = K[:, None] * (a1[:, None] * stack.bias + 1j * b2[:, None] * stack.bias**2)
    values = np.concatenate([T.real, T.imag], axis=1)
    return replace(stack, values=values + stack.noise * rng.standard_normal(values.shape), truth=z)


@dataclass(frozen=True)
class Target:
    """ln prior and ln L of coordinates (D, n), as `reference_sampler` asks for them.

    `wrong` multiplies the smooth part or a scatter, to see that it is noticed.
    """

    stack: Stack
    wrong: dict = field(default_factory=dict)
    nodes: int = _NODES

    @property
    def size(self):
        """D."""
        return len(self.stack.priors)

    def draw_start(self, rng, n):
        """From the prior."""
        return rng.standard_normal((self.size, n))

    def __call__(self, z):
        prior = -0.5 * np.sum(z**2, axis=0) - 0.5 * self.size * _LN_2PI
        parts = [z[:, k : k + _ROWS] for k in range(0, z.shape[1], _ROWS)]
        return prior, np.concatenate([self._log_likelihood(part) for part in parts])

    def _factor(self, of, v):
        return 1 + self.wrong.get(of, 1.0) * (self.stack.factor(of, v) - 1)

    def _spread(self, name, v):
        return self.wrong.get(name, 1.0) * v[name][:, None] if name in self.stack.spreads else np.zeros((1, 1))

    def _log_likelihood(self, z):
        """The mean of the density of each device's points over its thickness."""
        stack, v = self.stack, self.stack.natural(z)
        n, J = z.shape[1], stack.nominal.size
        centre = np.broadcast_to(stack.nominal * self._factor("thickness", v), (n, J))
        t = np.linspace(-_REACH, _REACH, self.nodes)
        log_w = -0.5 * t**2 - 0.5 * _LN_2PI + np.log(t[1] - t[0])
        if "thickness_scatter" not in stack.spreads:
            t, log_w = np.zeros(1), np.zeros(1)
        d = centre[..., None] + self._spread("thickness_scatter", v)[..., None] * t
        d = np.maximum(d, 1e-6)
        K = kappa(d, *(v[name][:, None, None] for name in LENGTHS))
        mean, sd = [], []
        for name in AMPLITUDES:
            m = v[name][:, None] * self._factor(name, v)
            mean.append(m[..., None])
            sd.append((m * self._spread(f"scatter_{name}", v))[..., None])
        log = self._density(K, mean, sd) + log_w
        top = log.max(axis=-1, keepdims=True)
        return np.sum(top[..., 0] + np.log(np.sum(np.exp(log - top), axis=-1)), axis=-1)

    def _density(self, K, mean, sd):
        """ln of the normal density of all points of a device at K of shape (n, J, nodes).

        The mean is X m with the columns of X those of a1 and b2, the covariance is noise² + X diag(sd²) Xᵀ; its inverse
        and determinant follow from a matrix of two rows (Woodbury).
        """
        stack = self.stack
        V, s2 = stack.bias, stack.noise**2
        par, perp = stack.values[:, : V.size], stack.values[:, V.size :]
        # columns: [Re K V; Im K V] and [−Im K V²; Re K V²]
        y1 = K.real * (par @ V)[:, None] + K.imag * (perp @ V)[:, None]
        y2 = K.real * (perp @ V**2)[:, None] - K.imag * (par @ V**2)[:, None]
        square = K.real**2 + K.imag**2
        g11, g22, g12 = square * np.sum(V**2), square * np.sum(V**4), 0.0  # the two columns are orthogonal: i K and K
        r = np.sum(stack.values**2, axis=1)[:, None]
        m1, m2 = mean
        b1, b2 = y1 - g11 * m1 - g12 * m2, y2 - g12 * m1 - g22 * m2
        r = r - 2 * (m1 * y1 + m2 * y2) + g11 * m1**2 + 2 * g12 * m1 * m2 + g22 * m2**2
        chi2, log_det = r / s2, 2 * V.size * np.log(s2)
        for b, g, s in ((b1, g11, sd[0]), (b2, g22, sd[1])):
            grown = 1 + s**2 * g / s2
            chi2 = chi2 - s**2 * (b / s2) ** 2 / grown
            log_det = log_det + np.log(grown)
        return -0.5 * (chi2 + log_det + 2 * V.size * _LN_2PI)


def k_hat(weights):
    """Shape of the generalised Pareto law of the largest weights (Zhang and Stephens, Technometrics 51, 316, 2009)."""
    n = weights.size
    m = int(min(0.2 * n, 3 * np.sqrt(n)))
    w = np.sort(weights)
    x = w[-m:] - w[-m - 1]
    rows = 30 + int(np.sqrt(m))
    theta = 1 / x[-1] + (1 - np.sqrt(rows / (np.arange(rows) + 0.5))) / (3 * x[int(m / 4 + 0.5) - 1])
    k = np.mean(np.log1p(-theta[:, None] * x), axis=1)
    profile = m * (np.log(-theta / k) - k - 1)
    share = np.exp(profile - profile.max())
    best = float(np.sum(theta * share) / share.sum())
    return float(np.mean(np.log1p(-best * x)))


@dataclass(frozen=True)
class Reference:
    """Weighted draws of the coordinates, ln Z by two routes, and how far the weights can be trusted."""

    names: tuple[str, ...]
    z: np.ndarray  # shape (D, n)
    weights: np.ndarray  # sum to one
    log_z: float
    error: float
    annealed_log_z: float
    ess: float
    k_hat: float

    def mean_and_sd(self):
        """Mean, its error, standard deviation and its error of every coordinate, each of shape (D,)."""
        w, mean = self.weights, self.z @ self.weights
        away = self.z - mean[:, None]
        variance = away**2 @ w
        errors = np.sqrt(away**2 @ w**2), np.sqrt((away**2 - variance[:, None]) ** 2 @ w**2)
        return mean, errors[0], np.sqrt(variance), errors[1] / (2 * np.sqrt(variance))

    def cdf(self, k, x):
        """Probability of coordinate k up to x, and its error."""
        up = self.z[k] <= x
        p = float(self.weights[up].sum())
        return p, float(np.sqrt(np.sum(self.weights**2 * (up - p) ** 2)))


def reference(stack, seed=0, *, wrong=None, chains=1000, length=20, ess=60_000.0, seconds=240.0):
    """The posterior of a stack: particles annealed from the prior, then importance sampling from a mixture of t.

    The mixture has wider parts: without them it missed a tail of one nominal thickness, six of its own errors of an sd,
    at a k̂ of 0.44.
    """
    target, rng = Target(stack, wrong or {}), np.random.default_rng([19, seed])
    annealed = anneal(target, rng, chains, length)
    found = importance(target, annealed, rng, ess, seconds, tails=(1.5, 2.2, 3.5))
    return Reference(
        tuple(stack.priors), found.z, found.weights, found.log_z, found.error, annealed.log_z, found.ess,
        k_hat(found.weights),
    )  # fmt: skip
