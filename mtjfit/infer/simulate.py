"""Truths from the prior, and data from a truth.

The forward model and the noise are implemented here independently, from their definitions and point by point, without
the sums and integrals of `mtjfit.model`: a calibration that simulates with the code it tests cannot see its mistakes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from mtjfit.arrays import ComplexArray, FloatArray
from mtjfit.cards import ShownAsCard
from mtjfit.data import Origin, TorqueCurve
from mtjfit.errors import MtjfitError
from mtjfit.physics import Interface, kappa, kappa_density
from mtjfit.study import DOF, JITTER, NOISE, SCATTER, ParameterName, Prior, Study, is_amplitude
from mtjfit.study.correlated import joint_quantiles

_KNOWN = (*NOISE, *JITTER, DOF, "thickness")
_ORIGIN = Origin("simulated", "truth drawn from the prior")
_ATTEMPTS = 1000


def priors_of(study: Study) -> dict[str, Prior]:
    """Prior of every declared free parameter by its name in tables, such as ``a1`` or ``thickness[dev1]``.

    Amplitudes of single devices that scatter about a shared one are not among them: their priors depend on others.

    Examples
    --------
    >>> from mtjfit.data import dataset
    >>> from mtjfit.study import load_study
    >>> list(priors_of(load_study(dataset("thickness-series").study_file)))[:5]
    ['lambda_J', 'lambda_phi', 'lambda_sf_F', 'lambda_sf_N', 'thickness[F0.8nm]']
    """
    found: dict[str, Prior] = {}
    for name, parameter in study.parameters.items():
        if not (name in _KNOWN or name in study.lengths or is_amplitude(name.removeprefix(SCATTER))):
            raise MtjfitError(f"parameters.{name}: data that depend on it cannot be simulated yet; remove it")
        for curve in study.curves:
            prior = parameter.prior_at(curve.thickness)
            if prior is not None:
                found[parameter.name_for(curve)] = prior
    return found


def _scattering(study: Study) -> tuple[str, ...]:
    """Amplitudes that scatter between devices about a shared one."""
    return tuple(name for name in study.amplitudes if SCATTER + name in study.parameters)


def free_names(study: Study) -> tuple[str, ...]:
    """Names of all parameters of a truth."""
    own = (ParameterName(name, curve.device) for name in _scattering(study) for curve in study.curves)
    return (*priors_of(study), *own)


@dataclass(frozen=True)
class DeviceModel(ShownAsCard):
    """One device at n points in parameter space."""

    study: Study
    curve: TorqueCurve
    values: Mapping[str, ArrayLike]  # of every free parameter, `free_names`, each of shape (n,)

    def __getitem__(self, name: str) -> FloatArray:
        """Value of a parameter in this device, free or fixed, shape (n,) or ()."""
        parameter = self.study.parameters[name]
        if parameter.tie is not None:
            return np.asarray(parameter.tie.ratio * self[parameter.tie.target])
        if parameter.value is not None:
            return np.asarray(self.curve.thickness if name == "thickness" else parameter.value)
        return np.asarray(self.values[parameter.name_for(self.curve)])

    def declares(self, name: str) -> bool:
        """True if the study has the parameter."""
        return name in self.study.parameters

    def amplitude(self, name: str) -> FloatArray:
        """Amplitude of this device, its own where amplitudes scatter, shape (n,) or ()."""
        own = ParameterName(name, self.curve.device)
        return np.asarray(self.values[own]) if self.declares(SCATTER + name) else self[name]

    @property
    def magnetic(self) -> FloatArray:
        """Thickness without the dead layer in nm, shape (n,) or ()."""
        return np.asarray(self["thickness"] - (self["dead_layer"] if self.declares("dead_layer") else 0.0))

    @property
    def K(self) -> ComplexArray:
        """κ(d), or κ(d)/d per volume, shape (n,) or ()."""
        model = self.study.model
        if not model.is_eq12:
            own = model.kappa(self.magnetic, {name: self[name] for name in model.parameters})
            return np.asarray(own / self.magnetic if self.curve.per == "volume" else own)
        behind = ("Lambda",) if self.declares("Lambda") else ("lambda_sf_N", "D_ratio")
        lengths = [self[name] for name in ("lambda_J", "lambda_phi", "lambda_sf_F", *behind)]
        transfer = kappa_density if self.curve.per == "volume" else kappa
        return np.asarray(transfer(self.magnetic, *lengths))

    def torque(self, bias: ArrayLike) -> ComplexArray:
        """Torque or torkance, shape (n or 1, n_bias), in the unit of the first curve; Eq. 2 and 12."""
        bias = np.asarray(bias, dtype=float)
        J0: ComplexArray = np.zeros((1, bias.size), dtype=complex)
        for name in self.study.amplitudes:
            J0 = J0 + self.amplitude(name)[..., None] * self._law(name, bias)
        return np.asarray(self.curve.angle_factor * self.K[..., None] * J0)

    def _law(self, name: str, bias: FloatArray) -> ComplexArray:
        """J0, or dJ0/dV for a torkance, of one amplitude at 1."""
        digit, slope = int(name[1:]), self.curve.quantity == "torkance"
        if digit in self.study.model.terms:
            phase = 1j if name[0] == "b" else 1.0
            return np.asarray(phase * self.study.model.terms[digit].order(bias, int(slope)))
        unit = Interface.of(**{name: 1.0})
        return unit.derivative(bias) if slope else unit.current(bias)

    @property
    def sigma(self) -> tuple[FloatArray, FloatArray]:
        """Errors of both components, known or fitted, shape (n_bias,) or (n, 1), in the unit of the first curve."""
        if self.curve.sigma_par is None or self.curve.sigma_perp is None:
            par, perp = (self[name][..., None] if self.declares(name) else np.ones(1) for name in NOISE)
            return par, perp
        scale = self.study.scale_of(self.curve)
        return self.curve.sigma_par * scale, self.curve.sigma_perp * scale

    @property
    def rho(self) -> FloatArray:
        """Correlation of the two errors of each point, shape (n_bias,)."""
        return np.zeros(self.curve.bias.size) if self.curve.rho is None else self.curve.rho

    @property
    def jitter(self) -> tuple[FloatArray, FloatArray]:
        """Jitter, added to the known errors in quadrature, shape (n, 1) or (1,), in the unit of the first curve."""
        par, perp = (self[name][..., None] if self.declares(name) else np.zeros(1) for name in JITTER)
        return par, perp


def draw_truth(study: Study, rng: np.random.Generator) -> dict[str, float]:
    """Every free parameter of a study, drawn from its prior.

    Amplitudes that scatter with the relative standard deviation s about a shared a are normal, a ± s |a|. With a dead
    layer, all are drawn again until every device is thicker than it; MtjfitError after a thousand times.
    """
    priors = priors_of(study)
    for _ in range(_ATTEMPTS):
        values = joint_quantiles(priors, np.array([rng.random() for _ in priors]))
        truth = {name: float(x) for name, x in zip(priors, values, strict=True)}
        devices = [DeviceModel(study, curve, truth) for curve in study.curves]
        if all(device.magnetic > 0 for device in devices):
            for name in _scattering(study):
                for device in devices:
                    shared, sd = float(device[name]), abs(float(device[name])) * float(device[SCATTER + name])
                    truth[ParameterName(name, device.curve.device)] = shared + sd * float(rng.standard_normal())
            return truth
    raise MtjfitError("a thousand draws from the priors leave some device thinner than the dead layer: narrow them")


def _noise(device: DeviceModel, rng: np.random.Generator) -> FloatArray:
    """Errors of both components at every bias, shape (2, n_bias), in the unit of the first curve."""
    curve, n = device.curve, device.curve.bias.size
    if curve.covariance is not None:
        there = curve.measured.ravel()
        known = np.where(np.outer(there, there), curve.covariance, np.eye(2 * n))
        root = np.linalg.cholesky(known) * device.study.scale_of(curve)
        return np.asarray((root @ rng.standard_normal(2 * n)).reshape(2, n))
    white = rng.standard_normal((2, n))
    if device.declares(DOF):
        white = rng.standard_t(float(device[DOF]), (2, n))
    perp = device.rho * white[0] + np.sqrt(1 - device.rho**2) * white[1]
    more = rng.standard_normal((2, n))
    return np.stack([
        sigma * each + s * extra
        for sigma, each, s, extra in zip(device.sigma, (white[0], perp), device.jitter, more, strict=True)
    ])  # fmt: skip


def drawn_values(device: DeviceModel, rng: np.random.Generator) -> FloatArray:
    """New data of one device: values of both components at every bias, shape (2, n_bias), in the unit of its curve."""
    curve, away, bias = device.curve, _noise(device, rng), device.curve.bias
    if curve.sigma_bias is not None:
        bias = bias + curve.sigma_bias * rng.standard_normal(bias.size)
    T = device.torque(bias)[0]
    values = (np.stack([T.real, T.imag]) + away) / device.study.scale_of(curve)
    return np.where(curve.measured, values, np.nan)


def simulated(study: Study, truth: Mapping[str, float], rng: np.random.Generator) -> Study:
    """The study with its data replaced by simulated ones: same bias, errors, masks, units and normalisation.

    Where the bias has errors the torque is that at a bias with a random error. The curves are marked as simulated.
    """
    curves = []
    for curve in study.curves:
        par, perp = drawn_values(DeviceModel(study, curve, truth), rng)
        curves.append(replace(curve, par=par, perp=perp, origin=_ORIGIN))
    return study.replace(curves=tuple(curves))
