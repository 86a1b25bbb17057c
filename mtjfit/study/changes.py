"""Changes of a study: curves by name, thickness, group or condition, other parameters; unknown names are refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from numbers import Real

from mtjfit.data.curve import TorqueCurve
from mtjfit.errors import ConfigError, Problem, did_you_mean
from mtjfit.study.given import given_parameters
from mtjfit.study.parameter import Parameter

_NEAR = 1e-6  # nm, within which two thicknesses are one


def remaining(curves: Sequence[TorqueCurve], names: Iterable[object]) -> tuple[TorqueCurve, ...]:
    """The curves without those of the named devices, and without the named curves; ConfigError for unknown names."""
    names = [*names]
    known = _names(curves)
    problems = [*_unknown("without", names, known, "device")]
    if problems:
        raise ConfigError(problems)
    return tuple(curve for curve in curves if not {curve.device, curve.name} & set(map(str, names)))


def selected(
    curves: Sequence[TorqueCurve], devices: object, thickness: object, group: object, condition: object
) -> tuple[TorqueCurve, ...]:
    """The curves that fit everything that is not None; ConfigError for unknown names, and where none fits."""
    problems: list[Problem] = []
    kept = [*curves]
    for role, wanted in (("devices", devices), ("group", group), ("condition", condition)):
        if wanted is None:
            continue
        names = [*wanted] if isinstance(wanted, Iterable) and not isinstance(wanted, str) else [wanted]
        known = _names(curves) if role == "devices" else list(dict.fromkeys(getattr(each, role) for each in curves))
        problems += _unknown(role, names, known, role.removesuffix("s"))
        kept = [each for each in kept if {*_names([each])} & {*names}] if role == "devices" else [
            each for each in kept if getattr(each, role) in names]  # fmt: skip
    if thickness is not None:
        ends = _interval(thickness)
        if ends is None:
            problems.append(Problem("thickness", f"is {thickness!r}", "give (low, high) in nm, ends included"))
        else:
            kept = [each for each in kept if ends[0] - _NEAR <= each.thickness <= ends[1] + _NEAR]
    if not problems and not kept:
        thicknesses = ", ".join(f"{each:g}" for each in sorted({curve.thickness for curve in curves}))
        todo = f"ask for less at once; the thicknesses are {thicknesses} nm"
        problems.append(Problem("select", "leaves no curve", todo))
    if problems:
        raise ConfigError(problems)
    return tuple(kept)


def _names(curves: Sequence[TorqueCurve]) -> list[str]:
    return list(dict.fromkeys(name for curve in curves for name in (curve.device, curve.name)))


def _unknown(where: str, names: Iterable[object], known: Sequence[str], kind: str) -> Iterable[Problem]:
    for name in names:
        if not isinstance(name, str):
            yield Problem(where, f"{name!r} is no name", "give texts, such as 'A1'")
        elif name not in known:
            known_names = [each or "''" for each in known]
            yield Problem(where, f"no curve is of the {kind} {name!r}", did_you_mean(name, known_names))


def _interval(ends: object) -> tuple[float, float] | None:
    pair = ends if isinstance(ends, Sequence) and not isinstance(ends, str) else ()
    if len(pair) != 2 or not all(isinstance(end, Real) and not isinstance(end, bool) for end in pair):
        return None
    low, high = map(float, pair)
    return (low, high) if low <= high else None


def changed_parameters(parameters: Mapping[str, Parameter], changes: Mapping[str, object]) -> dict[str, object]:
    """Parameters with others in place of some, and without those that are None; what is none is left to the study."""
    unknown = [name for name, value in changes.items() if value is None and name not in parameters]
    if unknown:
        raise ConfigError(Problem(f"parameters.{name}", "is not declared, so it cannot be taken out",
                                  did_you_mean(name, parameters)) for name in unknown)  # fmt: skip
    made = given_parameters(changes, parameters).parameters
    merged = {**parameters, **changes, **made}
    return {name: value for name, value in merged.items() if value is not None}
