"""One spectrum fitted with lmfit: the public result, and the reference that the batch is tested against."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mtjfit.arrays import FloatArray
from mtjfit.spectra.lines import fit_lines
from mtjfit.spectra.spectrum import LineFits, LineModel, line_gradient, line_values

if TYPE_CHECKING:
    from lmfit import Parameters
    from lmfit.minimizer import MinimizerResult

_KINDS = ("centre", "half_width", "s", "a")


def line_parameters(model: LineModel, fits: LineFits, i: int = 0) -> Parameters:
    """Parameters of lmfit at row `i` of a batch: ``centre_1``, ``half_width_1``, ``s_1``, ``a_1``, …, ``b0``, …."""
    from lmfit import Parameters

    parameters = Parameters()
    for name in _KINDS:
        for k, value in enumerate(getattr(fits, name)[i]):
            parameters.add(f"{name}_{k + 1}", value=float(value), min=0.0 if name == "half_width" else -np.inf)
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
    """Fit one spectrum, x and y of shape (n,), with lmfit; by default one line on a sloping background.

    `parameters` say where to start, with any bounds, fixed values or constraints; by default it is the minimum that
    `fit_lines` finds. `sigma` is the standard deviation of one point; None: from the scatter of the residuals.

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
        flat = np.array([params[f"b{k}"].value for k in range(model.degree + 1)])
        return (line_values(model, x, *_lines(params, model), flat) - y) / size

    def jacobian(params: Any) -> FloatArray:
        lines = _lines(params, model)
        by_s, by_a, by_centre, by_log_width, flat = line_gradient(model, x, *lines)
        columns = {f"b{k}": flat[:, k] for k in range(model.degree + 1)}
        for name, values in zip(_KINDS, (by_centre, by_log_width / lines[1], by_s, by_a), strict=True):
            columns |= {f"{name}_{k + 1}": values[:, k] for k in range(model.modes)}
        return np.array([columns[name] / size for name in params if params[name].vary])

    constrained = any(each.expr for each in parameters.values())
    options: dict[str, Any] = {} if constrained else {"Dfun": jacobian, "col_deriv": True}
    return minimize(residual, parameters, scale_covar=sigma is None, xtol=1e-13, ftol=1e-13, gtol=1e-13, **options)


def _lines(params: Any, model: LineModel) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Centres, half widths, s and a of all modes."""
    centre, half_width, s, a = (
        np.array([params[f"{kind}_{k + 1}"].value for k in range(model.modes)]) for kind in _KINDS
    )
    return centre, half_width, s, a
