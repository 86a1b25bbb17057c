"""One spectrum fitted with lmfit: the public result, and the reference that the batch is tested against."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mtjfit.data.curve import FloatArray
from mtjfit.spectra.lines import fit_lines
from mtjfit.spectra.lineshape import background, line_derivatives
from mtjfit.spectra.spectrum import LineFits, LineModel, line_values

if TYPE_CHECKING:
    from lmfit import Parameters
    from lmfit.minimizer import MinimizerResult

__all__ = ["fit_spectrum", "line_parameters"]


def line_parameters(model: LineModel, fits: LineFits, i: int = 0) -> Parameters:
    """Parameters of lmfit at a fit of the batch: ``centre_1``, ``half_width_1``, ``s_1``, ``a_1``, …, ``b0``, ``b1``, …

    Parameters
    ----------
    i : int
        Row.
    """
    from lmfit import Parameters

    parameters = Parameters()
    for name, values in (("centre", fits.centre), ("half_width", fits.half_width), ("s", fits.s), ("a", fits.a)):
        for k in range(model.modes):
            parameters.add(f"{name}_{k + 1}", value=float(values[i, k]))
            if name == "half_width":
                parameters[f"{name}_{k + 1}"].set(min=0.0)
    for k, value in enumerate(fits.background[i]):
        parameters.add(f"b{k}", value=float(value))
    return parameters


def fit_spectrum(
    x: FloatArray,
    y: FloatArray,
    model: LineModel | None = None,
    *,
    parameters: Parameters | None = None,
    sigma: float | None = None,
) -> MinimizerResult:
    """Fit one spectrum with lmfit.

    Parameters
    ----------
    x, y : ndarray, shape (n,)
    model : LineModel, optional
        By default one line on a sloping background.
    parameters : lmfit.Parameters, optional
        Where to start, with any bounds, fixed values or constraints; by default the minimum that `fit_lines` finds.
    sigma : float, optional
        Standard deviation of one point. None: from the scatter of the residuals.

    Returns
    -------
    lmfit.minimizer.MinimizerResult
        With everything that lmfit knows about it.

    Examples
    --------
    >>> f = np.linspace(4.0, 6.0, 101)
    >>> u = (f - 5.0) / 0.1
    >>> result = fit_spectrum(f, (3.0 + u) / (1 + u * u) + 1e-3 * np.sin(40 * f))
    >>> round(result.params["s_1"].value, 2), round(result.params["a_1"].value, 2)
    (3.0, 1.0)
    """
    from lmfit import minimize

    model = LineModel() if model is None else model
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if parameters is None:
        parameters = line_parameters(model, fit_lines(x, y[None], model))
    size = 1.0 if sigma is None else sigma

    def residual(params: Any) -> FloatArray:
        return (line_values(model, x, *_by_kind(params, model)) - y) / size

    def jacobian(params: Any) -> FloatArray:
        columns = _columns(model, x, *_by_kind(params, model))
        return np.array([columns[name] / size for name in params if params[name].vary])

    constrained = any(each.expr for each in parameters.values())
    options: dict[str, Any] = {} if constrained else {"Dfun": jacobian, "col_deriv": True}
    return minimize(residual, parameters, scale_covar=sigma is None, xtol=1e-13, ftol=1e-13, gtol=1e-13, **options)


def _by_kind(params: Any, model: LineModel) -> tuple[FloatArray, ...]:
    kinds = ("centre", "half_width", "s", "a")
    lines = (np.array([params[f"{kind}_{k + 1}"].value for k in range(model.modes)]) for kind in kinds)
    return (*lines, np.array([params[f"b{k}"].value for k in range(model.degree + 1)]))


def _columns(
    model: LineModel,
    x: FloatArray,
    centre: FloatArray,
    half_width: FloatArray,
    s: FloatArray,
    a: FloatArray,
    b: FloatArray,
) -> dict[str, FloatArray]:
    """Derivative of the voltage by each parameter."""
    line, by_centre, by_log_width = line_derivatives(x[:, None], centre, half_width, model.modulation, model.form)
    columns = {}
    for k in range(model.modes):
        columns[f"centre_{k + 1}"] = s[k] * by_centre[:, k].real + a[k] * by_centre[:, k].imag
        by_width = by_log_width[:, k] / half_width[k]
        columns[f"half_width_{k + 1}"] = s[k] * by_width.real + a[k] * by_width.imag
        columns[f"s_{k + 1}"], columns[f"a_{k + 1}"] = line[:, k].real, line[:, k].imag
    flat = background(x, model.degree)
    return columns | {f"b{k}": flat[:, k] for k in range(b.size)}
