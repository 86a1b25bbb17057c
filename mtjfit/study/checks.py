"""Contradictions among curves and parameters of a study, each with its place and the remedy."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice
from typing import get_args

import numpy as np

from mtjfit.data.curve import TorqueCurve
from mtjfit.data.curve_checks import LARGEST
from mtjfit.data.units import conversion
from mtjfit.errors import Problem, did_you_mean
from mtjfit.study.correlation_checks import correlation_problems
from mtjfit.study.kappa_model import EQ12, KappaModel
from mtjfit.study.model_checks import own_model_problems
from mtjfit.study.normal_priors import AboutNominal, Normal
from mtjfit.study.parameter import DOF, JITTER, LENGTHS, NOISE, SCATTER, Parameter, Scope, amplitudes_of, is_amplitude
from mtjfit.study.prior import EDGE, Fixed, Prior
from mtjfit.study.tie_checks import bound, tie_problems
from mtjfit.study.ties import EqualTo
from mtjfit.text import some

_AMPLITUDES = amplitudes_of(f"{part}{power}" for part in "ab" for power in range(5))
_SCATTERS = tuple(f"{SCATTER}{name}" for name in _AMPLITUDES)
KNOWN = (*LENGTHS, "thickness", *_AMPLITUDES, *_SCATTERS, *NOISE, *JITTER, DOF)
"""Every parameter that may be declared with Eq. 12, in the order of tables."""
_COMPONENTS = "T_par", "T_perp"
_TWICE = (
    "name a file once; one device at several temperatures or in several sweeps: give each curve its condition; several "
    "devices: give each its own name"
)
_MOST_UNKNOWN = 1000  # names that are looked at: advice for each takes a millisecond
_MOST_CURVES = 2_000  # the derivatives by their thicknesses take half a gigabyte
_FIX = "fix the parameter: fixed = …, or fixed = true for thicknesses"
_NARROWEST = 1e-13  # of the value, or nm of a thickness: what lmfit does not tell apart
_MAY_BE_ZERO = ("lambda_sf_N", "D_ratio", "Lambda", "dead_layer")


def known_names(model: KappaModel) -> tuple[str, ...]:
    """Every parameter that may be declared with a model of κ, in the order of tables."""
    own = amplitudes_of(f"{part}{digit}" for digit in model.terms for part in "ab")
    scatters = (f"{SCATTER}{name}" for name in own)
    others = (name for name in KNOWN if name not in LENGTHS)
    return (*model.parameters, "dead_layer", *others, *own, *scatters)


def study_problems(
    curves: Sequence[TorqueCurve], parameters: Mapping[str, Parameter], model: KappaModel = EQ12
) -> list[Problem]:
    """Everything that keeps curves and parameters from being a study; none if all is well.

    `where` is a key path such as ``parameters.lambda_J``, or names a device.

    Examples
    --------
    >>> print(*[f"{problem.where} {problem.what}" for problem in study_problems([], {})][:4], sep="\\n")
    data there is no curve
    parameters.lambda_J is missing
    parameters.lambda_phi is missing
    parameters.lambda_sf_F is missing
    """
    found = [*curve_problems(curves), *parameter_problems(parameters, (), model), *joint_problems(curves, parameters)]
    return found or list(own_model_problems(model, curves, parameters))


def name_problems(name: str) -> Iterator[Problem]:
    """The problem of a name that no page could show."""
    if not name.strip() or not name.isprintable():
        yield Problem("study.name", f"is {name!r}", "give the study a printable name")


def curve_problems(curves: Sequence[TorqueCurve]) -> Iterator[Problem]:
    """Problems of the curves as a set: names, units, normalisations, angles."""
    if not curves:
        yield Problem("data", "there is no curve", "give at least one device")
        return
    if len(curves) > _MOST_CURVES:
        what = f"hold {len(curves)} devices; a study takes at most {_MOST_CURVES}"
        yield Problem("data", what, "reduce them with mtjfit batch, or make a study of some of them")
    yield from _name_problems(curves)
    yield from _thickness_problems(curves)
    first = curves[0]
    for curve in curves[1:]:
        where = f"device {curve.name!r}"
        if curve.per != first.per:
            what = f'per = "{curve.per}", but device {first.name!r} has per = "{first.per}"'
            yield Problem(where, what, "their amplitudes are different quantities; make two studies and compare them")
            continue
        try:
            conversion(curve.unit, first.unit)
        except ValueError as error:
            todo = "give all curves of a study in units of one kind, or make two studies"
            yield Problem(where, f"{error}, the unit of device {first.name!r}", todo)
    # A shared a1 would be two quantities where some curves have amplitudes per sin θ and some have not.
    known = [curve for curve in curves if curve.sin_theta is not None]
    for curve in curves:
        if known and curve.sin_theta is None:
            what = f'sin_theta is not declared, but device {known[0].name!r} has sin_theta = "{known[0].sin_theta}"'
            todo = "their amplitudes are different quantities; declare angle and sin_theta for all data, or for none"
            yield Problem(f"device {curve.name!r}", what, todo)


def _name_problems(curves: Sequence[TorqueCurve]) -> Iterator[Problem]:
    """One problem for all names that occur more than once."""
    repeated = [name for name, count in Counter(curve.name for curve in curves).items() if count > 1]
    if repeated:
        mine = [curve for curve in curves if curve.name == repeated[0]]
        sources = ", ".join(dict.fromkeys(curve.source or "memory" for curve in mine))
        more = f", and as many as that or more of {some([repr(each) for each in repeated[1:]])}" if repeated[1:] else ""
        yield Problem(f"device {repeated[0]!r}", f"there are {len(mine)} curves of this name ({sources}){more}", _TWICE)


def _thickness_problems(curves: Sequence[TorqueCurve]) -> Iterator[Problem]:
    """Curves of one device that are declared to be of different thicknesses."""
    first: dict[str, TorqueCurve] = {}
    for curve in curves:
        other = first.setdefault(curve.device, curve)
        if curve.thickness != other.thickness:
            what = f"has thickness = {curve.thickness:g} nm, but {other.name!r} has {other.thickness:g} nm"
            todo = "curves of one device share its thickness: give the same for all, or name them as two devices"
            yield Problem(f"device {curve.name!r}", what, todo)


def parameter_problems(
    parameters: Mapping[str, Parameter], broken: Collection[str] = (), model: KappaModel = EQ12
) -> Iterator[Problem]:
    """Problems of the parameters, whatever the data are.

    Names in `broken` were declared but could not be understood; they do not count as missing.
    """
    parameters = bound(parameters)
    names = known_names(model)
    unknown = (key for key in (*parameters, *broken) if key not in names)
    for key in islice(unknown, _MOST_UNKNOWN):
        yield Problem(f"parameters.{key}", "is no parameter", did_you_mean(key, names))
    for key, parameter in parameters.items():
        where = f"parameters.{key}"
        if key not in names:
            continue
        if parameter.name != key:
            yield Problem(where, f"holds the parameter {parameter.name!r}", "use the name of the parameter as the key")
            continue
        if isinstance(parameter.prior, EqualTo):
            if parameter.value is not None and key in LENGTHS:
                yield from _fixed_problems(key, parameter.value, where)
            continue
        yield from _prior_problems(parameter, where)
        yield from _size_problems(parameter, where)
        yield from _width_problems(parameter, where)
        yield from _scope_problems(parameter, where)
    yield from tie_problems(parameters, broken)
    yield from correlation_problems(parameters, broken, model)
    yield from _bounded_problems(parameters)
    yield from _scatter_problems(parameters, broken)
    yield from _missing({*parameters, *broken}, model)
    yield from _no_torque(parameters)


def _prior_problems(parameter: Parameter, where: str) -> Iterator[Problem]:
    name, prior = parameter.name, parameter.prior
    if name == "thickness":
        if isinstance(prior, Fixed) and prior.value != 0:
            todo = ("thicknesses come with the data; fix them as Fixed(0.0) in Python, fixed = true in a file, "
                    "which takes the nominal values as exact")  # fmt: skip
            yield Problem(where, f"is fixed at {prior.value:g}", todo)
        elif not isinstance(prior, Fixed | AboutNominal):
            todo = "use a normal about each device's nominal value (sd), or fix it"
            yield Problem(where, f"has the prior {prior.describe()}", todo)
    elif isinstance(prior, AboutNominal):
        yield Problem(where, "has a prior about a nominal value, which only the thickness has", "use another prior")
    elif is_amplitude(name):
        if isinstance(prior, Fixed) and not math.isfinite(prior.value):
            yield Problem(where, f"is fixed at {prior.value:g}", "give a finite number")
        elif not isinstance(prior, Fixed | Normal):
            yield Problem(where, f"has the prior {prior.describe()}", "amplitudes take a normal prior, or are fixed")
    elif name == DOF and not prior.support[0] >= 1:
        yield Problem(where, "may be below 1", "fix it at 1 or more, or use a prior with low = 1.0 or larger")
    elif isinstance(prior, Fixed):
        yield from _fixed_problems(name, prior.value, where)
    elif prior.support[0] < 0:
        todo = (
            "set low = 0.0 or larger"
            if not isinstance(prior, Prior) or prior.plain
            else "take one of positive numbers, or set loc"
        )
        yield Problem(where, f"its prior ({prior.describe()}) allows negative values", todo)


def _size_problems(parameter: Parameter, where: str) -> Iterator[Problem]:
    """A prior that holds, or reaches within eight standard deviations, what no computer can square."""
    prior = parameter.prior
    numbers = [abs(each) for each in vars(prior).values() if isinstance(each, float) and math.isfinite(each) and each]
    with np.errstate(all="ignore"):
        ends = (
            []
            if isinstance(prior, Fixed | AboutNominal | EqualTo)
            else np.abs(prior.at_score(np.array([-EDGE, EDGE]))).tolist()
        )
    far = ends if isinstance(prior, Prior) and prior.is_log else [each for each in ends if each > 1]
    for size in (*numbers, *far):
        if not 1 / LARGEST <= size <= LARGEST:
            what = f"its prior ({prior.describe()}) reaches {size:g} in size"
            yield Problem(where, what, f"keep it between {1 / LARGEST:g} and {LARGEST:g}")
            return


def _width_problems(parameter: Parameter, where: str) -> Iterator[Problem]:
    """A prior so narrow that numbers of a computer do not tell its ends apart."""
    prior = parameter.prior
    if isinstance(prior, Fixed | EqualTo):
        return
    if isinstance(prior, AboutNominal):
        width, size = prior.sd, 1.0
    else:
        with np.errstate(all="ignore"):
            low, high = prior.at_score(np.array([-1.0, 1.0])).tolist()
        width, size = high - low, max(abs(low), abs(high))
    if width < _NARROWEST * size:
        yield Problem(where, f"its prior ({prior.describe()}) is too narrow to be told from one value", _FIX)


def _bounded_problems(parameters: Mapping[str, Parameter]) -> Iterator[Problem]:
    """More than one bounded amplitude in each device: their integral has no closed form."""
    own = {name: each.free_prior for name, each in parameters.items() if is_amplitude(name) and each.is_own}
    bounded = [name for name, prior in own.items() if prior is not None and prior.truncated]
    for name in bounded[1:]:
        what = f"has low or high, and so has {bounded[0]}, both of every device"
        yield Problem(f"parameters.{name}", what, "remove the bounds of all but one of them")


def _scatter_problems(parameters: Mapping[str, Parameter], broken: Collection[str]) -> Iterator[Problem]:
    """Scatter between devices of an amplitude that is not one for all of them."""
    for name, scatter in parameters.items():
        where, of = f"parameters.{name}", name.removeprefix(SCATTER)
        if not (name.startswith(SCATTER) and is_amplitude(of)) or of in broken:
            continue
        if of not in parameters:
            yield Problem(where, f"is declared without {of}", f"declare {of}, or remove it")
        elif parameters[of].is_own:
            todo = f"remove it, or share {of} between devices"
            yield Problem(where, f"is declared, but every {parameters[of].scope} has its own {of}", todo)
        if scatter.is_own:
            yield Problem(where, f"has the scope {scatter.scope!r}", "share it, or let every group have its own")
        if DOF in parameters:
            yield Problem(where, f"is declared beside {DOF}", "keep one: scatter of devices, or Student-t errors")


def _fixed_problems(name: str, value: float, where: str) -> Iterator[Problem]:
    lowest = "zero or positive" if name in _MAY_BE_ZERO else "positive"
    if math.isnan(value) or value < 0 or (value == 0 and name not in _MAY_BE_ZERO):
        yield Problem(where, f"is fixed at {value:g}", f"give a {lowest} value")
    elif math.isinf(value) and (name.startswith(SCATTER) or name in ("D_ratio", "dead_layer", *NOISE, *JITTER, DOF)):
        yield Problem(where, f"is fixed at {value:g}", "give a finite value; only lengths may be infinite")


def _scope_problems(parameter: Parameter, where: str) -> Iterator[Problem]:
    if parameter.scope not in get_args(Scope):
        choices = ", ".join(repr(scope) for scope in get_args(Scope))
        yield Problem(where, f"has the scope {parameter.scope!r}", f"use one of {choices}")
    elif parameter.name == "thickness" and parameter.scope != "device":
        yield Problem(where, f"has the scope {parameter.scope!r}", 'every device has its own: set scope = "device"')


def _missing(names: Collection[str], model: KappaModel) -> Iterator[Problem]:
    prior = '{ prior = "loguniform", low = 0.1, high = 100.0 }'
    for name in ("lambda_J", "lambda_phi", "lambda_sf_F") if model.is_eq12 else model.parameters:
        if name not in names:
            yield Problem(f"parameters.{name}", "is missing", f"declare it, for example {name} = {prior}")
    if "thickness" not in names:
        todo = 'declare it: { fixed = true } or { prior = "normal", sd = 0.1 }'
        yield Problem("parameters.thickness", "is missing", todo)
    yield from _missing_behind(names, prior) if model.is_eq12 else ()
    if not any(is_amplitude(name) for name in names):
        todo = 'declare at least a1 = { prior = "normal", mean = 0.0, sd = … }'
        yield Problem("parameters", "there is no amplitude", todo)


def _missing_behind(names: Collection[str], prior: str) -> Iterator[Problem]:
    """What Eq. 12 needs of the metal behind the free layer."""
    parts = [name for name in ("lambda_sf_N", "D_ratio") if name in names]
    if "Lambda" in names:
        if parts:
            todo = "Lambda = D_ratio·lambda_sf_N: declare either Lambda, or the two"
            yield Problem("parameters.Lambda", f"is declared beside {' and '.join(parts)}", todo)
    elif not parts:
        todo = f"declare either Lambda = {prior}, or the two"
        yield Problem("parameters.Lambda", "is missing, and so are lambda_sf_N and D_ratio", todo)
    elif parts == ["lambda_sf_N"]:
        yield Problem("parameters.D_ratio", "is missing beside lambda_sf_N", "declare D_ratio = { fixed = 1.0 }")
    elif parts == ["D_ratio"]:
        yield Problem("parameters.lambda_sf_N", "is missing beside D_ratio", f"declare lambda_sf_N = {prior}")


def _no_torque(parameters: Mapping[str, Parameter]) -> Iterator[Problem]:
    fixed = {name: parameter.value for name, parameter in parameters.items()}
    if fixed.get("lambda_J") == fixed.get("lambda_phi") == math.inf:
        what = "and lambda_J are both fixed at inf: the torque vanishes for any data"
        yield Problem("parameters.lambda_phi", what, "let one of them be finite")
    if {fixed.get("lambda_sf_N"), fixed.get("D_ratio")} == {0.0, math.inf}:
        what = "is inf while D_ratio is 0: their product is undefined"
        yield Problem("parameters.lambda_sf_N", what, "declare Lambda instead")
    amplitudes = amplitudes_of(parameters)
    if amplitudes and all(fixed[name] == 0 for name in amplitudes):
        what = "every amplitude is fixed at 0: the torque vanishes for any data"
        yield Problem(f"parameters.{amplitudes[0]}", what, "give at least one a prior")


def joint_problems(curves: Sequence[TorqueCurve], parameters: Mapping[str, Parameter]) -> Iterator[Problem]:
    """Problems of parameters and data together: one needs what the other does not have."""
    if not curves:
        return
    parameters = bound(parameters)
    fitted = [curve.name for curve in curves if curve.sigma_is_fitted]
    for c, name in enumerate(NOISE):
        measured = any(curve.used_values[c].any() for curve in curves)
        if name in parameters and not measured:
            yield Problem(f"parameters.{name}", f"is declared, but {_COMPONENTS[c]} was measured nowhere", "remove it")
        elif fitted and name not in parameters and measured:
            what = f"is missing: the errors of device {fitted[0]!r} are to be fitted"
            todo = f'declare {name} = {{ prior = "lognormal", median = …, factor = 3.0 }}'
            yield Problem(f"parameters.{name}", what, todo)
        elif name in parameters and not fitted:
            todo = 'remove it, or set sigma = "fit" for the data'
            yield Problem(f"parameters.{name}", "is declared, but every curve has errors", todo)
    alone = [curve.name for curve in curves if not curve.group]
    for key, parameter in parameters.items():
        if parameter.scope == "group" and alone:
            what = f'has scope = "group", but device {alone[0]!r} has no group'
            yield Problem(f"parameters.{key}", what, "name the group of every device in the data")
    device = next((name for name, count in Counter(curve.device for curve in curves).items() if count > 1), None)
    for key in (key for key in parameters if key.startswith(SCATTER) and device is not None):
        todo = f'remove it, and give {key.removeprefix(SCATTER)} the scope "device" or "curve", or share it'
        yield Problem(f"parameters.{key}", f"is between devices, but device {device!r} has several curves", todo)
    yield from _dead_problems(curves, parameters)
    yield from _noise_problems(curves, parameters)
    if "b0" in parameters and all(curve.quantity == "torkance" for curve in curves):
        yield Problem("parameters.b0", "a torkance does not contain b0", "remove it")


def _dead_problems(curves: Sequence[TorqueCurve], parameters: Mapping[str, Parameter]) -> Iterator[Problem]:
    """A dead layer that may be as thick as the thinnest device: nothing magnetic would be left of it."""
    if "dead_layer" not in parameters:
        return
    highest = parameters["dead_layer"].prior.support[1]
    thinnest = min(curves, key=lambda curve: curve.thickness)
    if highest >= thinnest.thickness:
        what = f"may be {highest:g} nm, but device {thinnest.name!r} is no thicker than {thinnest.thickness:g} nm"
        yield Problem("parameters.dead_layer", what, "use a prior with an upper bound below that")


def _noise_problems(curves: Sequence[TorqueCurve], parameters: Mapping[str, Parameter]) -> Iterator[Problem]:
    """Noise models that the errors of the data do not allow, or that exclude each other."""
    for c, name in enumerate(JITTER):
        where = f"parameters.{name}"
        if name not in parameters:
            continue
        if not any(curve.used_values[c].any() for curve in curves):
            yield Problem(where, f"is declared, but {_COMPONENTS[c]} was measured nowhere", "remove it")
        if DOF in parameters:
            yield Problem(where, f"is declared beside {DOF}", "keep one: jitter, or Student-t errors")
        for curve in curves:
            if curve.sigma_is_fitted:
                what = f"adds to known errors, but those of device {curve.name!r} are to be fitted"
                yield Problem(where, what, "remove it: the fitted scale holds all noise")
            elif curve.covariance is not None:
                what = f"cannot be added to the covariance of device {curve.name!r}"
                yield Problem(where, what, "remove it, or give sigma and rho instead of the covariance")
    for curve in curves:
        if DOF in parameters and curve.is_correlated:
            what = f"needs independent errors, but device {curve.name!r} has rho, a covariance or sigma_bias"
            yield Problem(f"parameters.{DOF}", what, "remove one of the two")
