"""Stacks of `stack_reference` drawn at random, and the same as models of mtjfit."""

from __future__ import annotations

import numpy as np
from stack_reference import AMPLITUDES, LENGTHS, RADIUS, SMOOTH_SD, SPREADS, Stack, simulated

from mtjfit.data import TorqueCurve
from mtjfit.study import Fixed, LogNormal, Normal, Parameter, Study
from mtjfit.wafer import Hierarchy, WaferDevices, WaferPosterior

KINDS = ("three thicknesses", "wedge", "one thickness")
_ALL = {
    "three thicknesses": (("scatter_a1", "thickness_scatter"), (("a1", "bowl"),), 12, 0.01),
    "wedge": (("scatter_b2", "thickness_scatter"), (("thickness", "tilt_x"), ("thickness", "bowl")), 14, 0.005),
    "one thickness": (tuple(SPREADS), (("thickness", "tilt_x"),), 10, 0.01),
}


def on_a_disc(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions in mm, uniform over the wafer."""
    r, phi = RADIUS * np.sqrt(rng.random(n)), 2 * np.pi * rng.random(n)
    return r * np.cos(phi), r * np.sin(phi)


def drawn(kind: str, seed: int) -> Stack:
    """A stack of some kind with truths from the prior."""
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    spreads, smooth, n, noise = _ALL[kind]
    x, y = on_a_disc(rng, n)
    nominal = {
        "three thicknesses": np.resize(np.sort(rng.uniform(0.7, 3.5, 3)), n),
        "wedge": rng.uniform(0.7, 3.5, n),
        "one thickness": np.full(n, rng.uniform(1.0, 2.5)),
    }[kind]
    bias = np.linspace(-0.5, 0.5, int(rng.integers(7, 12)))
    return simulated(Stack(nominal, x, y, bias, noise, spreads, smooth), rng)


def model_of(stack: Stack, *, noise_said: float = 1.0, without: tuple[str, ...] = ()) -> WaferPosterior:
    """The model of a stack by mtjfit; with errors that are wrong by a factor, or without some of its scatter."""
    n, sigma = stack.bias.size, np.full(stack.bias.size, noise_said * stack.noise)
    curves = tuple(
        TorqueCurve(f"D{j}", stack.bias, row[:n], row[n:], d, "torque", "device", "arb", sigma_par=sigma,
                    sigma_perp=sigma)
        for j, (row, d) in enumerate(zip(stack.values, stack.nominal, strict=True))
    )  # fmt: skip
    priors = {name: LogNormal(*pair) for name, pair in LENGTHS.items()}
    priors |= {name: Normal(*pair) for name, pair in AMPLITUDES.items()}
    spreads = {name: LogNormal(*SPREADS[name]) for name in stack.spreads if name not in without}
    scatter = spreads.pop("thickness_scatter", None)
    parameters = {name: Parameter(name, prior) for name, prior in (priors | spreads).items()}
    parameters["thickness"] = Parameter("thickness", Fixed(0.0), "device")
    smooth = {of: tuple(shape for one, shape in stack.smooth if one == of) for of, _ in stack.smooth}
    hierarchy = Hierarchy(smooth, dict.fromkeys(smooth, SMOOTH_SD), thickness_scatter=scatter, radius=RADIUS)
    return WaferPosterior(WaferDevices.of(Study("stack", curves, parameters), stack.x, stack.y), parameters, hierarchy)
