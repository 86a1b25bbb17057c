"""Causes of an out-of-plane torque as named models, with their lengths and amplitudes.

A linear T_perp may come from spin diffusion in the free layer (Eq. 12 of Manchon et al., PRB 86, 060404(R) (2012)),
from a term b1 V of J0 itself (asymmetric electrodes: Oh et al., Nature Phys. 5, 898 (2009)), from both, or there is
none. All are Eq. 12 with some lengths at infinity, so that one likelihood serves every one of them:

- ballistic, Eq. 1–2: λ_J, λ_sf^F and Λ infinite, κ = L²/L0² = 1 for every d and any λ_φ;
- bulk, Eq. 13–14: Λ infinite, κ = L²/L0² for every d.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from mtjfit.arrays import ComplexArray, FloatArray
from mtjfit.errors import ConfigError, NotDetermined, Problem
from mtjfit.physics import kappa
from mtjfit.study import SCATTER, Fixed, Normal, Parameter, Study, is_amplitude, parse_amplitude
from mtjfit.study.correlation_checks import without_the_gone
from mtjfit.text import Table, number

EXAMPLE = {"lambda_J": 1.0, "lambda_phi": 1.0, "lambda_sf_F": 10.0, "Lambda": 1.0}
"""Lengths in nm of Fig. 3 of Manchon et al. (2012)."""
EXAMPLE_B1 = -0.2
"""b1/a1 of the example."""
_D = (0.8, 1.2, 2.0, 3.0, 5.0)
_SAME = 1e-9
_INFINITE = float("inf")


@dataclass(frozen=True)
class Mechanism:
    """One explanation of the data.

    `transport` of spin in the free layer: none (Eq. 1–2), that of an infinitely thick layer (Eq. 13–14), of a layer of
    finite thickness before a metal (Eq. 12), or of an own model, whose study is taken as it is. `b1`: whether J0 has a
    linear out-of-plane term of its own.
    """

    name: str
    says: str
    transport: Literal["none", "bulk", "layer", "own"]
    b1: bool

    @property
    def lengths(self) -> dict[str, float]:
        """Lengths in nm that the mechanism fixes; with them Eq. 12 is its law, whatever the others are."""
        bulk = {"Lambda": _INFINITE}
        # any finite λ_φ gives κ = 1; a short one leaves no rounding error behind
        none = {"lambda_J": _INFINITE, "lambda_phi": 1e-3, "lambda_sf_F": _INFINITE, **bulk}
        return {"none": none, "bulk": bulk}.get(self.transport, {})

    def depends_on_thickness(self, per: str) -> bool:
        """Whether the torque, per device, area or volume, changes with d at all."""
        return self.transport in ("layer", "own") or per == "volume"


MECHANISMS = {
    each.name: each
    for each in (
        Mechanism("ballistic", "all spin is absorbed at the interface, electrodes alike (Eq. 1-2)", "none", False),
        Mechanism("ballistic+b1", "the same with asymmetric electrodes (Oh et al. 2009)", "none", True),
        Mechanism("diffusion-bulk", "spin diffusion in an infinitely thick layer (Eq. 13-14)", "bulk", False),
        Mechanism("diffusion", "spin diffusion in a layer of finite thickness (Eq. 12)", "layer", False),
        Mechanism("diffusion+b1", "the same with asymmetric electrodes", "layer", True),
    )
}
"""By name; new ones at the end, because random numbers go by place."""


def added_priors(study: Study, names: Sequence[str]) -> dict[str, Parameter]:
    """Amplitudes that a study does not declare, with priors made from those it does.

    Mean zero, and the standard deviation and scope of the declared amplitude of the same power of V: b1 from a1,
    a2 from b2. An amplitude that is declared keeps its prior. `ConfigError` names all that have no such counterpart
    with a normal prior.
    """
    found, problems = {}, []
    for name in names:
        if not is_amplitude(name):
            problems.append(Problem(f"parameters.{name}", "is no amplitude", "add amplitudes such as a2 or b0"))
            continue
        if name in study.parameters:
            found[name] = study.parameters[name]
            continue
        phase, power = parse_amplitude(name)
        counterpart = f"{'b' if phase.imag == 0 else 'a'}{power}"
        like = study.parameters.get(counterpart)
        if like is None or like.is_fixed:
            what = f"has no prior, and there is no {counterpart} with a normal prior to take one from"
            problems.append(Problem(f"parameters.{name}", what,
                                    f'declare it: {name} = {{ prior = "normal", mean = 0.0, sd = … }}'))  # fmt: skip
            continue
        found[name] = Parameter(name, Normal(0.0, like.prior.centre_and_sd[1]), like.scope)
    if problems:
        raise ConfigError(problems)
    return found


def mechanism_study(study: Study, mechanism: Mechanism, extra: Sequence[str] = ()) -> Study:
    """The same data under one mechanism, with amplitudes `extra`, such as ``"a2"``, whatever the mechanism.

    What the study declares is kept: priors of lengths that the mechanism has, amplitudes, noise. b1 comes or goes with
    the mechanism. Where the torque does not depend on d the prior of thicknesses integrates to one: they are then
    taken as nominal, which changes nothing but the time it takes. `ConfigError` as in `added_priors`.
    """
    if mechanism.transport == "own":
        return study.replace(parameters={**study.parameters, **added_priors(study, list(extra))})
    wanted = dict.fromkeys((*(["b1"] if mechanism.b1 else []), *extra))
    parameters = {**study.parameters, **added_priors(study, list(wanted))}
    if not mechanism.b1 and "b1" not in extra:
        parameters = {name: one for name, one in parameters.items() if name.removeprefix(SCATTER) != "b1"}
    if "Lambda" in mechanism.lengths:
        behind = ("lambda_sf_N", "D_ratio", "Lambda")
        parameters = {name: one for name, one in parameters.items() if name not in behind}
    parameters |= {name: Parameter(name, Fixed(value)) for name, value in mechanism.lengths.items()}
    if not mechanism.depends_on_thickness(study.curves[0].per):
        parameters.pop("dead_layer", None)
        parameters["thickness"] = Parameter("thickness", Fixed(0.0), "device")
    return study.replace(name=f"{study.name}: {mechanism.name}", parameters=without_the_gone(parameters))


def own_mechanism(study: Study) -> Mechanism:
    """The mechanism that a study of an own model stands for, whose study is taken as it is."""
    model = study.model
    says = f"own model of kappa with {', '.join(model.parameters) or 'no parameters'}"
    if model.is_eq12:
        says = f"Eq. 12 with own terms of J0: {', '.join(n for n in study.amplitudes if int(n[1:]) in model.terms)}"
    return Mechanism(model.name if not model.is_eq12 else "Eq. 12, own J0", says, "own", "b1" in study.parameters)


def refuse_one_thickness_for_mechanisms(study: Study) -> None:
    """Refuse a study of one thickness, whatever its lengths: `NotDetermined`.

    Whatever κ is, T = κ J0 of one thickness is the torque of a ballistic junction with other amplitudes:
    a1' + i b1' = κ (a1 + i b1) and a2' + i b2' = κ (a2 + i b2). Only the change of κ with d distinguishes the two.
    """
    if study.n_thicknesses > 1:
        return
    lengths = ", ".join(study.lengths)
    raise NotDetermined(
        f"one thickness ({study.thicknesses[0]:g} nm) cannot tell spin diffusion from asymmetric electrodes: for any "
        f"{lengths} the same torque follows without diffusion from amplitudes a1 + i b1 and a2 + i b2 turned by the "
        "phase of kappa. Only the thickness dependence separates the two: measure devices of more thicknesses. "
        "What this one determines: see mtjfit check"
    )


def signature(
    mechanism: Mechanism,
    thickness: ArrayLike,
    *,
    lengths: Mapping[str, float] = EXAMPLE,
    b1: float = EXAMPLE_B1,
    per: str = "device",
) -> ComplexArray:
    """Slopes dT_par/dV + i dT_perp/dV at zero bias for a1 = 1 against thickness (nm), shape (n,).

    Eq. 12 with the lengths of the mechanism: κ(d)(1 + i b1), over d per volume.
    `lengths` in nm; those that the mechanism fixes are ignored. `b1` is b1/a1 of mechanisms that have it.
    """
    d = np.asarray(thickness, dtype=float)
    at = {**lengths, **mechanism.lengths}
    K = kappa(d, *(at[name] for name in EXAMPLE))
    slope = K * (1 + 1j * b1 if mechanism.b1 else 1.0) / (d if per == "volume" else 1.0)
    return np.broadcast_to(slope, d.shape)


def signature_table(per: str = "device") -> Table:
    """Thickness dependence that each mechanism predicts, from Eq. 12 with the lengths of Fig. 3."""
    rows = []
    for name, mechanism in MECHANISMS.items():
        T = signature(mechanism, _D, per=per)
        for label, values in (("dT_par/dV", T.real), ("dT_perp/dV", T.imag), ("ratio", T.imag / T.real)):
            shown = tuple(number(float(value) + 0.0, 3) for value in values)
            rows.append((name if label == "dT_par/dV" else "", label, *shown, _trend(np.array(_D), values)))
    note = (
        "At zero bias, in units of a1 (ratio: T_perp/T_par); lambda_J = lambda_phi = 1 nm, lambda_sf_F = 10 nm, "
        f"Lambda = 1 nm, and b1 = {EXAMPLE_B1:g} a1 where there is b1. diffusion-bulk can turn the torque only where "
        "lambda_sf_F is not much longer than lambda_phi."
    )
    header = ("mechanism", "slope", *(f"{d:g} nm" for d in _D), "against d")
    return Table(f"What each mechanism predicts, per {per}", header, tuple(rows), note)


def _trend(d: FloatArray, values: FloatArray) -> str:
    """Trend with thickness in a word."""
    for word, each in (("constant", values), ("as 1/d", values * d)):
        if np.ptp(each) <= _SAME * float(np.max(np.abs(each)) or 1.0):
            return "zero" if not np.any(values) else word
    return "changes"
