"""Spectra of random design on backgrounds and with noise that nobody declared; line shapes by quadrature."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from mtjfit.data.curve import Origin
from mtjfit.spectra import LineModel, LineOptions, SpectraDevice, SpectraStudy, Spectrum

FAULTS = ("drift", "exponential", "1/f", "ripple")
_PHASES = (np.arange(96) + 0.5) * np.pi / 48


class Drawn(NamedTuple):
    """A study of spectra, and the true symmetric and antisymmetric amplitudes of each, (N, 2)."""

    study: SpectraStudy
    truth: np.ndarray


def line(x: np.ndarray, centre: float, width: float, s: float, a: float, modulation: float | None) -> np.ndarray:
    """Half width `width`; with a modulation its first harmonic, the mean over the phase of the modulation."""
    if modulation is None:
        u = (x - centre) / width
        return (s + a * u) / (1 + u * u)
    u = (x[:, None] + modulation * np.cos(_PHASES) - centre) / width
    return 2 * np.mean((s + a * u) / (1 + u * u) * np.cos(_PHASES), axis=1)


def pink(rng: np.random.Generator, n: int) -> np.ndarray:
    """1/f noise of unit scatter: a part of a longer record."""
    f = np.fft.rfftfreq(4 * n)[1:]
    waves = (rng.standard_normal(f.size) + 1j * rng.standard_normal(f.size)) / np.sqrt(f)
    record = np.fft.irfft(np.append(0, waves))
    return record[:n] / record.std()


def fault(kind: str, rng: np.random.Generator, t: np.ndarray, width: float, noise: np.ndarray) -> np.ndarray:
    """Noise of unit scatter with one fault, against t over −1 … 1."""
    if kind == "drift":  # four sigma from the middle to the ends
        return noise + rng.choice([-4.0, 4.0]) * t**2
    if kind == "exponential":
        return noise + 20 * np.exp(-(t + 1) / rng.uniform(0.2, 0.6))
    if kind == "ripple":  # two to six times as long as the line is wide
        return noise + np.sin(2 * np.pi * t / (rng.uniform(4, 12) * width) + rng.uniform(0, 2 * np.pi))
    return pink(rng, t.size) if kind == "1/f" else noise


def drawn(rng: np.random.Generator, kind: str = "none", n: int = 25, *, widest: float = 0.3, biases: int = 1) -> Drawn:
    """Devices of random design with one spectrum each, or several at different biases; V in units of the noise.

    Of one study all have the same order of the background and the same modulation, or none. With several biases the
    design and the fault are those of the device, noise and amplitudes are not.
    """
    degree = {"drift": 1, "exponential": 3}.get(kind, int(rng.integers(0, 4)))
    modulation = 0.05 if rng.random() < 0.3 else None
    spectra, truth = [], []
    for device in range(n):
        points, width = int(rng.integers(80, 300)), float(np.exp(rng.uniform(np.log(0.05), np.log(widest))))
        t, centre, seed = np.linspace(-1, 1, points), rng.uniform(-0.4, 0.4), int(rng.integers(2**31))
        largest = np.abs(line(t, centre, width, 1.0, 0.0, modulation)).max()
        for k in range(biases):
            size, angle = np.exp(rng.uniform(np.log(10), np.log(100))) / largest, rng.uniform(0, 2 * np.pi)
            s, a = size * np.cos(angle), size * np.sin(angle)
            flat = np.polynomial.polynomial.polyval(t, 20 * rng.standard_normal(degree + 1))
            noise = rng.standard_normal(points)
            odd = fault(kind, np.random.default_rng(seed) if kind != "1/f" else rng, t, width, noise)
            y = line(t, centre, width, s, a, modulation) + flat + odd
            spectra.append(Spectrum(f"D{device}", 0.01 * k, "frequency", 1e9 * (5 + t), 1e-6 * y))
            truth.append((1e-6 * s, 1e-6 * a))
    options = LineOptions(LineModel(degree=degree, modulation=None if modulation is None else 1e9 * modulation))
    devices: Mapping[str, SpectraDevice] = {each.device: SpectraDevice(each.device) for each in spectra}
    study = SpectraStudy(
        "random", "frequency", "N m/V", Origin("simulated", "random"), tuple(spectra), options, devices
    )
    return Drawn(study, np.array(truth))
