"""χ² of the posterior draws beside that of the best fit: do the reported draws fit the data?

The best fit uses no priors but those of thicknesses, so its χ² says nothing about draws that a prior holds elsewhere.
Given the data, a draw θ of a posterior and the truth have the same distribution. So the excess Δ = χ²(θ) − χ² of the
best fit, thicknesses counted as measurements, has over data and draws the distribution that it has at the truth: χ²
with as many degrees of freedom as the fit determines numbers, exactly so where the model is linear (F where errors come
from the scatter). Johnson, Ann. Stat. 32, 2361 (2004); Yuan and Johnson, Biometrics 68, 156 (2012). Twice the mean of
its tail probability over the draws is a p-value whatever their correlation: under right priors it is below α with a
probability of at most α (Rüschendorf, Adv. Appl. Probab. 14, 623 (1982)), and in practice far less.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2, f

from mtjfit.arrays import FloatArray
from mtjfit.infer.least_squares import FitResult
from mtjfit.infer.posterior import Posterior
from mtjfit.model.device_combinations import noise_groups
from mtjfit.model.equivalent_noise import least_squares_model
from mtjfit.model.likelihood import whitened

MISFIT = 1e-3
"""Below this p-value the draws do not fit the data as the best fit does."""


@dataclass(frozen=True)
class DrawnChi2:
    """χ² of posterior draws, data and thicknesses, beside that of the best fit; quantiles over the draws."""

    q05: float
    q50: float
    q95: float
    best: float
    dof: int  # of the excess of the draws: numbers that the fit determines, thicknesses included
    p_value: float  # probability that right priors give draws this far above the best fit, or farther
    n_values: int  # measured

    @property
    def ok(self) -> bool:
        """False if the draws do not fit the data as the best fit does."""
        return self.p_value >= MISFIT

    @property
    def says(self) -> str:
        """One phrase."""
        return (
            f"χ² of the draws {self.q50:.1f} ({self.q05:.1f} to {self.q95:.1f}) beside {self.best:.1f} of the best fit "
            f"for {self.n_values} values; an excess of about {self.dof} is expected"
        )


def chi2_of_draws(fit: FitResult, posterior: Posterior) -> DrawnChi2:
    """χ² of at most 2000 evenly spaced draws of the same study, with the errors that the fit used."""
    drawn = posterior.spaced()
    above, dof, p = excess(fit, {str(name): drawn[name].to_numpy(dtype=float) for name in drawn.columns})
    low, middle, high = (float(x) for x in np.quantile(above + fit.chi2, (0.05, 0.5, 0.95)))
    return DrawnChi2(low, middle, high, fit.chi2, dof, float(min(1.0, 2 * p.mean())), fit.study.n_values)


def excess(fit: FitResult, values: Mapping[str, FloatArray]) -> tuple[FloatArray, int, FloatArray]:
    """Excess of χ² over the best fit, shape (n,), its degrees of freedom, and its tail probabilities, shape (n,).

    At `values` of every free parameter, each of shape (n,), such as posterior draws or a truth; noise is the fit's.
    """
    study = fit.study
    model = least_squares_model(study)
    n = len(next(iter(values.values())))
    # noise as in the fit, not as in the draws: a scale that follows the misfit would hide it
    held = dict(zip(model.layout.names, fit.optimum.values, strict=True))
    columns = [
        np.full(n, held[name]) if name.is_noise else np.asarray(values[name], dtype=float)
        for name in model.layout.names
    ]
    natural = np.stack(columns, axis=-1) if columns else np.zeros((n, 0))
    own = [values[name] if name in values else values[name.base] for name in model.amplitudes.names]
    amplitudes = np.stack(own, axis=-1) if own else np.zeros((n, 0))
    design, target, rss, _ = whitened(model, natural)
    total = rss + np.sum((target - (design @ amplitudes[..., None])[..., 0]) ** 2, axis=-1)
    sd = study.parameters["thickness"].nominal_sd
    measured = 0
    if sd > 0:
        measured, first, names = study.n_devices, study.first_curves, study.names_of("thickness")
        d = np.stack([values[names[j]] for j in first], axis=-1)
        total = total + np.sum(((d - study.thicknesses[first]) / sd) ** 2, axis=-1)
    above = np.maximum(total - fit.chi2, 0.0)
    dof = study.n_values - fit.dof + measured
    _, noise_dof = noise_groups(model)
    if noise_dof.size:
        return above, dof, np.asarray(f.sf(above / dof, dof, max(float(noise_dof.min()), 1.0)))
    return above, dof, np.asarray(chi2.sf(above, dof))
