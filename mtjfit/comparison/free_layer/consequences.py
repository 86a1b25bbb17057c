"""Implications of a posterior for layers and biases that may not have been measured, with intervals and warnings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from mtjfit.arrays import FloatArray
from mtjfit.cards import Card, ShownAsCard
from mtjfit.comparison.devices.comparison import marked
from mtjfit.comparison.devices.quantities import LEVELS, usual_bias
from mtjfit.comparison.free_layer.layer import (
    WHY,
    FreeLayer,
    competing,
    explained_by,
    half_width,
    layer_draws,
    layer_parameters,
    odd_part,
    prior_draws,
)
from mtjfit.data import pretty
from mtjfit.infer import Posterior
from mtjfit.infer.level import Level
from mtjfit.results.coefficients import torque_unit
from mtjfit.results.tables import interval
from mtjfit.study import Study
from mtjfit.text import Table

_DRAWS = 2000
_DOMINATED = 0.5
_NAMED = 0.1  # share of the spread from which on a parameter is named
_MOST = 4  # thicknesses taken if none are given
_CLOSE = 1e-9
_RATIO, _ODD = "T_perp/T_par", "odd part of T_perp over T_par"
_DIFFERENCE, _ASYMMETRY = "T_perp(+V) − T_perp(−V)", "asymmetry of |T_perp|"


class _Row(NamedTuple):
    quantity: str
    thickness: float
    bias: float
    unit: str
    draws: FloatArray


@dataclass(frozen=True, eq=False)
class Consequences(ShownAsCard):
    """Implications of a posterior for a free layer.

    Attributes
    ----------
    device : str or None
        The device whose layer it is, where parameters differ between devices.
    thickness, bias : tuple of float
        In nm; in V, positive, used with both signs.
    measured : tuple of two tuples
        Ranges of thickness and of bias that the data cover; the rest is extrapolation.
    table : DataFrame
        quantity, thickness, bias (NaN where it does not matter), quantiles q025, q16, median, q84, q975 (the outer
        ones are the ends of `Posterior.band`), unit;
        extrapolated (``""``, ``"thickness"``, ``"bias"`` or ``"thickness, bias"``); prior_left, the 68 % width over
        that of the prior prediction; leans_on, names of parameters whose priors the row inherits: they are not
        determined by the data, and either make half of the row's spread, or the row is half as wide as from priors
        alone.
    draws : ndarray, shape (n_draws, n_rows)
        Of every row of the table.
    says : tuple of str
        Competition of the torques, extrapolation, and priors, in words.
    """

    posterior: Posterior
    device: str | None
    thickness: tuple[float, ...]
    bias: tuple[float, ...]
    measured: tuple[tuple[float, float], tuple[float, float]]
    table: pd.DataFrame
    draws: FloatArray
    says: tuple[str, ...]

    @property
    def layer(self) -> FreeLayer:
        """The layer at the draws that the table is made of."""
        return layer_draws(self.posterior.study, self.posterior.spaced(_DRAWS), self.device)

    def tables(self) -> tuple[Table, ...]:
        """Tables for people: the spin current, then the torque."""
        level = self.posterior.band
        header = ("quantity", "d (nm)", "V (V)", f"median ({level} interval)", "unit", "remark")
        of_layer = self.table["bias"].isna()
        current, torque = (
            tuple(_cells(row, level) for row in self.table[chosen].to_dict("records"))  # type: ignore[arg-type]
            for chosen in (of_layer, ~of_layer)
        )
        head, *body = ((*row[:2], *row[3:]) for row in (header, *current))
        tables = (
            Table("Spin current in the free layer", head, tuple(body), _DEFINITIONS),
            Table("Torque", header, torque, _ASYMMETRIES),
        )
        return marked(tables, self.posterior.verdict.converged)

    def _card(self) -> Card:
        study, device = self.posterior.study, "" if self.device is None else f", device {self.device}"
        title, refused = f"What the posterior of {study.name} implies{device}", self.posterior.verdict.refusal
        return Card(title, [refused, study.label], tables=self.tables(), notes=self.says)

    def __str__(self) -> str:
        return "\n\n".join([*(str(one) for one in self.tables()), *self.says])


_DEFINITIONS = (
    "Absorbed: 1 − |J(d)/J0|, the share of the transverse spin current that does not leave F. Along the direction of "
    "injection 1 = Re κ + Re f + Re J(d)/J0: to the moments, to the lattice by spin flip, into N."
)
_ASYMMETRIES = (
    "Asymmetry: (|T_perp(+V)| − |T_perp(−V)|)/(|T_perp(+V)| + |T_perp(−V)|). Odd part: [T_perp(V) − T_perp(−V)]/2, "
    "here over T_par at the same V; negative where it supports T_par, positive where it works against it."
)


def of_band(row: dict[str, object], level: Level) -> tuple[float, float, float]:
    """Lower end, median and upper end in a row of `Consequences.table`."""
    low, _, high = level.names
    return float(row[low]), float(row["median"]), float(row[high])  # type: ignore[arg-type]


def _cells(row: dict[str, object], level: Level) -> tuple[str, ...]:
    remarks = [f"extrapolated in {row['extrapolated']}" if row["extrapolated"] else "",
               f"with the priors of {row['leans_on']}" if row["leans_on"] else ""]  # fmt: skip
    at = f"±{row['bias']:g}" if row["quantity"] in (_DIFFERENCE, _ASYMMETRY) else f"{row['bias']:+g}"
    return (
        str(row["quantity"]), f"{row['thickness']:g}", at, interval(*of_band(row, level)), pretty(str(row["unit"])),
        "; ".join(remark for remark in remarks if remark),
    )  # fmt: skip


def measured_range(study: Study, device: str | None = None) -> tuple[tuple[float, float], tuple[float, float]]:
    """Nominal thicknesses (nm) and biases (V) that the data cover: of all devices that share the layer's parameters."""
    names = layer_parameters(study, device)
    curves = [c for c in study.curves if device is None or layer_parameters(study, c.name) == names]
    d, V = [c.thickness for c in curves], [c.bias[c.used] for c in curves]
    return (min(d), max(d)), (float(min(each.min() for each in V)), float(max(each.max() for each in V)))


def _default_thickness(study: Study) -> tuple[float, ...]:
    different = np.unique(np.round(study.thicknesses, 6))
    chosen = np.linspace(0, different.size - 1, min(different.size, _MOST)).round().astype(int)
    return tuple(float(d) for d in different[chosen])


def consequences(
    posterior: Posterior,
    *,
    thickness: Iterable[float] | None = None,
    bias: Iterable[float] | None = None,
    device: str | None = None,
) -> Consequences:
    """Absorption, effective spin diffusion length, torque at any thickness and bias, and its asymmetry in bias.

    Parameters
    ----------
    posterior : Posterior
        At most 2000 evenly spaced draws are used.
    thickness : iterable of float, optional
        Of layers in nm, > 0, taken as exact; by default up to four of the nominal ones.
    bias : iterable of float, optional
        In V, not 0, either sign: each is used with both. By default 0.2 V, or what every device was measured at.
    device : str, optional
        Whose parameters the layer has; needed where they differ between devices.

    Raises
    ------
    ValueError
        A thickness is not positive, a bias is 0 or not finite, or the device is unknown or has to be named.
    """
    study = posterior.study
    d = _default_thickness(study) if thickness is None else tuple(float(each) for each in thickness)
    V = (usual_bias(study),) if bias is None else tuple(dict.fromkeys(abs(float(each)) for each in bias))
    if not d or not all(0 < each < np.inf for each in d):
        raise ValueError(f"thickness = {d}: give positive thicknesses in nm")
    if not V or not all(0 < each < np.inf for each in V):
        raise ValueError(f"bias = {V}: give biases other than 0 in V; at 0 only b0 is left of the torque")
    names = layer_parameters(study, device)
    draws = posterior.spaced(_DRAWS)
    rows = list(_rows(study, layer_draws(study, draws, device), d, V))
    beforehand = list(_rows(study, layer_draws(study, prior_draws(posterior, names), device), d, V))
    values = np.stack([row.draws for row in rows], axis=1)
    measured = measured_range(study, device)
    table = pd.DataFrame([row[:3] for row in rows], columns=["quantity", "thickness", "bias"])
    low, _, high = posterior.band.names
    levels = {low: posterior.band.quantiles[0], **dict(list(LEVELS.items())[1:-1]), high: posterior.band.quantiles[2]}
    table[list(levels)] = np.quantile(values, list(levels.values()), axis=0).T
    table["unit"] = [row.unit for row in rows]
    table["extrapolated"] = [_extrapolated(row, measured) for row in rows]
    before = half_width(np.stack([row.draws for row in beforehand], axis=1))
    table["prior_left"] = np.minimum(half_width(values) / np.maximum(before, 1e-300), 1.0)
    table["leans_on"] = _leans_on(posterior, names, draws, values, table["prior_left"].to_numpy())
    says = tuple(_says(table, rows, measured))
    return Consequences(posterior, device, d, V, measured, table, values, says)


def _rows(study: Study, layer: FreeLayer, thickness: tuple[float, ...], bias: tuple[float, ...]) -> Iterator[_Row]:
    """All quantities, in the order of the table."""
    unit, none = torque_unit(study), float("nan")
    K, j = layer.kappa(thickness), layer.transmitted(thickness)
    star, exact = layer.lambda_sf_star(thickness), layer.lambda_sf_star_exact(thickness)
    V = np.array([sign * each for each in bias for sign in (1, -1)])
    T = layer.torque(thickness, V)
    for k, d in enumerate(thickness):
        yield _Row("absorbed in F, 1 − |J(d)/J0|", d, none, "", 1 - np.abs(j[:, k]))
        yield _Row("to the moments, Re κ", d, none, "", K[:, k].real)
        yield _Row("to the lattice, Re f", d, none, "", (1 - K[:, k] - j[:, k]).real)
        yield _Row("into N, Re J(d)/J0", d, none, "", j[:, k].real)
        yield _Row("|κ|", d, none, "", np.abs(K[:, k]))
        yield _Row("arg κ", d, none, "°", np.angle(K[:, k], deg=True))
        for name, length in (("λ*_sf of Eq. 17", star), ("|λ*_sf|, Eq. 15 = Eq. 12", np.abs(exact))):
            if np.all(np.isfinite(length)):  # nothing leaks and nothing flips where it is not
                yield _Row(name, d, none, "nm", length[:, k])
    has_ratio = bool(np.all(T.real != 0))
    for k, d in enumerate(thickness):
        for v, at in enumerate(V):
            yield _Row("T_par", d, at, unit, T[:, k, v].real)
            yield _Row("T_perp", d, at, unit, T[:, k, v].imag)
            if has_ratio:
                yield _Row(_RATIO, d, at, "", T[:, k, v].imag / T[:, k, v].real)
        for v, at in enumerate(bias):
            plus, minus = T[:, k, 2 * v], T[:, k, 2 * v + 1]
            difference = plus.imag - minus.imag
            size = np.abs(plus.imag) + np.abs(minus.imag)
            yield _Row(_DIFFERENCE, d, at, unit, difference)
            yield _Row(_ASYMMETRY, d, at, "",
                       (np.abs(plus.imag) - np.abs(minus.imag)) / np.where(size > 0, size, 1.0))  # fmt: skip
            if has_ratio:
                yield _Row(_ODD, d, at, "", difference / 2 / plus.real)
                yield _Row(_ODD, d, -at, "", -difference / 2 / minus.real)


def leaned_on(table: pd.DataFrame) -> str:
    """Names of all parameters whose priors some rows of the table inherit."""
    return ", ".join(dict.fromkeys(name for each in table["leans_on"] if each for name in each.split(", ")))


def _extrapolated(row: _Row, measured: tuple[tuple[float, float], tuple[float, float]]) -> str:
    (thin, thick), (low, high) = measured
    beyond = [] if thin - _CLOSE <= row.thickness <= thick + _CLOSE else ["thickness"]
    both = row.quantity in (_DIFFERENCE, _ASYMMETRY, _ODD)
    at = (row.bias, -row.bias) if both else (row.bias,)
    if not np.isnan(row.bias) and not all(low - _CLOSE <= V <= high + _CLOSE for V in at):
        beyond.append("bias")
    return ", ".join(beyond)


def _leans_on(
    posterior: Posterior, names: tuple[str, ...], draws: pd.DataFrame, values: FloatArray, prior_left: FloatArray
) -> list[str]:
    """Names of the parameters whose priors a row inherits; empty for a row that the data made."""
    opened = tuple(name for name in names if posterior.determined(name) != "yes")
    share = explained_by(values, draws[list(opened)].to_numpy(dtype=float))
    out = []
    for k, left in enumerate(prior_left):
        if left <= _DOMINATED and share[k, -1] <= _DOMINATED:
            out.append("")
            continue
        mine = [name for name, part in zip(opened, share[k], strict=False) if part > _NAMED]
        out.append(", ".join(mine or opened or names))
    return out


def _says(
    table: pd.DataFrame, rows: list[_Row], measured: tuple[tuple[float, float], tuple[float, float]]
) -> Iterator[str]:
    by = {(row.quantity, row.thickness, row.bias): row.draws for row in rows}
    places = [(row.thickness, row.bias) for row in rows if row.quantity == _ODD and row.bias > 0]
    for d, V in places:
        ratios = [by[_RATIO, d, at] for at in (V, -V)]
        odd = [by[_ODD, d, at] for at in (V, -V)]
        yield f"At d = {d:g} nm and ±{V:g} V {competing(ratios, V)} {odd_part(odd)}"
    if places:
        yield WHY
    if (table["extrapolated"] != "").any():
        (thin, thick), (low, high) = measured
        yield (
            f"Measured: {thin:g} to {thick:g} nm, {low:g} to {high:g} V. Rows beyond that are extrapolated: they hold "
            "if Eq. 12 and the polynomial of J0(V) go on as they are."
        )
    if names := leaned_on(table):
        n = int((table["leans_on"] != "").sum())
        yield (
            f"{n} of {len(table)} rows depend on the prior of {names}, which the data bound on one side at most; the "
            "tables mark them, and the column leans_on names them."
        )
