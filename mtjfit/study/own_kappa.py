"""A κ(d) of one's own: a function of the thickness and of named parameters in place of Eq. 12."""

from __future__ import annotations

import inspect
import keyword
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, fields
from importlib import import_module
from operator import attrgetter
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mtjfit.arrays import ComplexArray, FloatArray
from mtjfit.cards import ShownAsCard
from mtjfit.errors import ConfigError, MtjfitError, Problem
from mtjfit.study.current_term import CurrentTerm, checked_terms, code_identity
from mtjfit.study.kappa_model import EQ12, KappaModel, KappaSlopes
from mtjfit.study.parameter import DOF, JITTER, NOISE, SCATTER, AnyPrior, is_amplitude
from mtjfit.study.prior import Fixed

_OF_EQ12 = ("Lambda", "D_ratio")  # to which rules hold that an own κ need not obey
_TAKEN = (*NOISE, *JITTER, DOF, "thickness", "dead_layer", "d")
# seven nodes: exact for polynomials of degree 6, so that the error is rounding, 1e-16/_STEP
_STEP = 5e-3  # of ln x
_COARSE = 1e-5  # of ln d, where a slope only places nodes
_CENTRAL = (np.array([-3, -2, -1, 1, 2, 3]), np.array([-1, 9, -45, 45, -9, 1]) / 60)
_AHEAD = (np.arange(7), np.array([-147, 360, -450, 400, -225, 72, -10]) / 60)
_BEHIND = (-_AHEAD[0], -_AHEAD[1])


def slope_by_log(function: Callable[[FloatArray], ComplexArray], x: FloatArray) -> ComplexArray:
    """x df/dx of a complex function of positive numbers, by seven nodes within 1.5 % of x.

    `function` gets an axis of nodes in front. Where a node has no finite value, as beyond the end of a range, the nodes
    lie on one side, within 3 %.

    Examples
    --------
    >>> x = np.array([0.5, 2.0])
    >>> bool(np.allclose(slope_by_log(lambda x: np.exp(1j * x), x), 1j * x * np.exp(1j * x), rtol=1e-12))
    True
    """

    def by(nodes: NDArray[Any], weights: NDArray[Any]) -> ComplexArray:
        # e^u − 1 is no multiple of u: the nodes are equidistant in ln x
        at = np.exp(_STEP * nodes).reshape(-1, *[1] * np.ndim(x))
        return np.asarray(np.tensordot(weights, function(np.asarray(at * x)), axes=1) / _STEP)

    with np.errstate(all="ignore"):
        found = by(*_CENTRAL)
        for side in (_AHEAD, _BEHIND):
            if np.all(np.isfinite(found)):
                break
            found = np.where(np.isfinite(found), found, by(*side))
    return found


@dataclass(frozen=True)
class OwnForm:
    """κ(d) of an own model at given parameters, shape (n or 1, n_devices or 1)."""

    model: OwnModel
    values: Mapping[str, FloatArray]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the parameters."""
        return np.broadcast_shapes((1, 1), *(each.shape for each in self.values.values()))

    def at(self, d: FloatArray) -> ComplexArray:
        """κ at thicknesses `d` in nm."""
        return self.model.kappa(d, self.values)

    def at_and_slope(self, d: FloatArray) -> tuple[ComplexArray, ComplexArray]:
        """κ and dκ/dd at thicknesses `d` in nm."""
        above, below = self.at(d * (1 + _COARSE)), self.at(d * (1 - _COARSE))
        return self.at(d), np.asarray((above - below) / (2 * _COARSE * d))

    def along(self, first: FloatArray, spacing: FloatArray, count: int) -> ComplexArray:
        """κ at ``first + spacing * k``, k = 0 … count − 1, on an axis more at the end."""
        d = first[..., None] + spacing[..., None] * np.arange(count)
        return self.model.kappa(d, {name: each[..., None] for name, each in self.values.items()})


@dataclass(frozen=True)
class OwnModel(ShownAsCard, KappaModel):
    """A function κ(d, …) of one's own; made by `own_model`, called like the function that it was made from.

    Attributes
    ----------
    function : callable
        κ for arrays that broadcast: d in nm, and each parameter by its name. Complex, of the shape of all together.
    defaults : mapping of str to prior
        Priors of parameters that a study does not declare.
    units : mapping of str to str
        Units of parameters; empty for those that are not named. Names of Eq. 12 have the units they have there.
    derivatives : callable, optional
        ∂κ/∂x for d and every parameter x, as a mapping by name, from the same arguments. Without it they are central
        differences of seven nodes, right to about 1e-12.
    terms : mapping of int to CurrentTerm
        Terms of J0(V) beside the powers of V, by the digit of their amplitudes, 5 to 9.
    version : str
        Stands in fingerprints in place of the source of the function.
    """

    function: Callable[..., ArrayLike]
    title: str
    defaults: Mapping[str, AnyPrior] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    derivatives: Callable[..., Mapping[str, Any]] | None = None
    terms: Mapping[int, CurrentTerm] = field(default_factory=dict)
    version: str = ""
    vectorised: bool = True

    def __post_init__(self) -> None:
        problems = list(_name_problems(self))
        if problems:
            raise ConfigError(problems)
        object.__setattr__(self, "terms", checked_terms(self.terms))
        _ = self.identity

    def __reduce__(self) -> tuple[Any, ...]:
        # the decorated function cannot be pickled by its name, at which this object stands
        module, path = self.function.__module__, self.function.__qualname__
        if _at(module, path) is self:
            return _at, (module, path)
        values = (getattr(self, each.name) for each in fields(self))
        return type(self), tuple(values)

    def __call__(self, d: ArrayLike, **parameters: ArrayLike) -> ComplexArray:
        """κ at thicknesses d in nm."""
        return np.asarray(self.raw(np.asarray(d, dtype=float), parameters))

    @property
    def name(self) -> str:
        return self.title

    @property
    def law(self) -> str:
        return f"the model {self.title!r}"

    @property
    def parameters(self) -> tuple[str, ...]:
        return tuple(inspect.signature(self.function).parameters)[1:]

    @property
    def slope_error(self) -> float:
        return 0.0 if self.derivatives else 1e-11  # κ may cancel some digits by itself

    @property
    def identity(self) -> str:
        parts = [self.title, code_identity(self.function, self.version)]
        return ", ".join([*parts, *(f"{n}: {term.identity}" for n, term in sorted(self.terms.items()))])

    @property
    def priors(self) -> Mapping[str, AnyPrior]:
        return {**_fixed_by_default(self.function), **self.defaults}

    def unit_of(self, name: str) -> str:
        return self.units.get(name, EQ12.unit_of(name) if name in EQ12.parameters else "")

    def raw(self, d: FloatArray, values: Mapping[str, ArrayLike]) -> Any:
        """What the function returns."""
        function = self.function
        if self.vectorised:
            return function(d, **values)
        names = list(values)
        one_by_one = np.vectorize(lambda d, *each: function(float(d), **dict(zip(names, each, strict=True))),
                                  otypes=[complex])  # fmt: skip
        return one_by_one(d, *values.values())

    def unchecked(self, d: FloatArray, values: Mapping[str, FloatArray]) -> ComplexArray:
        """κ, finite or not, of the shape of all arguments together."""
        with np.errstate(all="ignore"):
            found = np.asarray(self.raw(d, values), dtype=complex)
        shape = np.broadcast_shapes(np.shape(d), *(np.shape(each) for each in values.values()))
        return found if found.shape == shape else np.array(np.broadcast_to(found, shape))

    def kappa(self, d: FloatArray, values: Mapping[str, FloatArray]) -> ComplexArray:
        found = self.unchecked(d, values)
        if not np.all(np.isfinite(found)):
            place = np.unravel_index(int(np.argmin(np.isfinite(found))), found.shape)
            at = {"d": d, **values}
            where = ", ".join(f"{name} = {np.broadcast_to(x, found.shape)[place]:.6g}" for name, x in at.items())
            raise MtjfitError(
                f"κ of the model {self.title!r} is {found[place]} at {where}; write it so that it is finite there, or "
                "bound the priors"
            )
        return found

    def slopes(self, d: FloatArray, values: Mapping[str, FloatArray], wanted: Collection[str]) -> KappaSlopes:
        kappa = self.kappa(d, values)
        if self.derivatives is not None:
            given = self.derivatives(d, **values)
            by_log = {name: np.asarray(given[name] * values[name], dtype=complex) for name in wanted}
            return KappaSlopes(kappa, np.asarray(given["d"], dtype=complex), by_log)
        by_log = {name: self.by_log(name, np.broadcast_to(values[name], kappa.shape), d, values) for name in wanted}
        thick = np.broadcast_to(d, kappa.shape)
        return KappaSlopes(kappa, np.asarray(self.by_log("d", thick, d, values) / thick), by_log)

    def by_log(self, name: str, x: FloatArray, d: FloatArray, values: Mapping[str, FloatArray]) -> ComplexArray:
        """The derivative of κ by the logarithm of a parameter, or of d, at its values `x` of the shape of κ."""
        if name == "d":
            return slope_by_log(lambda nodes: self.unchecked(nodes, values), x)
        return slope_by_log(lambda nodes: self.unchecked(d, {**values, name: nodes}), x)

    def form(self, values: Mapping[str, FloatArray]) -> OwnForm:
        return OwnForm(self, values)


def _at(module: str, path: str) -> Any:
    """What stands at a dotted name of a module; None where there is nothing."""
    try:
        return attrgetter(path)(import_module(module))
    except (AttributeError, ImportError):
        return None


def _fixed_by_default(function: Callable[..., ArrayLike]) -> dict[str, AnyPrior]:
    """Parameters with a default value are fixed at it."""
    arguments = list(inspect.signature(function).parameters.values())[1:]
    return {each.name: Fixed(float(each.default)) for each in arguments if each.default is not inspect.Parameter.empty}


def _name_problems(model: OwnModel) -> Iterator[Problem]:
    where = f"model {model.title!r}"
    if not model.title.strip() or not model.title.isprintable():
        yield Problem(where, "has no printable name", 'give name = "…"')
    try:
        arguments = list(inspect.signature(model.function).parameters.values())
    except (TypeError, ValueError):
        yield Problem(where, "is no function whose arguments have names", "write def kappa(d, name, …): …")
        return
    plain = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    if not arguments or any(each.kind not in plain for each in arguments):
        yield Problem(where, "does not name each of its arguments", "write def kappa(d, name, …), without * and **")
        return
    names = [each.name for each in arguments[1:]]
    if arguments[0].name != "d":
        yield Problem(where, f"has {arguments[0].name!r} for its first argument", "call it d, the thickness in nm")
    for each in arguments[1:]:
        name = each.name
        if name in _OF_EQ12:
            todo = "give it another name, such as Lambda_N or D_FN: rules for Eq. 12 hold for this one"
            yield Problem(f"{where}: {name}", "is a name of Eq. 12", todo)
        elif name in _TAKEN or is_amplitude(name) or name.startswith((SCATTER, "noise", "jitter")):
            yield Problem(f"{where}: {name}", "has another meaning in a study", "give it another name")
        elif keyword.iskeyword(name) or not name.isascii():
            yield Problem(f"{where}: {name}", "is no plain name", "use letters, digits and _ as in lambda_sf_F")
        if each.default is not inspect.Parameter.empty and not isinstance(each.default, int | float):
            yield Problem(f"{where}: {name}", "has a default that is no number", "give a number, or a prior in priors")
    for kind, named in (("priors", model.defaults), ("units", model.units)):
        for name in named:
            if name not in names:
                yield Problem(f"{where}: {kind}", f"names {name!r}, which is no argument", f"use {', '.join(names)}")


def own_model(
    function: Callable[..., ArrayLike] | None = None,
    *,
    name: str = "",
    priors: Mapping[str, AnyPrior] | None = None,
    units: Mapping[str, str] | None = None,
    derivatives: Callable[..., Mapping[str, Any]] | None = None,
    terms: Mapping[int, CurrentTerm] | None = None,
    version: str = "",
    vectorised: bool = True,
) -> Any:
    """Decorate κ(d, name, …) to make it the model of studies: an `OwnModel`.

    The function gets arrays that broadcast, d in nm, and returns κ, complex. Its arguments are parameters, positive
    numbers; a default value fixes one. ``study.with_model(model)`` puts it in place of Eq. 12, and
    ``load_study(path, model=model)`` reads its priors from a study file. With ``vectorised=False`` the function gets
    one number for each argument, which is slow. `version` stands in fingerprints in place of the hash of the source:
    give it, and change it, where the function calls others that may change.

    Raises
    ------
    ConfigError
        Arguments cannot be parameters, terms cannot be used, or the source cannot be read and there is no version.

    Examples
    --------
    >>> from mtjfit.study import LogNormal
    >>> @own_model(priors={"lambda_abs": LogNormal(1.0, 3.0)}, units={"lambda_abs": "nm"}, version="1")
    ... def absorbed(d, lambda_abs, twist=0.2):
    ...     return (1 - np.exp(-d / lambda_abs)) * np.exp(1j * twist)
    >>> absorbed.parameters, absorbed.priors["twist"], f"{complex(absorbed(1.0, lambda_abs=2.0, twist=0.0)):.3f}"
    (('lambda_abs', 'twist'), Fixed(value=0.2), '0.393+0.000j')
    """

    def made(function: Callable[..., ArrayLike]) -> OwnModel:
        title = name or getattr(function, "__name__", "")
        return OwnModel(
            function, title, dict(priors or {}), dict(units or {}), derivatives, dict(terms or {}), version, vectorised
        )

    return made if function is None else made(function)
