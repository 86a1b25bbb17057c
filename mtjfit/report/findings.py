"""Everything that the page tells of a result, computed once."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from mtjfit.comparison.devices.comparison import DeviceComparison, compare_devices
from mtjfit.comparison.free_layer.consequences import Consequences, consequences
from mtjfit.comparison.free_layer.layer import shares_one_layer
from mtjfit.comparison.mechanisms.comparison import MechanismComparison
from mtjfit.errors import NotDetermined
from mtjfit.infer import FitResult, Posterior
from mtjfit.infer.convergence.excess import DrawnChi2, chi2_of_draws
from mtjfit.prior_influence.information import narrowing
from mtjfit.prior_influence.sensitivity import sensitivity

__all__ = ["MOST_DEVICES", "Findings", "findings"]

MOST_DEVICES = 60
"""Devices up to which the page compares them: pairs grow with the square of their number."""


@dataclass(frozen=True, eq=False)
class Findings:
    """A result and what follows from it.

    Attributes
    ----------
    posterior : Posterior or None
        None where one thickness determines combinations only.
    drawn : DrawnChi2 or None
        χ² of the draws of a posterior that converged.
    narrowing, sensitivity : DataFrame or None
        Of a posterior that converged.
    alone, common : DeviceComparison or None
        Of two to sixty devices: each alone, and with the common lengths of a posterior that converged.
    implied : Consequences or None
        Of a posterior that converged, if all devices share one layer.
    mechanisms : MechanismComparison or None
        If somebody waited for it.
    """

    fit: FitResult
    posterior: Posterior | None
    narrowing: pd.DataFrame | None = None
    sensitivity: pd.DataFrame | None = None
    alone: DeviceComparison | None = None
    common: DeviceComparison | None = None
    implied: Consequences | None = None
    mechanisms: MechanismComparison | None = None
    drawn: DrawnChi2 | None = None

    @property
    def converged(self) -> bool:
        """True if there are draws and they may be trusted."""
        return self.posterior is not None and self.posterior.verdict.converged


def findings(fit: FitResult, posterior: Posterior | None, mechanisms: MechanismComparison | None = None) -> Findings:
    """What the page tells of a result; nothing is fitted or sampled.

    Examples
    --------
    >>> import mtjfit
    >>> found = findings(mtjfit.fit(mtjfit.load_study(mtjfit.dataset("thickness-series").study_file)), None)
    >>> found.alone.source, found.common is None, found.converged
    ('each device alone', True, False)
    """
    several = 1 < len(fit.study.curves) <= MOST_DEVICES
    alone = _compared(fit) if several else None
    if posterior is None or not posterior.verdict.converged:
        return Findings(fit, posterior, alone=alone, mechanisms=mechanisms)
    one_layer = bool(fit.study.amplitudes) and shares_one_layer(fit.study)
    return Findings(
        fit,
        posterior,
        narrowing=narrowing(posterior),
        sensitivity=sensitivity(posterior),
        alone=alone,
        common=_compared(posterior) if several else None,
        implied=consequences(posterior) if one_layer else None,
        mechanisms=mechanisms,
        drawn=chi2_of_draws(fit, posterior),
    )


def _compared(found: FitResult | Posterior) -> DeviceComparison | None:
    """None where devices have too few points to say anything alone."""
    try:
        return compare_devices(found)
    except NotDetermined:
        return None
