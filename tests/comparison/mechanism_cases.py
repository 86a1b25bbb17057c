"""Studies of known mechanisms, the criterion by which a truth counts as distinguishable, and closed-form evidences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from mtjfit.comparison import MECHANISMS, mechanism_study
from mtjfit.data import TorqueCurve
from mtjfit.infer import DeviceModel, Exploration, draw_truth, explore_posterior, fit, free_names, simulated
from mtjfit.model import MarginalPosterior
from mtjfit.study import AboutNominal, Fixed, LogNormal, Normal, Parameter, Study

THICKNESSES = (0.8, 1.2, 2.0, 3.0, 4.5)
NOISE = 0.03
BIAS, FEW_POINTS = np.linspace(-0.5, 0.5, 41), np.linspace(-0.5, 0.5, 7)
TRUTH = {"lambda_J": 1.0, "lambda_phi": 1.0, "lambda_sf_F": 3.0, "Lambda": 1.0, "a1": 1.0, "b1": -0.3, "b2": 0.6}

OUTLIER = 1.645  # one in twenty normal numbers is larger
OUTLIER_NESTED = 1.92  # half of the χ² of one degree of freedom that one in twenty exceeds


def declared(thickness_sd: float = 0.0, **priors: object) -> dict[str, Parameter]:
    """Priors that truths are drawn from, too; a keyword changes one, None takes it out."""
    each: dict[str, object] = {
        "lambda_J": LogNormal(1.5, 2.0),
        "lambda_phi": LogNormal(1.5, 2.0),
        "lambda_sf_F": LogNormal(1.5, 2.0),
        "Lambda": LogNormal(2.0, 3.0),
        "thickness": AboutNominal(thickness_sd) if thickness_sd else Fixed(0.0),
        "a1": Normal(1.0, 0.5),
        "b1": Normal(0.0, 0.5),
        "b2": Normal(0.6, 0.5),
    } | priors
    return {
        name: Parameter(name, prior, "device" if name == "thickness" else "shared")  # type: ignore[arg-type]
        for name, prior in each.items()
        if prior is not None
    }


def design(
    d: Sequence[float] = THICKNESSES,
    *,
    noise: float = NOISE,
    bias: np.ndarray = BIAS,
    per: str = "device",
    quantity: str = "torque",
    thickness_sd: float = 0.0,
    **priors: object,
) -> Study:
    """Devices without data yet: errors of `noise` times the torque of a1 = 1 at the largest bias."""
    sigma = np.full(bias.size, noise * (float(np.abs(bias).max()) if quantity == "torque" else 1.0))
    curves = [
        TorqueCurve(f"D{j}", bias, 0 * bias, 0 * bias, nominal, quantity, per, sigma_par=sigma, sigma_perp=sigma)
        for j, nominal in enumerate(d)
    ]  # fmt: skip
    return Study("cases", tuple(curves), declared(thickness_sd, **priors))


def made_by(
    name: str, rng: np.random.Generator, study: Study | None = None, truth: Mapping[str, float] | None = None
) -> tuple[Study, Study]:
    """Data of one mechanism, lengths and amplitudes from the priors unless given: (with noise, without)."""
    study = study or design()
    under = mechanism_study(study, MECHANISMS[name])
    if truth is None:
        truth = draw_truth(under, rng)
    else:
        known = dict(truth) | {f"thickness[{curve.device}]": curve.thickness for curve in under.curves}
        truth = {each: known[each] for each in free_names(under)}
    noisy = simulated(under, truth, rng)
    torques = [DeviceModel(under, curve, truth).torque(curve.bias)[0] for curve in under.curves]
    clean = tuple(replace(curve, par=T.real, perp=T.imag) for curve, T in zip(under.curves, torques, strict=True))
    return study.replace(curves=noisy.curves), study.replace(curves=clean)


def series(name: str, seed: int, d: tuple[float, ...] = (0.8, 1.5, 3.0), noise: float = 0.1) -> Study:
    """Few points with large errors, made by one mechanism with `TRUTH`."""
    return made_by(name, np.random.default_rng(seed), design(d, bias=FEW_POINTS, noise=noise), TRUTH)[0]


def model_of(study: Study, name: str, seed: int | np.random.Generator = 0) -> tuple[MarginalPosterior, Exploration]:
    """A study under one mechanism, and its posterior."""
    model = MarginalPosterior(mechanism_study(study, MECHANISMS[name]))
    return model, explored(model, seed)


def explored(model: MarginalPosterior, seed: int | np.random.Generator, start: np.ndarray | None = None) -> Exploration:
    return explore_posterior(model, model.size, np.random.default_rng(seed), start=start)


@dataclass(frozen=True)
class Recovery:
    """What became of one simulated study, which is distinguishable or not by its data without noise."""

    truth: str
    best: str
    distinguishable: bool
    errors: tuple[float, ...]
    settled: bool


def is_distinguishable(clean: Study, truth: str, rng: np.random.Generator) -> bool:
    """Whether noise will make a rival win in less than about one case in twenty, for each rival.

    From data without noise: ln B of the truth over the rival, and the χ² of the rival's best fit, λ. With noise
    ln B moves by √λ times a normal number, and, where the rival contains the truth, by up to half a χ² of one degree
    of freedom. So ln B must exceed 1.645 √λ + 1.92.
    """
    of_truth = model_of(clean, truth, rng)[1].evidence.value
    for name, rival in MECHANISMS.items():
        if name == truth:
            continue
        misfit = fit(mechanism_study(clean, rival)).chi2
        log_bayes = of_truth - model_of(clean, name, rng)[1].evidence.value
        if log_bayes < OUTLIER * np.sqrt(misfit) + OUTLIER_NESTED:
            return False
    return True


def recover(truth: str, seed: int) -> Recovery:
    """One study of a mechanism, and which of the five has the highest evidence."""
    rng = np.random.default_rng([seed, list(MECHANISMS).index(truth)])
    noisy, clean = made_by(truth, rng)
    distinguishable = is_distinguishable(clean, truth, rng)
    found = {name: model_of(noisy, name, rng)[1] for name in MECHANISMS}
    best = max(found, key=lambda name: found[name].evidence.value)
    errors = tuple(each.evidence.error for each in found.values())
    return Recovery(truth, best, distinguishable, errors, all(each.settled for each in found.values()))


def closed_form(study: Study, amplitudes: Sequence[str] = ("a1", "b1", "b2")) -> float:
    """ln Z of κ = 1, torques: ln N(y; D m, Σ + D S Dᵀ), every value by itself."""
    y, sigma, rows = [], [], []
    for curve in study.curves:
        for V, *values in zip(curve.bias, curve.par, curve.perp, curve.sigma_par, curve.sigma_perp, strict=True):
            y += values[:2]
            sigma += values[2:]
            rows += [[V ** int(name[1]) if name[0] == part else 0.0 for name in amplitudes] for part in "ab"]
    D, priors = np.array(rows), [study.parameters[name].prior for name in amplitudes]
    m, sd = (np.array([getattr(prior, of) for prior in priors]) for of in ("mean", "sd"))
    return float(stats.multivariate_normal(D @ m, np.diag(np.square(sigma)) + (D * sd**2) @ D.T).logpdf(y))
