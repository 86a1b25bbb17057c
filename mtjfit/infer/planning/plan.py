"""Which measurement teaches most, of one parameter or of everything: expected errors before anybody grows a device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, get_args

import numpy as np
import pandas as pd

from mtjfit.data import FloatArray
from mtjfit.errors import MtjfitError
from mtjfit.infer.planning.choose import Choice, choose
from mtjfit.infer.planning.information import Linear, linear
from mtjfit.infer.planning.known import Known
from mtjfit.infer.planning.measurement import Candidate
from mtjfit.infer.planning.outcomes import Outcomes, reweighted
from mtjfit.infer.planning.result import Plan, geometric_mean
from mtjfit.infer.planning.start import candidates_for, known_of, noise_of
from mtjfit.infer.planning.target import EVERYTHING, Target, target_of, targets
from mtjfit.infer.posterior import Posterior
from mtjfit.progress import bar
from mtjfit.study import Fixed, Prior, Proposal, Study, Wishes

__all__ = ["plan"]

Method = Literal["auto", "gaussian", "reweight"]

_N_SEARCH, _N_REPORT = 128, 256  # draws for comparing combinations, and for the numbers of the answer
_N_OUTCOMES = 200
_N_CHECKED = 9  # thicknesses that are also looked at by reweighting, for the figure
_QUARTILES = (0.25, 0.75)


def plan(
    study: Study | Proposal,
    candidates: Sequence[Candidate | float] | None = None,
    *,
    target: str | None = None,
    choose: int | None = None,
    wishes: Wishes | None = None,
    cap: Fixed | Prior | None = None,
    posterior: Posterior | None = None,
    method: Method = "auto",
    seed: int | None = None,
    progress: bool = True,
) -> Plan:
    """What candidate measurements are expected to teach, and which to choose.

    Expected errors are those of the linear-Gaussian approximation (`mtjfit.infer.planning.information`), averaged over
    draws of the posterior, or of the priors where there are no data yet. With data the answer is checked by simulating
    outcomes and reweighting the draws to them (`mtjfit.infer.planning.outcomes`), which supposes no normality.

    Parameters
    ----------
    study : Study or Proposal
    candidates : sequence of Candidate or float, optional
        Numbers are thicknesses in nm of new devices, measured like those that are there. Default: the thicknesses of
        `wishes`, or a grid about those of the study; and every device of the study measured again.
    target : str, optional
        A parameter by its name in tables, ``"Lambda"``, or ``"everything"``. Default: as in `wishes`.
    choose : int, optional
        How many of the thicknesses to choose together. Default: as in `wishes`, one.
    wishes : Wishes, optional
        As from `mtjfit.study.load_plan`; those of a proposal are its own.
    cap : Fixed or Prior, optional
        Λ in nm of another metal behind the free layer: each thickness is then also a candidate with that one.
    posterior : Posterior, optional
        Of `study`; sampled if not given.
    method : {"auto", "gaussian", "reweight"}
        ``"reweight"`` reweights every candidate, ``"gaussian"`` none, ``"auto"`` the best one and some for comparison.
    seed : int, optional
        Default: that of the study.
    progress : bool
        Show a bar on a terminal.

    Returns
    -------
    Plan

    Raises
    ------
    MtjfitError
        The target is no free parameter, or the wishes contradict the data.
    NotConverged
        The posterior did not converge.

    Examples
    --------
    >>> from mtjfit.study import Fixed, LogNormal, Noise, Normal, Parameter, grid
    >>> priors = dict.fromkeys(("lambda_J", "lambda_phi", "Lambda"), LogNormal(1.5, 2.0))
    >>> priors |= {"lambda_sf_F": LogNormal(10.0, 2.0), "a1": Normal(1.0, 0.2), "thickness": Fixed(0.0)}
    >>> parameters = {name: Parameter(name, prior) for name, prior in priors.items()}
    >>> parameters["thickness"] = Parameter("thickness", Fixed(0.0), scope="device")
    >>> wishes = Wishes(grid(0.5, 5.0, 0.5), 3, "lambda_J", (-0.5, 0.5, 21), Noise.of("2 %"), "torkance", "device")
    >>> found = plan(Proposal("three devices", parameters, wishes), progress=False)
    >>> found.chosen
    ('0.5 nm', '1.5 nm', '5 nm')
    """
    if method not in get_args(Method):
        raise MtjfitError(f"method {method!r} is none of {', '.join(get_args(Method))}")
    wishes = wishes or (study.wishes if isinstance(study, Proposal) else Wishes())
    wishes = replace(wishes, target=target or wishes.target, choose=choose or wishes.choose)
    seed = study.sampling.seed if seed is None else seed
    rng = np.random.default_rng([seed, 0x91A4])
    known, posterior = known_of(study, posterior, seed, rng, progress=progress)
    every = candidates_for(study, known, wishes, candidates, cap)
    known = known.with_new([each for candidate in every for each in candidate.measurements], rng)
    return _planned(study, known, every, wishes, method, rng, posterior=posterior, progress=progress)


def _planned(
    study: Study | Proposal,
    known: Known,
    every: tuple[Candidate, ...],
    wishes: Wishes,
    method: Method,
    rng: np.random.Generator,
    *,
    posterior: Posterior | None,
    progress: bool,
) -> Plan:
    aim, noise = target_of(known, wishes.target), noise_of(known)
    growable = tuple(candidate for candidate in every if candidate.kind == "thickness") or every
    if wishes.choose > len(growable):
        raise MtjfitError(f"{wishes.choose} are to be chosen, but there are {len(growable)} candidates")
    report = linear(known.thinned(_N_REPORT), aim, every, noise)
    rows = {}
    for candidate in bar("expected gain", progress, every):
        rows[candidate.name] = (candidate.kind, candidate.thickness, *_single(known, report, candidate))
    table = pd.DataFrame.from_dict(
        rows, orient="index", columns=["kind", "thickness", "after", "low", "high", "bits"]
    ).rename_axis("candidate")  # fmt: skip
    search = linear(known.thinned(_N_SEARCH), aim, growable, noise)
    information = np.stack([search.information(candidate) for candidate in growable])
    choice = _chosen(information, wishes.choose, search)
    together = [growable[place] for place in choice.order]
    outcomes = _reweighted(known, every, together, aim, table, method, rng, progress=progress)
    return Plan(
        study=study,
        target=aim,
        unit="" if aim.relative or aim.name == EVERYTHING else study.unit_of(aim.name),
        candidates=every,
        table=_with_outcomes(table, outcomes),
        chosen=tuple(sorted((each.name for each in together), key=[each.name for each in growable].index)),
        path=_path(known, report, together),
        parameters=_parameters(study, known, report, together),
        moved=_moved(known, search, information, choice, growable),
        now=_now(known, aim),
        choice=choice,
        confirmed=outcomes.get(_joint_name(together)),
        open_sides=_open_sides(aim, posterior),
    )


def _chosen(information: FloatArray, k: int, search: Linear) -> Choice:
    return choose(information, k, search.score)


def _now(known: Known, aim: Target) -> float:
    """Standard deviation of a target before."""
    return float("nan") if aim.name == EVERYTHING else float(np.std(aim.values(known), ddof=1))


def _expected(known: Known, report: Linear, information: FloatArray, aim: Target) -> list[float]:
    """Geometric mean and quartiles over the draws of the standard deviation of a target after some information."""
    if aim.name == EVERYTHING:
        return [float("nan")] * 3
    ratio = report.ratio(information, aim)
    low, high = np.quantile(ratio, _QUARTILES)
    return [float(each) * _now(known, aim) for each in (geometric_mean(ratio), low, high)]


def _single(known: Known, report: Linear, candidate: Candidate) -> list[float]:
    information = report.information(candidate)
    return [*_expected(known, report, information, report.target), float(report.bits(information).mean())]


def _path(known: Known, report: Linear, together: Sequence[Candidate]) -> pd.DataFrame:
    total, rows = np.zeros_like(report.base), []
    for candidate in together:
        total = total + report.information(candidate)
        gain = float(report.bits(total).mean())
        rows.append((candidate.name, *_expected(known, report, total, report.target), gain))
    index = pd.Index(range(1, len(rows) + 1), name="devices")
    return pd.DataFrame(rows, index=index, columns=["device", "after", "low", "high", "bits"])


def _parameters(study: Study | Proposal, known: Known, report: Linear, together: Sequence[Candidate]) -> pd.DataFrame:
    """What the choice does to every parameter that devices share, and to Λ."""
    total = np.sum([report.information(candidate) for candidate in together], axis=0)
    shared = {each.name for each in known.coordinates if each.shared}
    rows = {}
    for name, each in targets(known).items():
        same = len(each.factors) == 1 and each.factors[0] != name  # Λ where D_ratio is fixed
        if set(each.factors) <= shared and not same:
            unit = "" if each.relative else study.unit_of(name)
            rows[name] = (_now(known, each), *_expected(known, report, total, each), each.relative, unit)
    columns = ["now", "after", "low", "high", "relative", "unit"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("parameter")


def _moved(
    known: Known, search: Linear, information: FloatArray, choice: Choice, growable: Sequence[Candidate]
) -> pd.DataFrame:
    """Expected error, or bits, with one of the chosen replaced by each other candidate, the rest kept."""
    if len(choice.chosen) < 2:
        return pd.DataFrame()
    columns: dict[str, FloatArray | list[float]] = {"thickness": [each.thickness for each in growable]}
    for place in choice.chosen:
        rest = information[[other for other in choice.chosen if other != place]].sum(axis=0)
        columns[growable[place].name] = np.array([_level(known, search, rest + one) for one in information])
    return pd.DataFrame(columns, index=pd.Index([each.name for each in growable], name="candidate"))


def _level(known: Known, search: Linear, information: FloatArray) -> float:
    if search.target.name == EVERYTHING:
        return float(search.bits(information).mean())
    return geometric_mean(search.ratio(information, search.target)) * _now(known, search.target)


def _joint_name(together: Sequence[Candidate]) -> str:
    return " + ".join(each.name for each in together)


def _reweighted(
    known: Known,
    every: Sequence[Candidate],
    together: Sequence[Candidate],
    aim: Target,
    table: pd.DataFrame,
    method: Method,
    rng: np.random.Generator,
    *,
    progress: bool,
) -> dict[str, Outcomes]:
    """By name of candidate, and of the choice; nothing without data, because one outcome leaves too few prior draws."""
    if method == "gaussian" or not known.curves:
        return {}
    joint = Candidate(_joint_name(together), "choice", tuple(m for each in together for m in each.measurements))
    asked = list(every)
    if method == "auto":
        of_grid = [each for each in every if each.kind == "thickness"]
        places = np.linspace(0, len(of_grid) - 1, min(_N_CHECKED, len(of_grid))).round().astype(int)
        asked = [of_grid[k] for k in places]
    by_name = {each.name: each for each in (*asked, joint)}
    aims = (aim,) if aim.name != EVERYTHING else tuple(targets(known).values())[:1]
    shown = bar("reweighting", progress, by_name.items())
    return {name: reweighted(known, each, aims, _N_OUTCOMES, rng) for name, each in shown}


def _with_outcomes(table: pd.DataFrame, outcomes: dict[str, Outcomes]) -> pd.DataFrame:
    """The table with what reweighting says, where it was asked."""
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
    """What the data leave open of the target, as `Posterior.determined` has it."""
    if posterior is None or aim.name not in posterior.names:
        return ""
    says = posterior.determined(aim.name)
    return "" if says == "yes" else says
