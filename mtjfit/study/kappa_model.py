"""κ(d) of a study: Eq. 12, or a model of one's own (`mtjfit.study.own_kappa`), behind the same few methods."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from mtjfit.arrays import ComplexArray, FloatArray
from mtjfit.physics.derivatives import ExponentialForm, kappa_gradient
from mtjfit.physics.diffusion import kappa_from_rates, wave_numbers
from mtjfit.study.parameter import LENGTHS, AnyPrior

if TYPE_CHECKING:
    from mtjfit.study.current_term import CurrentTerm

_OF_LAYER = ("lambda_J", "lambda_phi", "lambda_sf_F")


class Form(Protocol):
    """κ(d) for given parameters, at many thicknesses."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the parameters, (n or 1, n_devices or 1)."""
        ...

    def at(self, d: FloatArray) -> ComplexArray:
        """κ at thicknesses `d` in nm."""
        ...

    def at_and_slope(self, d: FloatArray) -> tuple[ComplexArray, ComplexArray]:
        """κ and dκ/dd at thicknesses `d` in nm."""
        ...

    def along(self, first: FloatArray, spacing: FloatArray, count: int) -> ComplexArray:
        """κ at ``first + spacing * k``, k = 0 … count − 1, on an axis more at the end."""
        ...


@dataclass(frozen=True)
class KappaSlopes:
    """κ, dκ/dd in nm⁻¹, and the derivatives of κ by the logarithm of each parameter."""

    kappa: ComplexArray
    d: ComplexArray
    by_log: Mapping[str, ComplexArray]


class KappaModel(ABC):
    """κ of the free layer as a function of its thickness and of named parameters.

    Methods take thicknesses in nm and parameters by name, arrays that broadcast against each other.
    """

    terms: Mapping[int, CurrentTerm]
    """Terms of J0(V) beside the powers of V, by the digit of their amplitudes."""

    @property
    @abstractmethod
    def name(self) -> str:
        """How reports call it."""

    @property
    def law(self) -> str:
        """How a sentence calls it."""
        return self.name

    @property
    @abstractmethod
    def parameters(self) -> tuple[str, ...]:
        """Names of all parameters of κ, in the order of tables; without ``dead_layer``, which every model may have."""

    @property
    def is_eq12(self) -> bool:
        """True where κ is Eq. 12, so that everything that is known of that formula applies."""
        return False

    @property
    def slope_error(self) -> float:
        """Error of `slopes` over κ; 0 where they are exact but for the rounding of each."""
        return 0.0

    @property
    @abstractmethod
    def identity(self) -> str:
        """What a fingerprint holds of it; empty for Eq. 12 with powers of V alone."""

    @property
    def priors(self) -> Mapping[str, AnyPrior]:
        """Priors of the parameters of κ that a study need not declare."""
        return {}

    @abstractmethod
    def unit_of(self, name: str) -> str:
        """Unit of a parameter of κ."""

    @abstractmethod
    def kappa(self, d: FloatArray, values: Mapping[str, FloatArray]) -> ComplexArray:
        """κ(d)."""

    @abstractmethod
    def slopes(self, d: FloatArray, values: Mapping[str, FloatArray], wanted: Collection[str]) -> KappaSlopes:
        """κ and its derivatives by d and by the logarithms of the `wanted` parameters."""

    @abstractmethod
    def form(self, values: Mapping[str, FloatArray]) -> Form:
        """κ(d) for parameters of shape (n or 1, n_devices or 1)."""


@dataclass(frozen=True)
class Eq12(KappaModel):
    """Eq. 12 of Manchon et al., PRB 86, 060404(R) (2012)."""

    terms: Mapping[int, CurrentTerm] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return "Eq. 12"

    @property
    def parameters(self) -> tuple[str, ...]:
        return tuple(name for name in LENGTHS if name != "dead_layer")

    @property
    def is_eq12(self) -> bool:
        return True

    @property
    def identity(self) -> str:
        return ", ".join(f"{n}: {term.identity}" for n, term in sorted(self.terms.items()))

    def unit_of(self, name: str) -> str:
        return "" if name == "D_ratio" else "nm"

    def with_terms(self, terms: Mapping[int, CurrentTerm]) -> Eq12:
        """Eq. 12 with further terms of J0(V), by the digit of their amplitudes, 5 to 9."""
        from mtjfit.study.current_term import checked_terms

        return Eq12(checked_terms(terms))

    def kappa(self, d: FloatArray, values: Mapping[str, FloatArray]) -> ComplexArray:
        return kappa_from_rates(d, *wave_numbers(*(values[name] for name in _OF_LAYER)), _Lambda(values))

    def slopes(self, d: FloatArray, values: Mapping[str, FloatArray], wanted: Collection[str]) -> KappaSlopes:
        J, phi, sf = (values[name] for name in _OF_LAYER)
        found = kappa_gradient(d, J, phi, sf, _Lambda(values))
        by_log = {name: getattr(found, f"ln_{name}") for name in (*_OF_LAYER, "Lambda")}
        by_log |= dict.fromkeys(("lambda_sf_N", "D_ratio"), found.ln_Lambda)
        return KappaSlopes(found.kappa, found.d, by_log)

    def form(self, values: Mapping[str, FloatArray]) -> ExponentialForm:
        return ExponentialForm.of(*wave_numbers(*(values[name] for name in _OF_LAYER)), _Lambda(values))


def _Lambda(values: Mapping[str, FloatArray]) -> FloatArray:
    """Λ = D_ratio λ_sf^N in nm, whichever way it was declared."""
    return values["Lambda"] if "Lambda" in values else values["lambda_sf_N"] * values["D_ratio"]


EQ12 = Eq12()
"""The model of every study that names no other."""
