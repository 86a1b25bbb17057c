"""Eq. 12 as an lmfit model, to compose and fit by hand."""

from __future__ import annotations

import operator
from typing import Any

import lmfit
import numpy as np
from numpy.typing import ArrayLike

from mtjfit.arrays import ComplexArray, FloatArray
from mtjfit.data import Per, Quantity, amplitude_unit
from mtjfit.model.layout import even_points
from mtjfit.physics import Interface, kappa, torkance, torque

_AMPLITUDES = ("a1", "a2", "b0", "b1", "b2")
_LENGTHS = ("lambda_J", "lambda_phi", "lambda_sf_F", "lambda_sf_N")
_GUESSES = 512


class ComplexModelResult(lmfit.model.ModelResult):  # type: ignore[misc]
    """lmfit's result of a fit to complex data, with a real coefficient of determination."""

    @property
    def rsquared(self) -> float:
        """1 − Σ|y − f|²/Σ|y − ȳ|², without weights as in lmfit, which squares complex numbers and so returns one."""
        data = np.asarray(self.data)
        scatter = np.sum(np.abs(data - data.mean()) ** 2)
        return float(1 - np.sum(np.abs(data - self.best_fit) ** 2) / scatter) if scatter > 0 else float("nan")

    @rsquared.setter
    def rsquared(self, value: object) -> None:
        """Ignores the number that lmfit sets after each fit."""


class _SeparateParts:
    """Residuals of complex data, in-plane and out-of-plane values alternating, each with its own weight.

    lmfit documents the same, but 1.3.4 compares a dtype with ``is`` and so multiplies complex numbers: weights of one
    part then act on the other, and χ² comes out twice too large.
    """

    def _residual(self, params: lmfit.Parameters, data: ArrayLike, weights: ArrayLike | None, **kwargs: Any) -> Any:
        diff = np.asarray(super()._residual(params, data, None, **kwargs))  # type: ignore[misc]
        diff = (diff.ravel().view(float) if np.iscomplexobj(diff) else diff.ravel()).copy()
        if weights is None:
            return diff
        w = np.asarray(weights)
        pairs = w if np.iscomplexobj(w) else w + 1j * w
        return diff * np.broadcast_to(pairs, np.shape(data)).ravel().view(float)

    def fit(self, *args: Any, **kwargs: Any) -> ComplexModelResult:
        """As in lmfit."""
        result: ComplexModelResult = super().fit(*args, **kwargs)  # type: ignore[misc]
        result.__class__ = ComplexModelResult  # lmfit builds its own class, and sets R² again after each further fit
        return result


class _Sum(_SeparateParts, lmfit.model.CompositeModel):  # type: ignore[misc]
    """Two models added, with residuals as above."""


class SpinTorqueModel(_SeparateParts, lmfit.Model):  # type: ignore[misc]
    """T_par + i T_perp against bias V and thickness d, Eq. 12 with J0 = a1 V + a2 V² + i (b0 + b1 V + b2 V²).

    Complex data, and complex weights 1/σ_par + i/σ_perp, which act on the two parts separately. a2, b0,
    b1 are held at zero and D_ratio at one unless `vary` is set; λ_sf^N and D_ratio enter only as a product.

    Parameters
    ----------
    quantity : {"torque", "torkance"}
        T, or dT/dV.
    per : {"device", "area", "volume"}
        ``"volume"`` carries 1/d.
    unit : str
        Unit of the data, for the units of the amplitudes in `units`.
    prefix : str
        As in every lmfit model.
    **kwargs
        Passed on to lmfit.Model.

    Attributes
    ----------
    units : dict of str to str
        Unit of every parameter, without prefix; also in `user_data` of parameters made by `make_params`.

    Notes
    -----
    One device determines three numbers; use `mtjfit.fit`, which withholds errors that the data do not give.

    Examples
    --------
    >>> V = np.linspace(-0.5, 0.5, 21)
    >>> d = np.repeat([1.0, 2.0, 3.0], V.size)
    >>> model = SpinTorqueModel("torque")
    >>> truth = model.make_params(a1=1.0, b2=0.6, lambda_J=1.0, lambda_phi=1.0, lambda_sf_F=10.0, lambda_sf_N=1.0)
    >>> data = model.eval(truth, V=np.tile(V, 3), d=d)
    >>> result = model.fit(data, model.guess(data, V=np.tile(V, 3), d=d), V=np.tile(V, 3), d=d)
    >>> f"{result.params['lambda_J'].value:.3f} {result.params['b2'].value:.3f}"
    '1.000 0.600'
    """

    def __init__(
        self, quantity: Quantity = "torque", per: Per = "device", unit: str = "arb", *, prefix: str = "", **kwargs: Any
    ):
        if quantity not in ("torque", "torkance"):
            raise ValueError(f"quantity = {quantity!r}: give 'torque' (T) or 'torkance' (dT/dV)")
        law = torque if quantity == "torque" else torkance
        if per not in ("device", "area", "volume"):
            raise ValueError(f"per = {per!r}: give 'device', 'area' (no 1/d) or 'volume' (carries 1/d)")

        def spin_torque(
            V: ArrayLike,
            d: ArrayLike,
            lambda_J: float = 1.0,
            lambda_phi: float = 1.0,
            lambda_sf_F: float = 10.0,
            lambda_sf_N: float = 1.0,
            D_ratio: float = 1.0,
            a1: float = 1.0,
            a2: float = 0.0,
            b0: float = 0.0,
            b1: float = 0.0,
            b2: float = 0.0,
        ) -> ComplexArray:
            interface = Interface.of(a1=a1, a2=a2, b0=b0, b1=b1, b2=b2)
            lengths = (lambda_J, lambda_phi, lambda_sf_F, lambda_sf_N, D_ratio)
            return law(V, d, *lengths, interface=interface, per=per)

        self.quantity, self.per = quantity, per
        self.units = dict.fromkeys(_LENGTHS, "nm") | {"D_ratio": ""}
        self.units |= {name: amplitude_unit(name, unit, quantity, per) for name in _AMPLITUDES}
        super().__init__(spin_torque, independent_vars=["V", "d"], prefix=prefix, **kwargs)
        for name in _LENGTHS:
            self.set_param_hint(name, min=1e-3, max=1e5)
        self.set_param_hint("D_ratio", vary=False, min=0.0)
        for name in ("a2", "b0", "b1"):
            self.set_param_hint(name, vary=False)

    def __add__(self, other: lmfit.Model) -> lmfit.Model:
        return _Sum(self, other, operator.add)

    def make_params(self, verbose: bool = False, **kwargs: Any) -> lmfit.Parameters:
        """As in lmfit, with the unit of each parameter in its `user_data`."""
        params = super().make_params(verbose=verbose, **kwargs)
        for name, unit in self.units.items():
            if self.prefix + name in params:
                params[self.prefix + name].user_data = unit
        return params

    def guess(
        self, data: ArrayLike, V: ArrayLike | None = None, d: ArrayLike | None = None, **kwargs: Any
    ) -> lmfit.Parameters:
        """Starting values from complex data: the best of many lengths, with a1 and b2 by linear least squares.

        Parameters
        ----------
        data : array_like of complex, shape (n,)
        V, d : array_like
            Bias in volts and thickness in nm, broadcast to `data`.
        **kwargs
            Values that override the guess.

        Raises
        ------
        ValueError
            V or d is missing.
        """
        if V is None or d is None:
            raise ValueError("guess needs V (bias in volts) and d (thickness in nm) beside the data")
        T = np.asarray(data, dtype=complex)
        V, d = (np.broadcast_to(np.asarray(x, dtype=float), T.shape) for x in (V, d))
        bias = np.stack([V, V**2], axis=-1) if self.quantity == "torque" else np.stack([np.ones_like(V), 2 * V], -1)
        lengths = _trial_lengths()
        K = kappa(d[None, :], *(column[:, None] for column in lengths.T))
        K = K / d if self.per == "volume" else K
        design = K[..., None] * (bias * np.array([1, 1j]))
        stacked = np.concatenate([design.real, design.imag], axis=1)
        target = np.concatenate([T.real, T.imag])
        amplitudes = np.linalg.pinv(stacked) @ target
        misfit = np.sum((target - (stacked @ amplitudes[..., None])[..., 0]) ** 2, axis=-1)
        best = int(np.argmin(misfit))
        found = dict(zip(_LENGTHS, lengths[best], strict=True)) | dict(zip(("a1", "b2"), amplitudes[best], strict=True))
        params = self.make_params(verbose=False, **{name: float(value) for name, value in found.items()})
        return lmfit.models.update_param_vals(params, self.prefix, **kwargs)


def _trial_lengths() -> FloatArray:
    """Lengths typical of metals, log-spaced from 0.3 to 30 nm, shape (n, 4)."""
    u = even_points(4, _GUESSES)
    return np.asarray(0.3 * 100**u)
