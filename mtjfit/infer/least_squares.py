"""Least squares of a whole study, with errors only where the data determine them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NoReturn

import lmfit
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from uncertainties import UFloat

from mtjfit.arrays import FloatArray
from mtjfit.cards import Card, ShownAsCard
from mtjfit.data import pretty
from mtjfit.infer.assumptions import Assumption, freed_assumptions
from mtjfit.infer.causes import P_BAD, Cause, Outcome, likely_causes
from mtjfit.infer.convergence.conflict import Conflict, prior_conflicts
from mtjfit.infer.fitted import covariance_table, curve_table, refuse_name, residual_table, uncertain_values
from mtjfit.infer.lack_of_fit import from_scatter, misfit_p_value
from mtjfit.infer.optimum import Optimum, flipped, optimum
from mtjfit.model.device_combinations import DeviceCombinations, combinations, quantities_table
from mtjfit.model.equivalent_noise import least_squares_model, student_scales
from mtjfit.model.identifiability import Identifiability, determined_table, directions
from mtjfit.model.likelihood import FullPosterior, full_posterior
from mtjfit.model.patterns import Pattern, find_patterns
from mtjfit.model.profile import determined_by_profile
from mtjfit.model.rank import structure
from mtjfit.study import JITTER, NOISE, EqualTo, ParameterName, Study
from mtjfit.text import number, p_text, some, table, value_with_error

_STARTS_OF_CAUSES = 3


@dataclass(frozen=True, eq=False)
class FitResult(ShownAsCard):
    """Best fit of a study.

    Attributes
    ----------
    params : lmfit.Parameters
        All parameters in natural units; `stderr` is None where the data do not determine a parameter. Names are
        identifiers (``thickness_dev1``); the name of the tables is in `user_data`.
    chi2 : float
        Data and thickness terms, with the errors as given.
    dof : int
        Degrees of freedom, counting only what the data determine.
    p_value : float
        Probability of a larger χ²; from lack of fit (F test) where the errors of the data are fitted.
    devices : tuple of DeviceCombinations
        Quantities that each device determines without any length.
    values : dict of str to float
        Best values by the names of the tables.
    errors : dict of str to float or None
        Standard errors; None where not determined, or where χ² rises so slowly that a symmetric error would mislead.
    rescaled : bool
        True if the errors were multiplied by √(χ²/dof) on request.
    """

    study: Study
    params: lmfit.Parameters
    chi2: float
    dof: int
    p_value: float
    identifiability: Identifiability
    devices: tuple[DeviceCombinations, ...]
    values: Mapping[str, float]
    errors: Mapping[str, float | None]
    rescaled: bool
    optimum: Optimum

    @cached_property
    def combinations(self) -> pd.DataFrame:
        """One row for each device and determined quantity: device, quantity, value, sd, unit."""
        return quantities_table(full_posterior(self.study), self.devices)

    @cached_property
    def p_value_flipped(self) -> float:
        """The p-value with the sign of T_perp reversed."""
        model = flipped(least_squares_model(self.study))
        return misfit_p_value(model, optimum(model), self.study.n_values - self.dof, from_scatter(self.study))[1]

    @cached_property
    def conflicts(self) -> tuple[Conflict, ...]:
        """Priors that the data contradict, worst first; none where the model does not describe the data."""
        if self.p_value < P_BAD:
            return ()
        return prior_conflicts(self.study, self.optimum, self.optimum.chi2_data + self.optimum.chi2_thickness)

    @cached_property
    def patterns(self) -> tuple[Pattern, ...]:
        """Patterns in the residuals that the declared powers of V do not explain, the clearest first."""
        return find_patterns(self.study)

    @cached_property
    def causes(self) -> tuple[Cause, ...]:
        """What may be wrong with data that the model does not describe or that show a pattern; likeliest first."""
        if not (self.p_value < P_BAD or self.patterns):
            return ()
        before = self.chi2 / max(self.dof, 1)
        return likely_causes(self.study, self.patterns, before, _judged)

    @cached_property
    def limits(self) -> dict[str, str]:
        """Lengths without an error bar: "yes", "lower limit", "upper limit" or "no", as `Posterior.determined` asks."""
        known = self.identifiability.determined
        asked = [name for name in known.index[~known["determined"].to_numpy(dtype=bool)]
                 if ParameterName(str(name)).base in self.study.lengths]  # fmt: skip
        return determined_by_profile(least_squares_model(self.study), self.optimum.values, asked)

    @cached_property
    def assumptions(self) -> tuple[Assumption, ...]:
        """Numbers that the study takes as known, each freed in turn: what the data say of it, where the lengths go."""
        return freed_assumptions(self.study, self.optimum, self.identifiability.determined, self.limits)

    @property
    def chi2_says(self) -> str:
        """χ², degrees of freedom and p-value in one phrase."""
        free = [name for name, known in self.study.parameters.items() if not known.is_fixed]
        fitted = [curve.name for curve in self.study.curves if curve.sigma_is_fitted]
        errors = "errors" if len(fitted) == len(self.study.curves) else f"errors of {some(fitted)}"
        for names, what in ((NOISE, f"{errors} fitted"), (JITTER, "jitter estimated")):
            if any(name in free for name in names):
                test = "nothing left for" if math.isnan(self.p_value) else f"{p_text(self.p_value)} by"
                return f"{what} from the scatter; {test} a lack-of-fit test"
        return f"χ² = {self.chi2:.1f} for {self.dof} degrees of freedom, {p_text(self.p_value)}"

    def _card(self) -> Card:
        """χ² and every parameter with its error, or the reason why there is none, in a notebook."""
        rows = [[*row[:2], pretty(row[2]), row[3]] for row in self._rows()]
        known, rescaled = self.identifiability, " (errors rescaled by it, as asked)" if self.rescaled else ""
        return Card(
            f"FitResult of {self.study.name}", marks=[self.study.label],
            facts={"χ²": self.chi2_says + rescaled,
                   "determined": f"{known.rank} of {known.n_parameters} parameters by this design"},
            header=("parameter", "best fit ± sd", "unit", "remark"), rows=rows,
            notes=known.null_directions,
        )  # fmt: skip

    def residuals(self) -> pd.DataFrame:
        """Every measured value beside the model, masked ones included.

        Returns
        -------
        DataFrame
            Columns device, condition, component (``"par"`` or ``"perp"``), bias (V), measured, model, sigma, residual
            (measured − model), used, unit (of the four before). `sigma` is the error declared or fitted, with jitter in
            quadrature; of Student-t errors their scale. Where errors are independent and normal, the sum of
            (residual/sigma)² over used values is the χ² of the data.

        Examples
        --------
        >>> from mtjfit.data import dataset
        >>> from mtjfit.study import load_study
        >>> result = fit(load_study(dataset("sankey2008").study_file))
        >>> used = result.residuals().query("used")
        >>> bool(np.isclose(((used.residual / used.sigma) ** 2).sum(), result.optimum.chi2_data))
        True
        """
        return residual_table(self.study, self.values)

    def curve(self, device: str, bias: ArrayLike | None = None) -> pd.DataFrame:
        """The model of one device: columns bias (V), par, perp, and their unit.

        `device` is one of `study.devices`; ValueError if it is not. `bias` is in volts, by default that of the data.
        """
        return curve_table(self.study, self.values, device, bias)

    @cached_property
    def covar(self) -> pd.DataFrame:
        """Covariance of the parameters that have errors, by their names in tables; no others."""
        return covariance_table(self.params)

    @cached_property  # or two calls would give numbers that know nothing of each other
    def uvalues(self) -> dict[str, float | UFloat]:
        """Values with correlated errors (package uncertainties), which arithmetic carries on, by names in tables.

        Parameters that are not determined have the error NaN, and so has what is computed from them; fixed ones are
        plain numbers.
        """
        return uncertain_values(self.params, self.study.tied)

    if not TYPE_CHECKING:  # a type checker is to find wrong names by itself

        def __getattr__(self, name: str) -> NoReturn:
            refuse_name(type(self).__name__, name)

    def report(self) -> str:
        """Plain text: parameters with errors where there are any, then quantities determined by each device."""
        found = [
            [row["device"], row["quantity"], value_with_error(row["value"], row["sd"]), row["unit"]]
            for row in self.combinations.to_dict("records")
        ]
        known = self.identifiability
        lines = [
            f"{known.rank} of {known.n_parameters} parameters are determined by this design"
            + "".join(f"\n  - {words}" for words in known.null_directions),
            self.chi2_says + (" (errors rescaled by it, as asked)" if self.rescaled else ""),
            "",
            table(["parameter", "best fit ± sd", "unit", "remark"], self._rows()),
            "",
            "Determined by each device on its own, without any length:",
            table(["device", "quantity", "value ± sd", "unit"], found),
        ]
        return "\n".join(lines)

    def _rows(self) -> list[list[str]]:
        """Parameter, value with its error where there is one, unit, and a remark."""
        rows = []
        for name, value in self.values.items():
            error, unit = self.errors[name], self.study.unit_of(name)
            if name in self.identifiability.determined.index:
                why = str(self.identifiability.determined.loc[name, "reason"])
                shown = "not determined" if error is None else value_with_error(value, error)
                rows.append([name, shown, unit, why])
            else:
                declared, shown = self.study.parameters[ParameterName(name).base], number(value)
                if declared.tie is not None:
                    shown = "not determined" if error is None else value_with_error(value, error)
                noise = name.startswith("noise") and not declared.is_fixed
                tied = declared.prior.describe() if isinstance(declared.prior, EqualTo) else ""
                rows.append([name, shown, unit, tied or ("from the scatter" if noise else "fixed")])
        return rows


def _identifier(name: str, taken: set[str]) -> str:
    base = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_")
    chosen, k = base, 2
    while chosen in taken:
        chosen, k = f"{base}_{k}", k + 1
    taken.add(chosen)
    return chosen


def _parameters(
    model: FullPosterior, values: Mapping[str, float], errors: Mapping[str, float | None], correlation: pd.DataFrame
) -> lmfit.Parameters:
    """lmfit.Parameters in natural units, with errors and correlations where there are any."""
    taken: set[str] = set()
    identifiers = {name: _identifier(name, taken) for name in values}
    # no bounds of noise, which is not searched: lmfit treats bounds closer than 1e-13 (as in N m) as equal
    support: dict[str, tuple[float, float]] = {
        entry.name: entry.prior.support for entry in model.layout.entries if not entry.name.is_noise
    }
    parameters = lmfit.Parameters()
    for name, value in values.items():
        low, high = support.get(name, (-np.inf, np.inf))
        free = name in model.layout.names or name in model.amplitudes.names
        parameters.add(identifiers[name], value=value, vary=free, min=low, max=high)
        parameters[identifiers[name]].user_data = name
        parameters[identifiers[name]].stderr = errors[name]
    known = [name for name in correlation.index if errors[name] is not None]
    for name in known:
        parameters[identifiers[name]].correl = {
            identifiers[other]: float(correlation.loc[name, other]) for other in known if other != name
        }
    return parameters


def _with_tied(study: Study, correlation: pd.DataFrame) -> pd.DataFrame:
    """Correlations with those of tied lengths, which are those of their targets."""
    target = {name: of for name, of, _ in study.tied if of in correlation.index}
    found = correlation.loc[[*correlation.index, *target.values()], [*correlation.index, *target.values()]]
    names = [*correlation.index, *target]
    found = found.set_axis(names).set_axis(names, axis="columns")
    for name, of in target.items():
        found.loc[name, of] = found.loc[of, name] = 1.0
    return found


def _in_order(model: FullPosterior, values: Mapping[str, float]) -> dict[str, float]:
    """Free and fixed parameters in the order of the study file."""
    ordered: dict[str, float] = {}
    for name, parameter in model.study.parameters.items():
        mine = [n for n in values if ParameterName(n).base == name]
        if parameter.tie is not None:
            ordered.update({each: tie.ratio * values[of] for each, of, tie in model.study.tied if each.base == name})
        elif mine:
            ordered.update({n: values[n] for n in mine})
        elif parameter.value is not None and name != "thickness":
            ordered[name] = parameter.value
    return ordered


def fit(study: Study, *, rescale_errors: bool = False) -> FitResult:
    """Global least squares over all devices of a study, from many starts.

    Amplitudes are projected out in closed form, lengths and thicknesses fitted by lmfit; a thickness with a prior is
    one more measurement. Priors of lengths only bound the search: the result is the maximum of the likelihood.
    Amplitudes that scatter are fitted for each device, without use of the scatter. Jitter and Student-t errors are
    replaced by normal ones (`mtjfit.model.equivalent_noise.as_normal`). Errors are linearised, from the analytic
    Jacobian, and absent where the data do not determine them or where χ² contradicts them
    (`mtjfit.model.identifiability.LINEAR_RISE`).

    Parameters
    ----------
    rescale_errors : bool
        Multiply errors by √(χ²/dof); only sensible where the errors of the data are relative.

    Examples
    --------
    >>> from mtjfit.data import dataset
    >>> from mtjfit.study import load_study
    >>> result = fit(load_study(dataset("sankey2008").study_file))
    >>> result.identifiability.rank, result.params["lambda_J"].stderr is None
    (3, True)
    """
    model = least_squares_model(study)
    best = optimum(model)
    shape = structure(model)
    edge = (*best.at_bound, *model.amplitudes.out_of_bounds(best.amplitudes))
    determined, correlation = determined_table(model, best.values, best.amplitudes, edge)
    rank = shape.rank
    dof = study.n_values - rank
    total, p_value = misfit_p_value(model, best, rank, from_scatter(study))
    factor = float(np.sqrt(total / dof)) if rescale_errors else 1.0
    free = dict(zip(model.layout.names, best.values, strict=True)) | dict(
        zip(model.amplitudes.names, best.amplitudes, strict=True)
    )
    values = _in_order(model, {name: float(value) for name, value in free.items()} | student_scales(study))
    errors = {name: _error(determined, name, factor) for name in values}
    for name, of, tie in study.tied:
        error = errors[of]
        errors[name] = None if error is None else tie.ratio * error
    matrix = _with_tied(study, pd.DataFrame(correlation, index=determined.index, columns=determined.index))
    return FitResult(
        study=study,
        params=_parameters(model, values, errors, matrix),
        chi2=total,
        dof=dof,
        p_value=p_value,
        identifiability=Identifiability(
            rank, shape.n_parameters, shape.null_directions, determined, directions(model, best.values, best.amplitudes)
        ),
        devices=combinations(model),
        values=values,
        errors=errors,
        rescaled=rescale_errors,
        optimum=best,
    )


def _judged(study: Study) -> Outcome:
    """p-value, χ² per degree of freedom and patterns of a study, by a shorter search than that of `fit`."""
    model = least_squares_model(study)
    rank = structure(model).rank
    total, p_value = misfit_p_value(model, optimum(model, starts=_STARTS_OF_CAUSES), rank, from_scatter(study))
    return Outcome(p_value, total / max(study.n_values - rank, 1), bool(find_patterns(study)))


def _error(determined: pd.DataFrame, name: str, factor: float) -> float | None:
    if name not in determined.index or not determined.loc[name, "determined"]:
        return None
    row: FloatArray = determined.loc[name, ["value", "relative_error"]].to_numpy(dtype=float)
    return float(abs(row[0]) * row[1] * factor)
