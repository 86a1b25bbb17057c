"""A study before there are data: parameters with priors, and measurements that might be made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from mtjfit.data.units import check_unit, find_unit
from mtjfit.errors import ConfigError, Problem
from mtjfit.study.checks import parameter_problems
from mtjfit.study.load import _Findings, _name, _parameters, _parse, _placeholders, _raise, _sampling, load_study
from mtjfit.study.parameter import Parameter, amplitudes_of, unit_of
from mtjfit.study.schema import ProposalDocument, validated
from mtjfit.study.study import Sampling, Study
from mtjfit.study.wishes import Wishes, wishes_from

__all__ = ["Proposal", "load_plan", "wish_problems"]

_NEEDED = {
    "thickness": "give candidates, such as thickness = { low = 0.6, high = 5.0, step = 0.1 } in nm",
    "bias": "give the sweep, such as bias = { low = -0.5, high = 0.5, n = 21 } in V",
    "noise": 'give the standard error of a point: a number in the unit of the torque, or such as "2 %" of the signal',
    "quantity": "write torque or torkance",
    "per": "write device, area or volume",
}


def wish_problems(wishes: Wishes) -> Iterator[Problem]:
    """What is missing for a plan without data, and units that cannot be.

    Examples
    --------
    >>> print(next(wish_problems(Wishes((1.0, 2.0)))))
    plan.bias: is missing; give the sweep, such as bias = { low = -0.5, high = 0.5, n = 21 } in V
    """
    for key, todo in _NEEDED.items():
        if not getattr(wishes, key):
            yield Problem(f"plan.{key}", "is missing", todo)
    if wishes.unit and wishes.quantity and wishes.per:
        problem = check_unit(wishes.unit, wishes.quantity, wishes.per)
        if problem is not None:
            yield Problem("plan.unit", problem.what, problem.todo)


@dataclass(frozen=True, eq=False)
class Proposal:
    """Parameters with priors and measurements that might be made: a study before there are data.

    Attributes
    ----------
    name : str
    parameters : mapping of str to Parameter
    wishes : Wishes
        With thicknesses, bias, noise, quantity and normalisation, because no data say them.
    sampling : Sampling
        For its seed.
    text : str
        The file this came from, or empty.

    Raises
    ------
    ConfigError
        A parameter is missing, unknown or impossible, or a wish is missing. All problems at once.

    Examples
    --------
    >>> from mtjfit.study import Fixed, LogUniform, Noise, Normal, grid
    >>> lengths = dict.fromkeys(("lambda_J", "lambda_phi", "lambda_sf_F", "Lambda"), LogUniform(0.3, 30.0))
    >>> priors = lengths | {"a1": Normal(0.13, 0.02)}
    >>> parameters = {name: Parameter(name, prior) for name, prior in priors.items()}
    >>> parameters["thickness"] = Parameter("thickness", Fixed(0.0), scope="device")
    >>> wishes = Wishes(grid(0.6, 5.0, 0.1), 5, bias=(-0.5, 0.5, 21), noise=Noise.of("2 %"), quantity="torkance",
    ...                 per="device")
    >>> Proposal("five devices", parameters, wishes).unit
    'arb'
    """

    name: str
    parameters: Mapping[str, Parameter]
    wishes: Wishes
    sampling: Sampling = field(default_factory=Sampling)
    text: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameters", MappingProxyType(dict(self.parameters)))
        problems = [*parameter_problems(self.parameters), *wish_problems(self.wishes)]
        if problems:
            raise ConfigError(problems)

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.name, dict(self.parameters), self.wishes, self.sampling, self.text)

    @property
    def unit(self) -> str:
        """Unit of the torque or torkance that would be measured."""
        return find_unit(self.wishes.unit or "arb").name

    @property
    def label(self) -> str:
        """Mark for plots and tables: none, because there are no data that could be mistaken for measured ones."""
        return ""

    @property
    def amplitudes(self) -> tuple[str, ...]:
        """Declared coefficients of J0(V), such as ``("a1", "b2")``."""
        return amplitudes_of(self.parameters)

    def unit_of(self, name: str) -> str:
        """Unit of a parameter."""
        return unit_of(name, self.unit, self.wishes.quantity or "torque", self.wishes.per or "device")


def load_plan(path: str | Path) -> tuple[Study | Proposal, Wishes]:
    """Read a study file for planning: a `Study` where it names data, else a `Proposal`.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    study : Study or Proposal
    wishes : Wishes
        What ``[plan]`` says; the defaults where a study has none.

    Raises
    ------
    ConfigError, DataError
        As `load_study`; a file without data needs ``[plan]`` with all that data would say.

    Examples
    --------
    >>> from mtjfit.data import dataset
    >>> study, wishes = load_plan(dataset("thickness-series").study_file)
    >>> len(study.curves), wishes.target
    (5, 'everything')
    """
    path = Path(path)
    text, raw = _parse(path)
    if "data" in raw or "plan" not in raw:
        wishes = wishes_from(raw.get("plan", {}))
        study = load_study(path)
        assert isinstance(wishes, Wishes)  # noqa: S101 - a study with another [plan] does not load
        return study, wishes
    found = _Findings()
    found.config += _placeholders(raw)
    outline = validated(ProposalDocument, raw, "")
    found.config += outline if isinstance(outline, list) else []
    name = _name(raw.get("study"), found)
    sampling = _sampling(raw.get("sampling", {}), found)
    parameters, broken = _parameters(raw.get("parameters"), found)
    wishes = wishes_from(raw["plan"])
    found.config += parameter_problems(parameters, broken) if parameters is not None else []
    found.config += wishes if isinstance(wishes, list) else wish_problems(wishes)
    _raise(found, path.name)
    assert isinstance(wishes, Wishes)  # noqa: S101 - anything else is a problem
    return Proposal(name, parameters or {}, wishes, sampling, text), wishes
