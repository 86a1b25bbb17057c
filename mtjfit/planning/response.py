"""Signal of a measurement at each draw, its derivatives by every parameter, and its Fisher information."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mtjfit.arrays import ComplexArray, FloatArray
from mtjfit.cards import ShownAsCard
from mtjfit.model.compress import polynomial_design
from mtjfit.model.likelihood import THINNEST
from mtjfit.planning.draws import ParameterDraws, cap_label
from mtjfit.planning.measurement import Measurement, measurement_like, point_errors
from mtjfit.study import SCATTER, Fixed, ParameterName, amplitudes_of, parse_amplitude


@dataclass(frozen=True, eq=False)
class Setting:
    """A measurement with the errors that it has at each draw.

    `root`, shape (r, 2P): root of the Gram matrix of the sweep, both components, in units of `sigma`, shape (n, r), the
    standard errors of its rows in the unit of the study; one where `root` holds the errors. `thickness_sd` of a new
    device about its nominal thickness; 0 where it is exact or the device is present already.
    """

    measurement: Measurement
    root: FloatArray
    sigma: FloatArray
    thickness_sd: float

    def whitened(self, coefficients: ComplexArray | FloatArray) -> FloatArray:
        """Complex coefficients of shape (n, P) as rows of both components in units of their errors, shape (n, r)."""
        both = np.concatenate([coefficients.real, coefficients.imag], axis=-1)
        return np.asarray(both @ self.root.T / self.sigma)


@dataclass(frozen=True, eq=False)
class Response(ShownAsCard):
    """Whitened coefficients of the polynomials in V, shape (n, r), and their derivatives.

    `shared`, shape (n, r, m): by coordinate. `own`, shape (n, r, q): by what belongs to a new device alone, its
    thickness and amplitudes, per prior standard deviation.
    """

    mean: FloatArray
    shared: FloatArray
    own: FloatArray


@dataclass(frozen=True)
class _Term:
    """One amplitude of one device: phase, place of its power, value, coordinate, and its own spread."""

    phase: complex
    position: int
    value: FloatArray
    coordinate: str
    own_sd: FloatArray | None


def _terms(draws: ParameterDraws, measurement: Measurement) -> Iterator[_Term]:
    """Amplitudes of a device; own ones of a new device are like those of the others, and spread like them."""
    new = draws.is_new(measurement)
    for name in amplitudes_of(draws.parameters):
        parameter = draws.parameters[name]
        phase, power = parse_amplitude(name)
        place = int(np.searchsorted(draws.powers, power))
        own = draws.label(name, measurement) if parameter.is_own else ParameterName(name, measurement.device)
        if not new and own in draws.values:
            yield _Term(phase, place, draws.values[own], own, None)
        elif parameter.is_own and not parameter.is_fixed:
            pool = np.stack([x for label, x in draws.values.items() if ParameterName(label).base == name])
            value = pool[np.arange(draws.n) % pool.shape[0], np.arange(draws.n)]
            yield _Term(phase, place, value, "", np.full(draws.n, parameter.prior.centre_and_sd[1]))
        else:
            value, scatter = number_of(draws, measurement, name), None
            if SCATTER + name in draws.parameters:
                scatter = np.abs(value) * number_of(draws, measurement, SCATTER + name)
            yield _Term(phase, place, value, "" if parameter.is_fixed else draws.label(name, measurement), scatter)


def number_of(draws: ParameterDraws, measurement: Measurement, name: str) -> FloatArray:
    """A parameter of a device at every draw, shape (n,)."""
    value = draws.parameters[name].value
    if value is None:
        return np.asarray(draws.ratio(name) * draws.values[draws.label(name, measurement)])
    return np.full(draws.n, value)


def _largest_signal(draws: ParameterDraws, measurement: Measurement, design: FloatArray) -> FloatArray:
    """Largest in-plane value of J0, or of dJ0/dV for a torkance, in the window, at every draw, shape (n,)."""
    par = np.zeros((draws.n, draws.powers.size))
    for term in _terms(draws, measurement):
        par[:, term.position] += term.phase.real * term.value
    return np.asarray(np.abs(par @ design.T).max(axis=-1))


def _root(design: FloatArray) -> FloatArray:
    """R of a QR decomposition: RᵀR is the Gram matrix."""
    return np.asarray(np.linalg.qr(design).R)


def _for_both(design: FloatArray) -> FloatArray:
    """The same matrix for either component, shape (2 rows, 2 columns)."""
    return np.asarray(np.kron(np.eye(2), design), dtype=float)


def setting(draws: ParameterDraws, measurement: Measurement) -> Setting:
    """A planned measurement with its errors.

    With draws of a posterior relative errors are relative to the median of the signal, which is known by then.
    """
    terms = draws.model.terms
    design = polynomial_design(measurement.curve(), draws.powers, measurement.bias, terms)
    R, ones = _root(design), np.ones(draws.n)
    size = ones
    if measurement.noise_par.relative or measurement.noise_perp.relative:
        size = _largest_signal(draws, measurement, design)
        size = np.full(draws.n, np.median(size)) if draws.curves else size
    errors = [noise.value * (size if noise.relative else ones)
              for noise in (measurement.noise_par, measurement.noise_perp)]  # fmt: skip
    sd = draws.parameters["thickness"].nominal_sd if draws.is_new(measurement) else 0.0
    return Setting(measurement, _for_both(R), np.repeat(np.stack(errors, axis=-1), R.shape[0], axis=-1), sd)


def measured(draws: ParameterDraws) -> Iterator[Setting]:
    """The curves that were measured, with the errors of their points."""
    terms = draws.model.terms
    for curve, scale in zip(draws.curves, draws.scale, strict=True):
        design = polynomial_design(curve, draws.powers, curve.bias[curve.used], terms)
        like = measurement_like(curve, scale, draws.curves[0].unit, draws.powers, draws.noise, terms)
        root = _root(point_errors(curve, scale, draws.powers, draws.noise, terms).whitened(_for_both(design)))
        yield Setting(like, root, np.ones((draws.n, root.shape[0])), 0.0)


def respond(draws: ParameterDraws, made: Setting) -> Response:
    """Response of a measurement at every draw; Eq. 12 and its derivatives."""
    measurement, whitened = made.measurement, made.whitened
    of_kappa, labels = _of_kappa(draws, measurement)
    dead = number_of(draws, measurement, "dead_layer") if "dead_layer" in draws.parameters else np.zeros(draws.n)
    own_thickness = ParameterName("thickness", measurement.device)
    d = draws.values.get(own_thickness, np.full(draws.n, measurement.thickness))  # nominal for a new device
    magnetic = np.maximum(d - dead, THINNEST)
    free = [name for name in labels if labels[name] in draws.place]
    g = draws.model.slopes(magnetic, of_kappa, free)
    volume = measurement.per == "volume"
    scale = 1 / magnetic if volume else np.ones(draws.n)
    K = np.asarray(g.kappa * scale, dtype=complex)
    by_d = np.asarray(g.d * scale - (g.kappa / magnetic**2 if volume else 0.0), dtype=complex)
    terms = tuple(_terms(draws, measurement))
    J0 = np.zeros((draws.n, draws.powers.size), dtype=complex)
    for term in terms:
        J0[:, term.position] += term.phase * term.value
    shared, own = np.zeros((draws.n, made.root.shape[0], len(draws.names))), []
    for name in free:
        label, slope = labels[name], g.by_log[name]
        place = draws.place[label]
        per_unit = slope * scale if draws.coordinates[place].log else slope * scale / draws.values[label]
        shared[..., place] += whitened(per_unit[:, None] * J0)
    if "dead_layer" in draws.parameters and (label := draws.label("dead_layer", measurement)) in draws.place:
        unit = draws.values[label] if draws.coordinates[draws.place[label]].log else 1.0
        shared[..., draws.place[label]] -= whitened((by_d * unit)[:, None] * J0)
    if own_thickness in draws.place:
        shared[..., draws.place[own_thickness]] += whitened(by_d[:, None] * J0)
    elif made.thickness_sd > 0:
        own.append(whitened(made.thickness_sd * by_d[:, None] * J0))
    for term in terms:
        one = np.zeros_like(J0)
        one[:, term.position] = K * term.phase
        white = whitened(one)
        if term.coordinate:
            shared[..., draws.place[term.coordinate]] += white
        if term.own_sd is not None:
            own.append(white * term.own_sd[:, None])
    nothing = np.zeros((*shared.shape[:2], 0))
    return Response(whitened(K[:, None] * J0), shared, np.stack(own, axis=-1) if own else nothing)


def _of_kappa(draws: ParameterDraws, measurement: Measurement) -> tuple[dict[str, FloatArray], dict[str, str]]:
    """Parameters of κ at every draw, each of shape (n,), and their labels; Λ of Eq. 12 may be that of another cap."""
    names = [name for name in draws.model.parameters if name in draws.parameters]
    if measurement.cap is not None:
        names = [name for name in names if name not in ("lambda_sf_N", "D_ratio", "Lambda")]
    values = {name: number_of(draws, measurement, name) for name in names}
    labels = {name: str(draws.label(name, measurement)) for name in names}
    if isinstance(measurement.cap, Fixed):
        values["Lambda"] = np.full(draws.n, measurement.cap.value)
    elif measurement.cap is not None:
        labels["Lambda"] = cap_label(measurement)
        values["Lambda"] = draws.values[labels["Lambda"]]
    return values, labels


def fisher(response: Response) -> FloatArray:
    """Fisher information of the coordinates, shape (n, m, m), all that is a device's own integrated out.

    F = JᵀJ − JᵀN (1 + NᵀN)⁻¹ NᵀJ, with J the derivatives by coordinate, and N those by what is the device's own, per
    prior standard deviation.
    """
    J, N = response.shared, response.own
    Jt = np.swapaxes(J, -1, -2)
    if N.shape[-1] == 0:
        return np.asarray(Jt @ J)
    cross, Nt = Jt @ N, np.swapaxes(N, -1, -2)
    return np.asarray(Jt @ J - cross @ np.linalg.solve(np.eye(N.shape[-1]) + Nt @ N, np.swapaxes(cross, -1, -2)))
