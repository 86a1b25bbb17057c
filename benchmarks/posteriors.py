"""The posterior that all competitors sample, written down point by point and in all its parameters."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mtjfit.data import dataset
from mtjfit.physics import kappa_from_rates, wave_numbers
from mtjfit.study import AboutNominal, Study, load_study

__all__ = ["PlainPosterior", "bundled"]


def bundled() -> Study:
    """The bundled thickness series: five devices, four free lengths, a1 and b2, five uncertain thicknesses."""
    return load_study(dataset("thickness-series").study_file)


@dataclass(frozen=True, eq=False)
class PlainPosterior:
    """The posterior in all its parameters, point by point, as one writes it without marginalisation.

    Parameters are ln λ where the prior is one of logarithms, and everything else in its own unit.
    """

    study: Study

    @cached_property
    def names(self) -> tuple[str, ...]:
        lengths = ("lambda_J", "lambda_phi", "lambda_sf_F", "lambda_sf_N")
        return (*lengths, "a1", "b2", *(f"thickness[{curve.device}]" for curve in self.study.curves))

    @cached_property
    def _priors(self) -> list:
        thickness = self.study.parameters["thickness"].prior
        assert isinstance(thickness, AboutNominal)
        shared = [self.study.parameters[name].prior for name in self.names[:6]]
        return shared + [thickness.about(curve.thickness) for curve in self.study.curves]

    @cached_property
    def _points(self) -> tuple[np.ndarray, ...]:
        curves = self.study.curves
        device = np.concatenate([np.full(curve.n_used, j) for j, curve in enumerate(curves)])
        V, par, perp, s_par, s_perp = (
            np.concatenate([getattr(curve, name)[curve.used] for curve in curves])
            for name in ("bias", "par", "perp", "sigma_par", "sigma_perp")
        )
        return device, V, par, perp, s_par, s_perp

    def log_prior(self, theta: np.ndarray) -> np.ndarray:
        """ln of the prior density, shape (n,), for `theta` of shape (n, 11)."""
        total = np.zeros(theta.shape[0])
        for k, prior in enumerate(self._priors):
            if k < 4:
                total += prior.logpdf(np.exp(theta[:, k])) + theta[:, k]
            else:
                total += prior.logpdf(theta[:, k])
        return total

    def log_posterior(self, theta: np.ndarray) -> np.ndarray:
        """ln of prior times likelihood, shape (n,)."""
        theta = np.atleast_2d(theta)
        result = self.log_prior(theta)
        inside = np.isfinite(result)
        if inside.any():
            result[inside] += self.log_likelihood(theta[inside])
        return result

    def log_likelihood(self, theta: np.ndarray) -> np.ndarray:
        """ln of the likelihood, every point of every device, shape (n,)."""
        device, V, par, perp, s_par, s_perp = self._points
        lambdas = np.exp(theta[:, :4])
        q0_squared, q_squared = wave_numbers(lambdas[:, 0], lambdas[:, 1], lambdas[:, 2])
        kappa = kappa_from_rates(theta[:, 6:], q0_squared[:, None], q_squared[:, None], lambdas[:, 3:4])
        model = kappa[:, device] * (theta[:, 4:5] + 2j * theta[:, 5:6] * V)
        chi2 = np.sum(((par - model.real) / s_par) ** 2 + ((perp - model.imag) / s_perp) ** 2, axis=1)
        return -0.5 * chi2 - float(np.sum(np.log(s_par * s_perp)) + par.size * np.log(2 * np.pi))

    def from_unit_cube(self, u: np.ndarray) -> np.ndarray:
        """Prior quantiles, for nested sampling, shape (11,)."""
        values = [float(prior.quantile(x)) for prior, x in zip(self._priors, u, strict=True)]
        return np.concatenate([np.log(values[:4]), values[4:]])

    def start(self, n: int, draws: dict[str, np.ndarray]) -> np.ndarray:
        """n different posterior draws: the best start anyone could wish for, given to every competitor."""
        columns = [np.log(draws[name][:n]) if k < 4 else draws[name][:n] for k, name in enumerate(self.names)]
        return np.stack(columns, axis=1)
