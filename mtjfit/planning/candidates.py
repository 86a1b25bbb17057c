"""Candidates of a plan: a device of another thickness, or the present devices measured again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mtjfit.cards import ShownAsCard
from mtjfit.data.units import Quantity
from mtjfit.errors import MtjfitError
from mtjfit.planning import Design
from mtjfit.planning.measurement import Measurement, measurement_of
from mtjfit.study import Fixed, PlanRequest, Prior, Study, grid

_GRID = 60  # thicknesses, about, where none are given


@dataclass(frozen=True, eq=False)
class Candidate(ShownAsCard):
    """One possible next step; of the kind ``"thickness"``, one new device, several can be chosen together."""

    name: str
    kind: str
    measurements: tuple[Measurement, ...]

    @property
    def thickness(self) -> float:
        """Nominal thickness in nm of the one device; NaN where there are several."""
        return self.measurements[0].thickness if len(self.measurements) == 1 else float("nan")


def new_devices(
    like: Measurement, thicknesses: Iterable[float], taken: Sequence[str] = (), cap: Fixed | Prior | None = None
) -> tuple[Candidate, ...]:
    """One new device of each thickness in nm, measured like another one.

    With `cap` another metal lies behind its free layer, of this D_F/D_N · λ_sf^N in nm; a prior makes it a parameter.

    >>> import numpy as np
    >>> from mtjfit.study import Noise
    >>> like = Measurement("A", 2.0, np.array([-0.1, 0.1]), Noise(0.1), Noise(0.1), "torque", "device")
    >>> [candidate.name for candidate in new_devices(like, (1.0, 1.5), taken=("1 nm",))]
    ["1 nm'", '1.5 nm']
    >>> [candidate.name for candidate in new_devices(like, (1.0, 1.5), cap=Fixed(10.0))]
    ['1 nm, other cap', '1.5 nm, other cap']
    """
    kind, suffix, group = ("thickness", "", like.group) if cap is None else ("cap", ", other cap", "other cap")
    found = []
    for d in thicknesses:
        name = f"{d:g} nm{suffix}"
        while name in taken:
            name += "'"
        found.append(
            Candidate(name, kind, (replace(like, device=name, condition="", thickness=float(d), group=group, cap=cap),))
        )
    return tuple(found)


def measured_again(devices: Sequence[Measurement]) -> tuple[Candidate, ...]:
    """Further measurements of the present devices, from one of each as it was made.

    Each device again; all again; all with twice the points, with a window wider by half and the same spacing, with half
    the noise; and all as torque where they were measured as torkance, or the other way round.
    """
    other: Quantity = "torque" if devices[0].quantity == "torkance" else "torkance"
    changes: tuple[tuple[str, str, Callable[[Measurement], Measurement]], ...] = (
        ("points", "twice the points", lambda one: _resampled(one, 1.0, 2.0)),
        ("window", "window 1.5 times as wide", lambda one: _resampled(one, 1.5, 1.5)),
        ("noise", "half the noise", lambda one: _with_noise(one, 0.5)),
        (other, f"as {other}", lambda one: _as(one, other)),
    )
    return (
        *(Candidate(f"{each.name} again", "again", (each,)) for each in devices),
        *(Candidate(f"all again, {what}", kind, tuple(map(change, devices))) for kind, what, change in changes),
    )


def _resampled(like: Measurement, width: float, number: float) -> Measurement:
    bias = like.bias
    middle, half = 0.5 * (bias.max() + bias.min()), 0.5 * (bias.max() - bias.min())
    n = max(2, round(number * bias.size))
    return replace(like, bias=np.linspace(middle - width * half, middle + width * half, n))


def _with_noise(like: Measurement, factor: float) -> Measurement:
    par, perp = (replace(noise, value=factor * noise.value) for noise in (like.noise_par, like.noise_perp))
    return replace(like, noise_par=par, noise_perp=perp)


def _as(like: Measurement, quantity: Quantity) -> Measurement:
    """The same sweep of the other quantity, with errors that are the same fraction of a linear signal."""
    far = float(np.abs(like.bias).max())
    factor = 1.0 if like.noise_par.relative else far if quantity == "torque" else 1 / far
    return replace(_with_noise(like, factor), quantity=quantity)


def thickness_grid(study: Study) -> tuple[float, ...]:
    """Candidate thicknesses in nm from 0.75 times the thinnest device to 1.5 times the thickest, sixty or more.

    The step is the largest of …, 0.01, 0.02, 0.05, 0.1, … that makes so many.
    """
    low, high = 0.75 * study.thicknesses.min(), 1.5 * study.thicknesses.max()
    most = (high - low) / _GRID
    decade = 10.0 ** np.floor(np.log10(most))
    step = float(max(factor * decade for factor in (1.0, 2.0, 5.0) if factor * decade <= most * (1 + 1e-9)))
    first = max(np.ceil(low / step - 1e-9), 1.0) * step
    return grid(round(float(first), 9), float(high), step)


def candidates_for(
    study: Study | Design,
    there: Sequence[Measurement],
    request: PlanRequest,
    given: Sequence[Candidate | float] | None,
    cap: Fixed | Prior | None,
) -> tuple[Candidate, ...]:
    """Candidates as given, or every requested thickness, also with another cap, and the present devices again.

    `there` are the measurements of a study, as if to be made again; a new device is measured like the one with the
    median number of points. MtjfitError if the request contradicts the data, or names are missing or taken twice.
    """
    if isinstance(study, Study) and request.per is not None and request.per != study.curves[0].per:
        raise MtjfitError(f'[plan] has per = "{request.per}", but the data are per {study.curves[0].per}; remove it')
    usual = (
        measurement_of(study)
        if isinstance(study, Design)
        else sorted(there, key=lambda one: one.bias.size)[len(there) // 2]
    )
    noise = request.noise
    changes = {"bias": request.sweep, "noise_par": noise, "noise_perp": noise, "quantity": request.quantity}
    like = replace(usual, **{key: each for key, each in changes.items() if each is not None})  # type: ignore[arg-type]
    taken = study.devices if isinstance(study, Study) else ()
    if given is not None:
        thicknesses = [float(each) for each in given if not isinstance(each, Candidate)]
        found = (*new_devices(like, thicknesses, taken), *(each for each in given if isinstance(each, Candidate)))
    else:
        wanted = request.thickness or (thickness_grid(study) if isinstance(study, Study) else ())
        found = (*new_devices(like, wanted, taken), *(measured_again(there) if there else ()))
        if cap is not None:
            found = (*found, *new_devices(like, wanted, cap=cap))
    names = [candidate.name for candidate in found]
    if len(set(names)) < len(names) or not names:
        raise MtjfitError("candidates need names of their own, and there must be one at least")
    return found
