"""The measurement with the largest expected gain: errors of one parameter, or of all, before a device is grown."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, get_args

import numpy as np
import pandas as pd

from mtjfit.arrays import FloatArray
from mtjfit.errors import MtjfitError
from mtjfit.infer.posterior import Posterior
from mtjfit.planning import Design
from mtjfit.planning.candidates import Candidate, candidates_for
from mtjfit.planning.choose import Choice
from mtjfit.planning.choose import choose as choose_from
from mtjfit.planning.draws import ParameterDraws, draws_of
from mtjfit.planning.expected_gain import (
    EVERYTHING,
    LinearGaussian,
    Target,
    geometric_mean,
    linear_gaussian,
    target_of,
    targets,
)
from mtjfit.planning.response import measured
from mtjfit.planning.result import Plan
from mtjfit.planning.reweighting import Outcomes, outcomes_of
from mtjfit.progress import bar
from mtjfit.study import Fixed, PlanRequest, Prior, Study, refuse_own_model

Method = Literal["auto", "gaussian", "reweight"]

_N_SEARCH, _N_REPORT = 128, 256  # draws for comparing combinations, and for the numbers of the answer
_N_OUTCOMES = 200
_N_CHECKED = 9  # thicknesses that are reweighted for the figure
_GAIN = ("after", "low", "high", "bits")


def plan(
    study: Study | Design,
    candidates: Sequence[Candidate | float] | None = None,
    *,
    target: str | None = None,
    choose: int | None = None,
    request: PlanRequest | None = None,
    cap: Fixed | Prior | None = None,
    posterior: Posterior | None = None,
    method: Method = "auto",
    seed: int | None = None,
    progress: bool = True,
    wishes: PlanRequest | None = None,
) -> Plan:
    """Expected gain of candidate measurements, and which of them to choose.

    Expected errors are those of the linear-Gaussian approximation (`mtjfit.planning.expected_gain`), averaged over
    draws of the posterior, or of the priors where there are no data yet. With data the answer is checked by simulating
    outcomes and reweighting the draws to them (`mtjfit.planning.reweighting`), which assumes no normality.

    Parameters
    ----------
    candidates : sequence of Candidate or float, optional
        Numbers are thicknesses in nm of new devices, measured like the present ones. Default: the thicknesses of
        `request`, or a grid about those of the study; and every device of the study measured again.
    target : str, optional
        A parameter by its name in tables, ``"Lambda"``, or ``"everything"``. Default: as in `request`.
    choose : int, optional
        How many of the thicknesses to choose together. Default: as in `request`, one.
    request : PlanRequest, optional
        As from `mtjfit.study.load_plan`; that of a design is its own.
    cap : Fixed or Prior, optional
        Λ in nm of another metal behind the free layer: each thickness is then also a candidate with that one.
    posterior : Posterior, optional
        Of `study`; sampled if not given.
    method : {"auto", "gaussian", "reweight"}
        ``"reweight"`` reweights every candidate, ``"gaussian"`` none, ``"auto"`` the best one and some for comparison.
    wishes : PlanRequest, optional
        Former name of `request`.

    Raises
    ------
    MtjfitError
        The target is no free parameter, or the request contradicts the data.
    NotConverged
        The posterior did not converge.

    Examples
    --------
    >>> from mtjfit.study import Fixed, LogNormal, Noise, Normal, Parameter, grid
    >>> priors = dict.fromkeys(("lambda_J", "lambda_phi", "Lambda"), LogNormal(1.5, 2.0))
    >>> priors |= {"lambda_sf_F": LogNormal(10.0, 2.0), "a1": Normal(1.0, 0.2), "thickness": Fixed(0.0)}
    >>> parameters = {name: Parameter(name, prior) for name, prior in priors.items()}
    >>> parameters["thickness"] = Parameter("thickness", Fixed(0.0), scope="device")
    >>> sweep, noise = (-0.5, 0.5, 21), Noise.of("2 %")
    >>> request = PlanRequest(grid(0.5, 5.0, 0.5), 3, "lambda_J", sweep, noise, "torkance", "device")
    >>> found = plan(Design("three devices", parameters, request), progress=False)
    >>> found.chosen
    ('0.5 nm', '1.5 nm', '5 nm')
    """
    if method not in get_args(Method):
        raise MtjfitError(f"method {method!r} is none of {', '.join(get_args(Method))}")
    if wishes is not None:
        warnings.warn("plan(wishes=…) is now plan(request=…)", DeprecationWarning, stacklevel=2)
    request = request or wishes or (study.request if isinstance(study, Design) else PlanRequest())
    request = replace(request, target=target or request.target, choose=choose or request.choose)
    if cap is not None and isinstance(study, Study):
        refuse_own_model(study, "another metal behind the free layer (cap)")
    seed = study.sampling.seed if seed is None else seed
    rng = np.random.default_rng([seed, 0x91A4])
    draws, posterior = draws_of(study, posterior, seed, rng, progress=progress)
    there = [made.measurement for made in measured(draws)]
    every = candidates_for(study, there, request, candidates, cap)
    draws = draws.with_new([each for candidate in every for each in candidate.measurements], rng)
    found = _planned(study, draws, every, request, method, rng, progress=progress)
    return replace(found, open_sides=_open_sides(found.target, posterior))


def _planned(
    study: Study | Design,
    draws: ParameterDraws,
    every: tuple[Candidate, ...],
    request: PlanRequest,
    method: Method,
    rng: np.random.Generator,
    *,
    progress: bool,
) -> Plan:
    aim = target_of(draws, request.target)
    now = aim.now(draws)
    growable = tuple(candidate for candidate in every if candidate.kind == "thickness") or every
    if request.choose > len(growable):
        raise MtjfitError(f"{request.choose} are to be chosen, but there are {len(growable)} candidates")
    report = linear_gaussian(draws.thinned(_N_REPORT), aim, every)
    shown = bar("expected gain", progress, every)
    rows = [(each.kind, each.thickness, *_gain(report, report.information(each), now)) for each in shown]
    table = pd.DataFrame(rows, pd.Index([each.name for each in every], name="candidate"), ["kind", "thickness", *_GAIN])
    search = linear_gaussian(draws.thinned(_N_SEARCH), aim, growable)
    information = np.stack([search.information(candidate) for candidate in growable])
    choice = choose_from(information, request.choose, search.score)
    together = [growable[place] for place in choice.order]
    measurements = tuple(each for candidate in together for each in candidate.measurements)
    joint = Candidate(" + ".join(each.name for each in together), "choice", measurements)
    outcomes = _outcomes(draws, every, joint, aim, method, rng, progress=progress)
    totals = np.cumsum([report.information(candidate) for candidate in together], axis=0)
    steps = [(each.name, *_gain(report, total, now)) for each, total in zip(together, totals, strict=True)]
    return Plan(
        study=study,
        target=aim,
        unit="" if aim.relative or aim.name == EVERYTHING else study.unit_of(aim.name),
        candidates=every,
        table=_with_outcomes(table, outcomes),
        chosen=tuple(growable[place].name for place in choice.chosen),
        path=pd.DataFrame(steps, pd.Index(range(1, len(steps) + 1), name="devices"), ["device", *_GAIN]),
        parameters=_parameters(study, draws, report, totals[-1]),
        moved=_moved(search, information, choice, growable, now),
        now=now,
        choice=choice,
        confirmed=outcomes.get(joint.name),
    )


def _gain(report: LinearGaussian, information: FloatArray, now: float) -> list[float]:
    """The numbers of `_GAIN`."""
    return [*report.expected(information, report.target, now), float(report.bits(information).mean())]


def _parameters(
    study: Study | Design, draws: ParameterDraws, report: LinearGaussian, information: FloatArray
) -> pd.DataFrame:
    """Errors of every parameter that devices share, and of Λ, before and after the choice."""
    shared = {each.name for each in draws.coordinates if each.shared}
    rows = {}
    for name, each in targets(draws).items():
        same = len(each.factors) == 1 and each.factors[0] != name  # Λ where D_ratio is fixed
        if set(each.factors) <= shared and not same:
            now, unit = each.now(draws), "" if each.relative else study.unit_of(name)
            rows[name] = (now, *report.expected(information, each, now), each.relative, unit)
    columns = ["now", "after", "low", "high", "relative", "unit"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("parameter")


def _moved(
    search: LinearGaussian, information: FloatArray, choice: Choice, growable: Sequence[Candidate], now: float
) -> pd.DataFrame:
    """Expected error, or bits, with one of the chosen replaced by each other candidate, the rest kept."""
    if len(choice.chosen) < 2:
        return pd.DataFrame()

    def level(total: FloatArray) -> float:
        of_everything = search.target.name == EVERYTHING
        return float(search.bits(total).mean()) if of_everything else search.expected(total, search.target, now)[0]

    columns: dict[str, list[float]] = {"thickness": [each.thickness for each in growable]}
    for place in choice.chosen:
        rest = information[[other for other in choice.chosen if other != place]].sum(axis=0)
        columns[growable[place].name] = [level(rest + one) for one in information]
    return pd.DataFrame(columns, index=pd.Index([each.name for each in growable], name="candidate"))


def _outcomes(
    draws: ParameterDraws,
    every: Sequence[Candidate],
    joint: Candidate,
    aim: Target,
    method: Method,
    rng: np.random.Generator,
    *,
    progress: bool,
) -> dict[str, Outcomes]:
    """Outcomes by name of candidate, and of the choice; none without data: they leave too few draws of the priors."""
    if method == "gaussian" or not draws.curves:
        return {}
    asked = list(every)
    if method == "auto":
        of_grid = [each for each in every if each.kind == "thickness"]
        places = np.linspace(0, len(of_grid) - 1, min(_N_CHECKED, len(of_grid))).round().astype(int)
        asked = [of_grid[k] for k in places]
    by_name = {each.name: each for each in (*asked, joint)}
    aims = (aim,) if aim.name != EVERYTHING else tuple(targets(draws).values())[:1]
    shown = bar("reweighting", progress, by_name.items())
    return {name: outcomes_of(draws, each, aims, _N_OUTCOMES, rng) for name, each in shown}


def _with_outcomes(table: pd.DataFrame, outcomes: dict[str, Outcomes]) -> pd.DataFrame:
    """The table with the numbers of reweighting, where there are any."""
    nothing = (*[float("nan")] * 4, None)
    rows = [
        (geometric_mean(found.spread[0]), found.bits, found.bits_error, float(np.median(found.k_hat)), found.reliable)
        if (found := outcomes.get(str(name))) is not None
        else nothing
        for name in table.index
    ]
    columns = ["reweighted", "reweighted_bits", "bits_error", "k_hat", "reliable"]
    more = pd.DataFrame(rows, index=table.index, columns=columns)
    if bool(table.after.isna().all()):
        more["reweighted"] = float("nan")
    return pd.concat([table, more], axis=1)


def _open_sides(aim: Target, posterior: Posterior | None) -> str:
    """Sides on which the data leave the target open, as in `Posterior.determined`."""
    if posterior is None or aim.name not in posterior.names:
        return ""
    says = posterior.determined(aim.name)
    return "" if says == "yes" else says
