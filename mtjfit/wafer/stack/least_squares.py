"""Least squares of a stack: amplitudes and thicknesses of single devices eliminated, device by device.

Given the lengths the model is linear in the amplitudes. Those of single devices, and thicknesses about their nominal
values, are eliminated by Gram and Schmidt within each device; shared amplitudes by one small least-squares problem.
What is left to a search are the lengths, however many devices there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mtjfit.arrays import ComplexArray, FloatArray
from mtjfit.model.amplitude_integral import solved
from mtjfit.model.likelihood import THINNEST
from mtjfit.physics.derivatives import KappaGradient, kappa_gradient
from mtjfit.study import LENGTHS, SCATTER, Parameter, amplitudes_of, parse_amplitude
from mtjfit.wafer.stack.hierarchy import WaferDevices

_ROUNDS = 4  # Gauss–Newton steps of all thicknesses
_BY_LOG = {"lambda_sf_N": "ln_Lambda", "D_ratio": "ln_Lambda", "Lambda": "ln_Lambda"}


@dataclass(frozen=True)
class StackPoint:
    """The best amplitudes and thicknesses for given lengths.

    Rows of `residual` are z − R c, then offset/sd where thicknesses are free. The jacobian is the change of the model
    with each free length (a nanometre, or a unit of D_ratio) and shared amplitude, all that belongs to single devices
    following.
    """

    amplitudes: FloatArray  # every term of every device, (n_devices, T)
    shared: FloatArray  # (S,)
    offset: FloatArray  # thickness minus nominal in nm, (n_devices,)
    residual: FloatArray  # (n_devices, rows)
    jacobian: FloatArray  # (n_devices · rows, n_lengths + S)

    @property
    def chi2(self) -> float:
        """Without the scatter of the points about each device's own polynomials."""
        return float(np.sum(self.residual**2))


def _without(columns: list[FloatArray], others: list[FloatArray]) -> list[FloatArray]:
    """`others` without what `columns` span in each device; arrays of shape (n_devices, rows)."""
    left = list(columns)
    for k, column in enumerate(left):
        norm = np.sqrt(np.sum(column**2, axis=1, keepdims=True))
        full = np.sqrt(np.sum(columns[k] ** 2, axis=1, keepdims=True))
        q = np.where(norm > 1e-12 * full, column / np.where(norm > 0, norm, 1.0), 0.0)
        left[k + 1 :] = [each - q * np.sum(q * each, axis=1, keepdims=True) for each in left[k + 1 :]]
        others = [each - q * np.sum(q * each, axis=1, keepdims=True) for each in others]
    return others


@dataclass(frozen=True, eq=False)
class StackLeastSquares:
    """The least-squares problem of one stack."""

    devices: WaferDevices
    parameters: Mapping[str, Parameter]
    sd: float  # of all thicknesses about their nominal values, in nm; 0: they are known
    noise: FloatArray  # standard errors of the two components where the data do not give them, else 1
    held: Mapping[str, float]  # lengths or shared amplitudes at a value, besides fixed ones

    @cached_property
    def lengths(self) -> tuple[str, ...]:
        """Those that are free."""
        return tuple(
            n for n in LENGTHS if n in self.parameters and not self.parameters[n].is_fixed and n not in self.held
        )

    @cached_property
    def terms(self) -> tuple[str, ...]:
        """Coefficients of J0(V)."""
        return amplitudes_of(self.parameters)

    @cached_property
    def _fixed(self) -> dict[str, float]:
        known = {n: p.value for n, p in self.parameters.items() if p.value is not None}
        return known | dict(self.held)

    @cached_property
    def own(self) -> tuple[int, ...]:
        """Terms of which each device has its own: declared so, or because they scatter."""
        known = self.parameters
        return tuple(
            t for t, name in enumerate(self.terms)
            if SCATTER + name in known or (known[name].is_own and name not in self._fixed)
        )  # fmt: skip

    @cached_property
    def shared(self) -> tuple[int, ...]:
        """Terms of which the stack has one."""
        return tuple(t for t, name in enumerate(self.terms) if t not in self.own and name not in self._fixed)

    @cached_property
    def _white(self) -> tuple[FloatArray, FloatArray]:
        """R and z with noise scales that were estimated."""
        data, P = self.devices.data, self.devices.data.powers.size
        rows = np.where(data.fitted[:, None], 1 / np.repeat(self.noise, P), 1.0)
        return data.R * rows[..., None], data.z * rows

    @cached_property
    def _responses(self) -> tuple[list[FloatArray], list[FloatArray]]:
        """u and w of each term, (n_devices, 2P): a unit amplitude times K = a + ib has the rows a u + b w."""
        (R, _), data = self._white, self.devices.data
        P, u, w = data.powers.size, [], []
        for name in self.terms:
            phase, power = parse_amplitude(name)
            p = int(np.searchsorted(data.powers, power))
            par, perp = R[:, :, p], R[:, :, P + p]
            u.append(phase.real * par + phase.imag * perp)
            w.append(phase.real * perp - phase.imag * par)
        return u, w

    def _gradient(self, values: Mapping[str, float], offset: FloatArray) -> tuple[FloatArray, KappaGradient]:
        """Magnetic thickness, and κ with its derivatives."""
        at = self._fixed | dict(values)
        d = np.maximum(self.devices.thickness + offset - at.get("dead_layer", 0.0), THINNEST)
        Lambda = at["Lambda"] if "Lambda" in self.parameters else at["lambda_sf_N"] * at["D_ratio"]
        return d, kappa_gradient(d, at["lambda_J"], at["lambda_phi"], at["lambda_sf_F"], Lambda)

    def _rows(self, K: ComplexArray, amplitudes: FloatArray | None = None) -> FloatArray:
        """Rows of the model for K (n_devices,) and amplitudes (n_devices, T), or of each term, (T, n_devices, 2P)."""
        u, w = self._responses
        a, b = np.real(K)[:, None], np.imag(K)[:, None]
        each = np.stack([a * u[t] + b * w[t] for t in range(len(self.terms))])
        return each if amplitudes is None else np.asarray(np.einsum("tjr,jt->jr", each, amplitudes))

    def at(self, values: Mapping[str, float]) -> StackPoint:
        """The best amplitudes and thicknesses for given free lengths, in nm, and how the misfit changes with them."""
        J, free = self.devices.n, self.sd > 0
        offset = np.zeros(J)
        for _ in range(_ROUNDS if free else 0):
            offset = offset + self._step(values, offset)
        amplitudes, K, by_d, slopes = self.solved(values, offset)
        residual = self._white[1] - self._rows(K, amplitudes)
        terms = self._rows(K)
        own = [terms[t] for t in self.own]
        rest = [*(self._rows(s, amplitudes) for s in slopes), *(terms[t] for t in self.shared)]
        if free:
            own, rest = _with_row(own, np.zeros(J)), _with_row(rest, np.zeros(J))
            own += _with_row([self.sd * self._rows(by_d, amplitudes)], np.ones(J))
            residual = np.concatenate([residual, -offset[:, None] / self.sd], axis=1)
        columns = _without(own, rest)
        jacobian = np.stack([each.ravel() for each in columns], axis=1) if columns else np.zeros((residual.size, 0))
        shared = amplitudes[0, list(self.shared)] if J else np.zeros(len(self.shared))
        return StackPoint(amplitudes, shared, offset, residual, jacobian)

    def _step(self, values: Mapping[str, float], offset: FloatArray) -> FloatArray:
        """One Gauss–Newton step of all thicknesses, all amplitudes following."""
        amplitudes, K, by_d, _ = self.solved(values, offset)
        terms, nothing = self._rows(K), np.zeros(offset.size)
        moved = _with_row([self.sd * self._rows(by_d, amplitudes)], np.ones(offset.size))
        missed = _with_row([self._white[1] - self._rows(K, amplitudes)], -offset / self.sd)
        own, shared = (_with_row([terms[t] for t in which], nothing) for which in (self.own, self.shared))
        column, residual, *shared = _without(own, [*moved, *missed, *shared])
        if shared:
            y, *columns = _without([column], [residual, *shared])
            residual = residual - np.tensordot(_solution(columns, y), np.stack(shared), 1)
        return np.asarray(self.sd * np.sum(column * residual, axis=1) / np.sum(column**2, axis=1))

    def solved(
        self, values: Mapping[str, float], offset: FloatArray
    ) -> tuple[FloatArray, ComplexArray, ComplexArray, list[ComplexArray]]:
        """Best amplitudes for known thicknesses (n_devices, T), K, dK/dd, and dK/d(length) of every free length."""
        d, g = self._gradient(values, offset)
        per = 1 / d if self.devices.per_volume else np.ones_like(d)
        K = np.asarray(g.kappa * per)
        by_d = np.asarray(g.d * per - (K * per if self.devices.per_volume else 0.0))
        slopes = []
        for name in self.lengths:
            by_ln = by_d * -values[name] if name == "dead_layer" else getattr(g, _BY_LOG.get(name, f"ln_{name}")) * per
            slopes.append(np.asarray(by_ln / values[name] if values[name] else -by_d))
        terms, z = self._rows(K), self._white[1]
        amplitudes = np.zeros((self.devices.n, len(self.terms)))
        for t, name in enumerate(self.terms):
            if name in self._fixed and t not in self.own:
                amplitudes[:, t] = self._fixed[name]
        target = z - np.einsum("tjr,jt->jr", terms, amplitudes)
        own, shared = list(self.own), list(self.shared)
        if shared:
            *columns, y = _without(list(terms[own]), [*terms[shared], target])
            found = _solution(columns, y)
            amplitudes[:, shared] = found
            target = target - np.einsum("tjr,t->jr", terms[shared], found)
        if own:
            X = np.stack(list(terms[own]), axis=-1)
            A = np.swapaxes(X, 1, 2) @ X
            A = A + 1e-14 * np.trace(A, axis1=1, axis2=2)[:, None, None] * np.eye(len(own))
            amplitudes[:, own] = solved(A, np.einsum("jro,jr->jo", X, target))
        return amplitudes, K, by_d, slopes

    @classmethod
    def of(
        cls, devices: WaferDevices, parameters: Mapping[str, Parameter], sd: float | None = None
    ) -> StackLeastSquares:
        """The problem as declared; `sd` of thicknesses in nm in place of the declared one."""
        declared = parameters["thickness"].nominal_sd
        data = devices.data
        dof = np.maximum(data.n - data.powers.size, 0)[data.fitted].sum(axis=0)
        rss = data.rss[data.fitted].sum(axis=0)
        noise = np.sqrt(np.where(dof > 0, rss, 1.0) / np.maximum(dof, 1))
        return cls(devices, parameters, declared if sd is None else sd, np.where(noise > 0, noise, 1.0), {})


def _solution(columns: list[FloatArray], y: FloatArray) -> FloatArray:
    """Least-squares coefficients of columns that all devices share, arrays of shape (n_devices, rows)."""
    X = np.stack([column.ravel() for column in columns], axis=1)
    return np.asarray(np.linalg.lstsq(X, y.ravel(), rcond=1e-13)[0], dtype=float)


def _with_row(arrays: list[FloatArray], last: FloatArray) -> list[FloatArray]:
    """Arrays (n_devices, rows) with one more row."""
    return [np.concatenate([each, last[:, None]], axis=1) for each in arrays]
