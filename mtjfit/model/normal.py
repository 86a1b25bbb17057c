"""A study with jitter or Student-t errors as one with normal errors that says the same: what a best fit and χ² need.

*Jitter* goes into the errors: σ² + s², with s from the scatter of each device about its own polynomials, by restricted
maximum likelihood (Patterson and Thompson, Biometrika 58, 545 (1971)) times the prior.

*Student-t*: a point at u standard errors from its polynomial is drawn in to u (ν + 3)/(ν + u²), and its error becomes
σ √((ν + 3)/(ν + 1)), a little more where points are few. Least squares over these pseudo-values find the maximum of the
t likelihood, with its errors (Huber, Ann. Stat. 1, 799 (1973); Bickel, Scand. J. Stat. 3, 145 (1976)), and their χ² has
no larger mean and a smaller variance than that of normal errors. ν is the most probable one for the scatter about the
polynomials. Eleven points for each component under ν = 2 still leave variances of coefficients a fifth too small.

Eq. 12 enters nowhere: whatever it says of the polynomials is tested, not adapted to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from mtjfit.data import FloatArray, TorqueCurve
from mtjfit.model.own_noise import Robust, Scales, Scatter, most_probable_degrees, most_probable_jitter, robust
from mtjfit.model.points import Points
from mtjfit.study import DOF, JITTER, NOISE, Parameter, Study, parse_amplitude

__all__ = ["as_normal", "declares_noise", "noise_of_points", "student_scales"]


def declares_noise(study: Study) -> bool:
    """True where the study has jitter or Student-t errors."""
    return any(name in study.parameters for name in (*JITTER, DOF))


def as_normal(study: Study, noise: Mapping[str, float] | None = None) -> Study:
    """The study with normal errors in place of its noise model; the study itself if it has none but these.

    Parameters
    ----------
    study : Study
    noise : mapping of str to float, optional
        Jitter, or degrees of freedom, by their names in tables, if they are free; by default from the scatter, see
        `noise_of_points`.

    Returns
    -------
    Study
        Without jitter and degrees of freedom among its parameters. Not for drawing: its points are no data.

    Examples
    --------
    >>> from mtjfit.data import dataset
    >>> from mtjfit.study import LogNormal, Parameter, load_study
    >>> study = load_study(dataset("thickness-series").study_file)
    >>> as_normal(study) is study
    True
    >>> jitter = {"jitter_par": Parameter("jitter_par", LogNormal(0.1, 3.0))}
    >>> "jitter_par" in as_normal(study.replace(parameters={**study.parameters, **jitter})).parameters
    False
    """
    if not declares_noise(study):
        return study
    noise = noise_of_points(study) if noise is None else noise
    parameters = {name: one for name, one in study.parameters.items() if name not in (*JITTER, DOF)}
    if DOF in study.parameters:
        curves = _drawn_in(study, noise)
    else:
        curves = tuple(_enlarged(study, curve, noise) for curve in study.curves)
    return study.replace(curves=curves, parameters=parameters)


def noise_of_points(study: Study) -> dict[str, float]:
    """Jitter, or degrees of freedom, from the scatter of the points about polynomials of the declared powers of V.

    Parameters
    ----------
    study : Study

    Returns
    -------
    dict of str to float
        Of those that are free, by names in tables.
    """
    points = _points(study)
    found = {}
    for c, name in enumerate(JITTER):
        for label, declared, members in _units(study, name):
            if declared.free_prior is not None:
                found[label] = most_probable_jitter(Scatter.of(points, c), declared.free_prior, members)
    start = None
    for label, declared, members in _units(study, DOF):
        if declared.free_prior is not None:
            found[label], start = most_probable_degrees(points, _scales(study), declared.free_prior, members, start)
    return found


def student_scales(study: Study) -> dict[str, float]:
    """Fitted scales of Student-t errors by their names in tables; those of the pseudo-values are larger.

    Parameters
    ----------
    study : Study

    Returns
    -------
    dict of str to float
        Empty without Student-t errors, and where all errors are known.
    """
    if DOF not in study.parameters or not any(curve.sigma_is_fitted for curve in study.curves):
        return {}
    sigma = _robust_of(study, noise_of_points(study))[1].sigma
    return {
        label: float(sigma[c, np.flatnonzero(members & _without_errors(study))[0], 0])
        for c, name in enumerate(NOISE)
        for label, declared, members in _units(study, name)
        if not declared.is_fixed and np.any(members & _without_errors(study))
    }


def _points(study: Study) -> Points:
    return Points.of(study, np.unique([parse_amplitude(name)[1] for name in study.amplitudes]))


def _value(parameter: Parameter, curve: TorqueCurve, noise: Mapping[str, float]) -> float:
    return noise[parameter.name_for(curve)] if parameter.value is None else parameter.value


def _units(study: Study, name: str) -> Iterator[tuple[str, Parameter, np.ndarray]]:
    """Name, declaration and devices of each number that a parameter stands for; nothing if it is not declared."""
    if name not in study.parameters:
        return
    names = np.array(study.names_of(name))
    for each in dict.fromkeys(names.tolist()):
        yield each, study.parameters[name], names == each


def _enlarged(study: Study, curve: TorqueCurve, noise: Mapping[str, float]) -> TorqueCurve:
    """A curve with the jitter in its errors; the covariance of the two components of a point stays."""
    if curve.sigma_par is None or curve.sigma_perp is None:
        return curve
    sigma = []
    for name, known in zip(JITTER, (curve.sigma_par, curve.sigma_perp), strict=True):
        s = _value(study.parameters[name], curve, noise) if name in study.parameters else 0.0
        sigma.append(np.hypot(known, s / study.scale_of(curve)))
    rho = None if curve.rho is None else curve.rho * (curve.sigma_par * curve.sigma_perp) / (sigma[0] * sigma[1])
    return replace(curve, sigma_par=sigma[0], sigma_perp=sigma[1], rho=rho)


def _without_errors(study: Study) -> np.ndarray:
    return np.array([curve.sigma_is_fitted for curve in study.curves])


def _robust_of(study: Study, noise: Mapping[str, float]) -> tuple[FloatArray, Robust]:
    """Degrees of freedom of each device, shape (J,), and the polynomials of highest t likelihood."""
    nu = np.array([_value(study.parameters[DOF], curve, noise) for curve in study.curves])
    return nu, robust(_points(study), _scales(study), nu)


def _scales(study: Study) -> Scales:
    without = _without_errors(study)
    return [
        [
            (members & without, declared.value)
            for _, declared, members in _units(study, name)
            if np.any(members & without)
        ]
        for name in NOISE
    ]


def _drawn_in(study: Study, noise: Mapping[str, float]) -> tuple[TorqueCurve, ...]:
    """Curves of pseudo-values."""
    points, (nu, best) = _points(study), _robust_of(study, noise)
    u = (np.stack([points.par, points.perp]) - best.middle) / best.sigma
    pseudo = best.middle + best.sigma * u * (nu[:, None] + 3) / (nu[:, None] + u**2)
    wider = np.sqrt((nu + 3) / (nu + 1))
    few = _of_few_points(nu, points.design.shape[-1] / np.maximum(points.counts.sum(axis=1), 1))
    curves = []
    for j, curve in enumerate(study.curves):
        values, errors, scale, mine = [], [], study.scale_of(curve), points.counts[j]
        for c, (old, known) in enumerate(((curve.par, curve.sigma_par), (curve.perp, curve.sigma_perp))):
            new, declared = np.array(old), study.parameters.get(NOISE[c])
            if known is None and declared is not None and declared.value is not None:
                known = np.full(new.size, declared.value / scale)
            away = (pseudo - best.middle)[c, j, mine] * (few[j] if known is None else 1.0)
            new[curve.used] = (best.middle[c, j, mine] + away) / scale
            values.append(new)
            errors.append(None if known is None else known * wider[j] * few[j])
        curves.append(replace(curve, par=values[0], perp=values[1], sigma_par=errors[0], sigma_perp=errors[1]))
    return tuple(curves)


def _of_few_points(nu: FloatArray, share: FloatArray) -> FloatArray:
    """What errors of few points are larger by: 1 + p/n var ψ'/(E ψ')², with ψ' in the moments of u²/(ν + u²).

    Huber (1973), eq. 7.1; `share` is p/n, coefficients by points.
    """
    m = np.cumprod([(0.5 + k) / ((nu + 1) / 2 + k) for k in range(4)], axis=0)
    square = ((nu + 1) / nu) ** 2 * (1 - 6 * m[0] + 13 * m[1] - 12 * m[2] + 4 * m[3])
    return np.asarray(1 + share * (square * ((nu + 3) / (nu + 1)) ** 2 - 1))
