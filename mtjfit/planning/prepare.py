"""From a study or a design to draws of its parameters and to what might be measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mtjfit.errors import MtjfitError, NotConverged
from mtjfit.infer.ensembles.anneal import anneal
from mtjfit.infer.ensembles.jumps import Straight
from mtjfit.infer.posterior import Posterior
from mtjfit.infer.sampling import sample
from mtjfit.model.noise_models import make_posterior
from mtjfit.planning import Design
from mtjfit.planning.candidates import (
    Candidate,
    Measurement,
    again,
    measurement_like,
    measurement_of,
    new_devices,
)
from mtjfit.planning.draws import ParameterDraws, draws_from_posterior, draws_from_priors
from mtjfit.study import DOF, LENGTHS, Fixed, ParameterName, PlanRequest, Prior, Study, grid

__all__ = ["candidates_for", "draws_of", "noise_of", "of_one_thickness", "thickness_grid"]

N_DRAWS = 4096
"""Draws that are kept of a posterior, or made from a prior."""

N_ANNEALED = 1024
_ENOUGH = 1000  # effective draws: errors of a plan come from elsewhere
_GRID = 60


def draws_of(
    study: Study | Design, posterior: Posterior | None, seed: int, rng: np.random.Generator, *, progress: bool
) -> tuple[ParameterDraws, Posterior | None]:
    """Draws from the priors of a design, or from the posterior of a study, which is sampled if not given.

    Returned with the posterior, if there is one.

    Raises
    ------
    MtjfitError
        The sampling did not converge.
    """
    if isinstance(study, Design):
        return draws_from_priors(study, N_DRAWS, rng), None
    if posterior is None and of_one_thickness(study):
        model = make_posterior(study)
        straight = Straight(model)
        particles, _ = straight.outward(anneal(straight, model.size, N_ANNEALED, rng).final.v)
        return draws_from_posterior(study, model.draw(particles, rng), model.priors), None
    if posterior is None:
        enough = replace(study.sampling, target_ess=min(study.sampling.target_ess, _ENOUGH))
        posterior = sample(study.replace(sampling=enough), seed, progress=progress)
    if not posterior.verdict.converged:
        raise NotConverged(f"the posterior that the plan would start from did not converge: "
                           f"{'; '.join(posterior.verdict.reasons)}")  # fmt: skip
    frame = posterior.spaced(N_DRAWS)
    values = {name: frame[name].to_numpy() for name in map(str, frame.columns) if name in posterior.priors}
    return draws_from_posterior(study, values, posterior.priors), posterior


def of_one_thickness(study: Study | Design) -> bool:
    """True for data that determine no length: such a study is not sampled, but annealed, which is enough to plan."""
    if isinstance(study, Design) or study.n_thicknesses > 1:
        return False
    return any(name in study.parameters and not study.parameters[name].is_fixed for name in LENGTHS)


def noise_of(draws: ParameterDraws) -> dict[str, float]:
    """Typical sizes of the noise that draws tell of."""

    def typical(name: str) -> float | None:
        drawn = [x for label, x in draws.values.items() if ParameterName(label).base == name]
        if drawn:
            return float(np.median(drawn))
        return draws.parameters[name].value if name in draws.parameters else None

    names = ("noise_par", "noise_perp", "jitter_par", "jitter_perp")
    found = {name: size for name in names if (size := typical(name)) is not None}
    dof = typical(DOF)
    if dof is not None:  # the information about the place of a t distribution is (ν + 1)/(ν + 3) of a normal one's
        found["student"] = float(np.sqrt((dof + 3) / (dof + 1)))
    return found


def thickness_grid(study: Study) -> tuple[float, ...]:
    """Candidate thicknesses in nm from 0.75 times the thinnest device to 1.5 times the thickest, sixty or more."""
    low, high = 0.75 * study.thicknesses.min(), 1.5 * study.thicknesses.max()
    step = _nice((high - low) / _GRID)
    first = max(np.ceil(low / step - 1e-9), 1.0) * step
    return grid(round(float(first), 9), float(high), step)


def _nice(step: float) -> float:
    """The largest of …, 0.01, 0.02, 0.05, 0.1, … that is not above `step`."""
    decade = 10.0 ** np.floor(np.log10(step))
    return float(max(factor * decade for factor in (1.0, 2.0, 5.0) if factor * decade <= step * (1 + 1e-9)))


def _like(study: Study | Design, draws: ParameterDraws, request: PlanRequest) -> tuple[Measurement, list[Measurement]]:
    """What a new device is measured like, and the devices that are there."""
    if isinstance(study, Design):
        return _as_requested(measurement_of(study), request), []
    powers, noise = draws.powers, noise_of(draws)
    there = [
        measurement_like(curve, study.scale_of(curve), study.curves[0].unit, powers, noise) for curve in study.curves
    ]
    usual = sorted(there, key=lambda each: each.bias.size)[len(there) // 2]
    return _as_requested(usual, request), there


def _as_requested(like: Measurement, request: PlanRequest) -> Measurement:
    noise = request.noise
    changes = {"bias": request.sweep, "noise_par": noise, "noise_perp": noise, "quantity": request.quantity}
    return replace(like, **{name: each for name, each in changes.items() if each is not None})  # type: ignore[arg-type]


def candidates_for(
    study: Study | Design,
    draws: ParameterDraws,
    request: PlanRequest,
    given: Sequence[Candidate | float] | None,
    cap: Fixed | Prior | None,
) -> tuple[Candidate, ...]:
    """Candidates as given, or every thickness that is requested, also with another cap; devices measured again.

    Raises
    ------
    MtjfitError
        The request contradicts the data, or there are no candidates.
    """
    if isinstance(study, Study) and request.per is not None and request.per != study.curves[0].per:
        raise MtjfitError(f'[plan] has per = "{request.per}", but the data are per {study.curves[0].per}; remove it')
    like, there = _like(study, draws, request)
    taken = study.devices if isinstance(study, Study) else ()
    if given is not None:
        thicknesses = [float(each) for each in given if not isinstance(each, Candidate)]
        found = (*new_devices(like, thicknesses, taken), *(each for each in given if isinstance(each, Candidate)))
    else:
        wanted = request.thickness or (thickness_grid(study) if isinstance(study, Study) else ())
        found = (*new_devices(like, wanted, taken), *(again(there) if there else ()))
        if cap is not None:
            found = (*found, *new_devices(like, wanted, cap=cap))
    names = [candidate.name for candidate in found]
    if len(set(names)) < len(names) or not names:
        raise MtjfitError("candidates need names of their own, and there must be one at least")
    return found
