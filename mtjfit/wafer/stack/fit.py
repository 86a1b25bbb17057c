"""Global least squares of one stack: shared lengths, from sufficient statistics, for any number of devices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
from scipy.optimize import least_squares
from scipy.stats import chi2

from mtjfit.arrays import FloatArray
from mtjfit.cards import ShownAsCard
from mtjfit.model.identifiability import as_error, as_linear
from mtjfit.model.jacobian import relative_errors
from mtjfit.model.layout import even_points
from mtjfit.study import SCATTER, Parameter, parameter_unit
from mtjfit.text import p_text, table, value_with_error
from mtjfit.wafer.stack.hierarchy import Hierarchy, WaferDevices, checked
from mtjfit.wafer.stack.least_squares import StackLeastSquares, StackPoint

_FEW = 100  # devices that find out where to search
_RANGE = (1e-3, 1e5)  # nm, where a length without bounds may go
_AT_BOUND = 1e-3
_ERRORS = 2.0  # standard errors at which the rise of χ² is looked at


@dataclass(frozen=True, eq=False)
class StackFit(ShownAsCard):
    """Best fit of one stack.

    Attributes
    ----------
    point : StackPoint
        Of all devices at the optimum.
    values : mapping of str to float
        Free lengths and shared amplitudes.
    table : DataFrame
        Index parameter; columns value, sd (NaN where the data do not determine it), unit, determined, reason. Of an
        amplitude that each device has for itself the value is the mean over the devices, without an error.
    chi2, dof : float, int
        Of everything, with the errors as given. Where they were estimated from the scatter, of the misfit alone.
    misfit_chi2, misfit_dof : float, int
        Without the scatter of the points about each device's own polynomials: the test that many points do not dilute.
    """

    devices: WaferDevices
    point: StackPoint
    values: Mapping[str, float]
    table: pd.DataFrame
    chi2: float
    dof: int
    misfit_chi2: float
    misfit_dof: int

    @property
    def p_value(self) -> float:
        """Probability of a larger χ²."""
        return _p_value(self.chi2, self.dof)

    @property
    def misfit_p_value(self) -> float:
        """Probability of a larger χ² of the misfit."""
        return _p_value(self.misfit_chi2, self.misfit_dof)

    def report(self) -> str:
        """Parameters with errors where there are any; plain text."""
        rows = []
        for name, row in self.table.iterrows():
            shown = value_with_error(row["value"], row["sd"]) if row["determined"] else "not determined"
            rows.append([name, shown, row["unit"], row["reason"]])
        says = f"χ² = {self.chi2:.1f} for {self.dof} degrees of freedom, {p_text(self.p_value)}; misfit of the model "
        says += f"{self.misfit_chi2:.1f} for {self.misfit_dof}, {p_text(self.misfit_p_value)}"
        return f"{self.devices.n} devices\n{says}\n\n" + table(["parameter", "best fit ± sd", "unit", "remark"], rows)


def _p_value(value: float, dof: int) -> float:
    return float(chi2.sf(value, dof)) if dof > 0 else float("nan")


@dataclass(frozen=True)
class FitEffort:
    """Effort of a search: prior draws that are screened, starts, those refined on all devices, evaluations."""

    screened: int = 256
    starts: int = 6
    finalists: int = 2
    evaluations: int = 60


@dataclass(frozen=True, eq=False)
class _Search:
    """The search over free lengths, in logarithms; the dead layer, which may be zero, in nm."""

    problem: StackLeastSquares
    effort: FitEffort = FitEffort()

    @cached_property
    def _log(self) -> np.ndarray:
        return np.array([name != "dead_layer" for name in self.problem.lengths], dtype=bool)

    @cached_property
    def bounds(self) -> tuple[FloatArray, FloatArray]:
        """Range of each coordinate: what its prior allows."""
        low, high = [], []
        for name in self.problem.lengths:
            a, b = self.problem.parameters[name].prior.support
            if name == "dead_layer":
                b = min(b, 0.999 * float(self.problem.devices.thickness.min()))
            low.append(a if name == "dead_layer" else np.log(max(a, _RANGE[0])))
            high.append(b if name == "dead_layer" else np.log(min(b, _RANGE[1])))
        return np.array(low), np.array(high)

    def values(self, x: FloatArray) -> dict[str, float]:
        """Natural values."""
        natural = np.where(self._log, self._scale(x), x)
        return dict(zip(self.problem.lengths, map(float, natural), strict=True))

    def _scale(self, x: FloatArray) -> FloatArray:
        """d(value)/d(coordinate)."""
        return np.exp(np.where(self._log, x, 0.0))

    def refined(self, start: FloatArray) -> FloatArray:
        """Coordinates of the minimum reached from `start`."""
        low, high = self.bounds
        last: dict[bytes, StackPoint] = {}

        def at(x: FloatArray) -> StackPoint:
            key = x.tobytes()
            if key not in last:
                last.clear()
                last[key] = self.problem.at(self.values(x))
            return last[key]

        def jacobian(x: FloatArray) -> FloatArray:
            J, n = at(x).jacobian, len(self.problem.lengths)
            shared = np.linalg.qr(J[:, n:])[0]
            columns = J[:, :n] * self._scale(x)
            return np.asarray(shared @ (shared.T @ columns) - columns)

        def residual(x: FloatArray) -> FloatArray:
            return at(x).residual.ravel()

        margin = 1e-6 * (high - low)
        found = least_squares(
            residual, np.clip(start, low + margin, high - margin), jacobian, (low, high),
            x_scale="jac", max_nfev=self.effort.evaluations, ftol=1e-9, xtol=1e-9, gtol=1e-9,
        )  # fmt: skip
        return np.asarray(found.x, dtype=float)

    def _on(self, n: int, sd: float) -> _Search:
        """The same for at most n of the devices, spread over all of them."""
        devices = self.problem.devices
        few = np.unique(np.linspace(0, devices.n - 1, min(devices.n, n)).astype(int))
        return replace(self, problem=replace(self.problem, devices=devices.chosen(few), sd=sd))

    def starts(self) -> list[FloatArray]:
        """Prior draws with the smallest χ² on some of the devices at nominal thickness, no two close to each other."""
        names, small = self.problem.lengths, self._on(_FEW, 0.0)
        low, high = self.bounds
        u = even_points(len(names), self.effort.screened)
        drawn = [self.problem.parameters[name].prior.quantile(u[:, k]) for k, name in enumerate(names)]
        natural = np.stack(drawn, axis=-1)
        x = np.clip(np.where(self._log, np.log(np.maximum(natural, 1e-300)), natural), low, high)
        missed = np.array([small.chi2(row) for row in x])
        scale, chosen = x.std(axis=0) + 1e-12, list[int]()
        for k in np.argsort(missed):
            if all(np.linalg.norm((x[k] - x[c]) / scale) > 0.5 for c in chosen):
                chosen.append(int(k))
            if len(chosen) == self.effort.starts:
                break
        return [x[k] for k in chosen]

    def chi2(self, x: FloatArray) -> float:
        """At coordinates."""
        return self.problem.at(self.values(x)).chi2

    def best(self) -> FloatArray:
        """Coordinates of the smallest χ² found: from all starts on some devices, from the best of these on all."""
        if not self.problem.lengths:
            return np.zeros(0)
        small = self._on(_FEW, self.problem.sd)
        reached = sorted((small.refined(start) for start in self.starts()), key=small.chi2)
        if small.problem.devices.n < self.problem.devices.n:
            reached = [self.refined(x) for x in reached[: self.effort.finalists]]
        return min(reached, key=self.chi2)


def fit_stack(
    devices: WaferDevices,
    parameters: Mapping[str, Parameter],
    *,
    thickness_sd: float | None = None,
    effort: FitEffort | None = None,
) -> StackFit:
    """Global least squares over all devices of a stack, with `thickness_sd` (nm) in place of the declared one.

    Lengths are shared. Amplitudes are shared too, unless each device has its own by declaration or because they
    scatter; own ones, and thicknesses with an error, are eliminated device by device. Time and memory are linear in
    the number of devices. Smooth parts are not fitted here: they belong to `mtjfit.wafer.stack.sample.sample_stack`.
    Priors of lengths bound the search and do nothing else. Raises ConfigError if declarations are not those of a wafer.

    Examples
    --------
    >>> from mtjfit.data import dataset
    >>> from mtjfit.study import load_study
    >>> study = load_study(dataset("thickness-series").study_file)
    >>> devices = WaferDevices.of(study, np.zeros(5), np.zeros(5))
    >>> found = fit_stack(devices, study.parameters, effort=FitEffort(screened=32, starts=2))
    >>> round(found.values["lambda_J"], 1), bool(found.table.loc["lambda_J", "determined"])
    (1.0, True)
    """
    checked(Hierarchy(), parameters)
    problem = StackLeastSquares.of(devices, parameters, thickness_sd)
    search = _Search(problem, effort or FitEffort())
    x = search.best()
    lengths = search.values(x)
    point = problem.at(lengths)
    values = lengths | {problem.terms[t]: float(value) for t, value in zip(problem.shared, point.shared, strict=True)}
    found = _table(search, x, point, values)
    data = devices.data
    norms = np.linalg.norm(point.jacobian, axis=0)
    triangle = np.linalg.qr(point.jacobian / np.where(norms > 0, norms, 1.0))[1]
    rank = int(np.linalg.matrix_rank(triangle, tol=1e-9)) + len(problem.own) * devices.n
    misfit_dof = int(np.minimum(data.n, data.powers.size).sum()) - rank
    total, dof = point.chi2, misfit_dof
    if not data.fitted.any():
        total, dof = total + float(data.rss.sum()), int(data.n.sum()) - rank
    return StackFit(devices, point, values, found, total, dof, point.chi2, misfit_dof)


def _table(search: _Search, x: FloatArray, point: StackPoint, values: Mapping[str, float]) -> pd.DataFrame:
    """Values, errors where they are error bars, and why not."""
    problem, (low, high) = search.problem, search.bounds
    scale = np.array([abs(value) or 1.0 for value in values.values()])
    # of the triangular factor, because the whole matrix has as many rows as there are numbers
    errors, _ = relative_errors(np.linalg.qr(point.jacobian * scale)[1])
    span = high - low
    edge = {name for k, name in enumerate(problem.lengths) if min(x[k] - low[k], high[k] - x[k]) < _AT_BOUND * span[k]}
    rows, of = [], problem.devices
    for (name, value), unit, relative in zip(values.items(), scale, errors, strict=True):
        ok, why = as_error(name in edge, float(relative))
        sd = float(relative * unit)
        if ok:
            ok, why = _linear(search, x, name, value, sd, point.chi2)
        rows.append((name, value, sd if ok else np.nan, ok, why))
    for t in problem.own:
        name = problem.terms[t]
        why = (
            f"{SCATTER}{name}"
            if SCATTER + name in problem.parameters
            else f'scope = "{problem.parameters[name].scope}"'
        )
        why = f"each device has its own ({why}): stack-fits.csv has their mean, the posterior its error"
        rows.append((name, float(point.amplitudes[:, t].mean()), np.nan, False, why))
    rows.sort(key=lambda row: (*problem.lengths, *problem.terms).index(row[0]))
    found = pd.DataFrame(rows, columns=["parameter", "value", "sd", "determined", "reason"]).set_index("parameter")
    found.insert(2, "unit", [parameter_unit(name, of.unit, of.quantity, of.per) for name in found.index])
    return found


def _linear(search: _Search, x: FloatArray, name: str, value: float, sd: float, best: float) -> tuple[bool, str]:
    """Whether χ² rises at two errors on either side as it would for a linear model, all else following."""
    names, rises = search.problem.lengths, []
    for side in (-_ERRORS, _ERRORS):
        at = max(value + side * sd, 1e-9) if name in names else value + side * sd
        held = replace(search, problem=replace(search.problem, held={**search.problem.held, name: at}))
        others = np.array([each for each, mine in zip(x, names, strict=True) if mine != name])
        moved = held.refined(others) if others.size else others
        rises.append(held.problem.at(held.values(moved)).chi2 - best)
    return as_linear(*rises)
