"""Devices of a study beside each other: what each determines, which pairs differ, which are odd, which agree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mtjfit.infer import FitResult, Posterior
from mtjfit.model.normal import declares_noise
from mtjfit.results.coefficients import ALONE, Coefficients, own_coefficients, posterior_coefficients
from mtjfit.results.determined import DeterminedQuantity, determined_quantities, quantity_table, usual_bias
from mtjfit.results.device_tables import marked, outliers_table, pairs_table, quantities_table, repeats_table
from mtjfit.results.outliers import outliers, repeats
from mtjfit.results.pairs import pairwise
from mtjfit.study import Study
from mtjfit.text import Table, card

__all__ = ["DeviceComparison", "compare_devices"]

_DRAWS = 4000


@dataclass(frozen=True, eq=False)
class DeviceComparison:
    """Every device of a study beside the others.

    Attributes
    ----------
    study : Study
    source : str
        ``"each device alone"``: the device's own data, no lengths, no priors. ``"with the common lengths"``: the
        posterior of the study, in which every device also learns from the others.
    bias : float
        Of T_perp/T_par and the odd part of T_perp, in V.
    converged : bool
        False for a posterior that the gate refused: then nothing here is a result.
    quantities : tuple of DeterminedQuantity
        With their draws.
    table : DataFrame
        One row for each quantity and device: quantiles q025, q16, median, q84, q975, the share of draws that have it,
        unit, extrapolated, source.
    pairs : DataFrame
        One row for each quantity and pair, see `mtjfit.results.pairs.pairwise_quantity`.
    outliers : DataFrame
        One row for each device, see `mtjfit.results.outliers.outliers`.
    repeats : DataFrame
        One row for each thickness with several devices, see `mtjfit.results.outliers.repeats`.
    notes : tuple of str
        What must be known to read the numbers.
    """

    study: Study
    source: str
    bias: float
    converged: bool
    quantities: tuple[DeterminedQuantity, ...]
    table: pd.DataFrame
    pairs: pd.DataFrame
    outliers: pd.DataFrame
    repeats: pd.DataFrame
    notes: tuple[str, ...]

    def tables(self) -> tuple[Table, ...]:
        """The comparison for people: quantities, differences, odd devices, repeated thicknesses; no empty ones."""
        text = (
            quantities_table(self.study, self.quantities, self.table, self.source),
            pairs_table(self.pairs),
            outliers_table(self.outliers),
            repeats_table(self.repeats),
        )
        shown = text if self.converged else tuple(marked(one) for one in text)
        return tuple(one for one in shown if one.rows)

    def _repr_html_(self) -> str:
        """The comparison in a notebook, marked if the posterior behind it was refused."""
        refused = "" if self.converged else "NOT CONVERGED, no result"
        head = card(f"Devices of {self.study.name}, {self.source}", marks=[refused, self.study.label])
        tables = (one._repr_html_() for one in self.tables())
        return f"<div>{head}{''.join(tables)}{card('', notes=self.notes)}</div>"

    def __str__(self) -> str:
        return "\n\n".join([*(str(one) for one in self.tables()), "\n".join(self.notes)])


def compare_devices(
    found: Posterior | FitResult, *, bias: float | None = None, rng: np.random.Generator | None = None
) -> DeviceComparison:
    """Compare the devices of a study, draw by draw.

    Parameters
    ----------
    found : Posterior or FitResult
        A posterior compares devices with the common lengths; a fit compares what each determines alone, also for one
        thickness, where no length is determined.
    bias : float, optional
        In V, > 0; by default 0.2 V, or less if not every device was measured there with both signs.
    rng : numpy.random.Generator, optional
        By default from the seed of the study.

    Returns
    -------
    DeviceComparison

    Raises
    ------
    ValueError
        The bias is not positive.
    NotDetermined
        Errors are to be fitted, but a device has no more points than powers of V.

    Examples
    --------
    >>> from mtjfit.data import dataset
    >>> from mtjfit.infer import fit
    >>> from mtjfit.study import load_study
    >>> compared = compare_devices(fit(load_study(dataset("thickness-series").study_file)))
    >>> compared.source, compared.bias, len(compared.pairs), bool(compared.outliers["outlier"].any())
    ('each device alone', 0.2, 60, False)
    """
    study = found.study
    rng = rng or np.random.default_rng(study.sampling.seed)
    V = usual_bias(study) if bias is None else bias
    if isinstance(found, Posterior):
        coefficients, converged = posterior_coefficients(study, found.spaced(_DRAWS)), found.verdict.converged
    else:
        coefficients, converged = own_coefficients(study, _DRAWS, rng), True
    quantities = determined_quantities(coefficients, V)
    return DeviceComparison(
        study=study,
        source=coefficients.source,
        bias=V,
        converged=converged,
        quantities=quantities,
        table=quantity_table(coefficients, quantities),
        pairs=pairwise(quantities, study.devices),
        outliers=outliers(found, V, rng),
        repeats=repeats(study, rng),
        notes=tuple(_notes(coefficients, quantities, V, converged)),
    )


def _notes(t: Coefficients, quantities: tuple[DeterminedQuantity, ...], bias: float, converged: bool) -> Iterator[str]:
    study = t.study
    if not converged:
        yield "NOT CONVERGED: nothing here is a result."
    if t.source == ALONE:
        yield "Each device alone: from its own polynomials in V; no lengths, no priors, no other device."
        if declares_noise(study):
            yield "Jitter and Student-t errors are those that the scatter about each device's polynomials shows."
    else:
        yield "With the common lengths: from the posterior; every device also learns from the others, by way of Eq. 12."
        same = [each.name for each in quantities if np.allclose(each.values, each.values[:, :1], rtol=1e-12, atol=0.0)]
        if same and len(study.curves) > 1:
            yield f"Equal for all devices by the declaration of the study, not by the data: {', '.join(same)}."
    if any(curve.quantity == "torkance" for curve in study.curves):
        yield (
            "Torkance was measured: the torque is the integral of the fitted polynomial, with the constant b0 that it "
            "lacks declared to be 0. T_perp/T_par depends on that; slopes, odd parts and extrema do not."
        )
    if any(curve.angle_factor != 1 for curve in study.curves):
        yield "All torques are per sin θ."
    far = [c.device for c, beyond in zip(study.curves, quantities[-1].extrapolated, strict=True) if beyond]
    for each in quantities:
        far += [c.device for c, beyond in zip(study.curves, each.extrapolated, strict=True) if beyond]
    if far:
        names = ", ".join(dict.fromkeys(far))
        yield f"* {bias:g} V of one sign or the other lies outside the measured bias range of {names}: extrapolated."
