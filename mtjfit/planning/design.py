"""A study without data: parameters with priors, and possible measurements."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from mtjfit.cards import ShownAsCard
from mtjfit.data.units import check_unit, find_unit
from mtjfit.errors import ConfigError, Problem
from mtjfit.study.checks import parameter_problems
from mtjfit.study.load import declared_name, declared_parameters, load_study
from mtjfit.study.parameter import Parameter, parameter_unit
from mtjfit.study.plan_request import PlanRequest, plan_request_from
from mtjfit.study.sampling_settings import Sampling
from mtjfit.study.schema import ProposalDocument, validated_table
from mtjfit.study.study import Study
from mtjfit.study.tie_checks import bound
from mtjfit.toml import CollectedProblems, placeholders, read_toml

_NEEDED = {
    "thickness": "give candidates, such as thickness = { low = 0.6, high = 5.0, step = 0.1 } in nm",
    "bias": "give the sweep, such as bias = { low = -0.5, high = 0.5, n = 21 } in V",
    "noise": 'give the standard error of a point: a number in the unit of the torque, or such as "2 %" of the signal',
    "quantity": "write torque or torkance",
    "per": "write device, area or volume",
}


def request_problems(request: PlanRequest) -> Iterator[Problem]:
    """Gaps of a request without data, and units that do not fit."""
    for key, todo in _NEEDED.items():
        if not getattr(request, key):
            yield Problem(f"plan.{key}", "is missing", todo)
    if request.unit and request.quantity and request.per:
        problem = check_unit(request.unit, request.quantity, request.per)
        if problem is not None:
            yield Problem("plan.unit", problem.what, problem.todo)


@dataclass(frozen=True, eq=False)
class Design(ShownAsCard):
    """A study without data: parameters with priors, and possible measurements.

    Attributes
    ----------
    request : PlanRequest
        With thicknesses, bias, noise, quantity and normalisation.
    text : str
        The file this came from, or empty.

    Raises
    ------
    ConfigError
        A parameter is missing, unknown or impossible, or the request lacks something. All problems at once.

    Examples
    --------
    >>> from mtjfit.study import Fixed, LogUniform, Noise, Normal, grid
    >>> lengths = dict.fromkeys(("lambda_J", "lambda_phi", "lambda_sf_F", "Lambda"), LogUniform(0.3, 30.0))
    >>> priors = lengths | {"a1": Normal(0.13, 0.02)}
    >>> parameters = {name: Parameter(name, prior) for name, prior in priors.items()}
    >>> parameters["thickness"] = Parameter("thickness", Fixed(0.0), scope="device")
    >>> request = PlanRequest(grid(0.6, 5.0, 0.1), 5, bias=(-0.5, 0.5, 21), noise=Noise.of("2 %"), quantity="torkance",
    ...                 per="device")
    >>> Design("five devices", parameters, request).unit
    'arb'
    """

    name: str
    parameters: Mapping[str, Parameter]
    request: PlanRequest
    sampling: Sampling = field(default_factory=Sampling)
    text: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameters", MappingProxyType(bound(self.parameters)))
        problems = [*parameter_problems(self.parameters), *request_problems(self.request)]
        if problems:
            raise ConfigError(problems)

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.name, dict(self.parameters), self.request, self.sampling, self.text)

    @property
    def unit(self) -> str:
        """Unit of the torque or torkance that would be measured."""
        return find_unit(self.request.unit or "arb").name

    @property
    def label(self) -> str:
        """Mark for plots and tables: none, because there are no data."""
        return ""

    def unit_of(self, name: str) -> str:
        """Unit of a parameter."""
        return parameter_unit(name, self.unit, self.request.quantity or "torque", self.request.per or "device")


def load_plan(path: str | Path) -> tuple[Study | Design, PlanRequest]:
    """Read a study file for planning: a `Study` where it names data, else a `Design`; and its ``[plan]``, or defaults.

    Raises
    ------
    ConfigError, DataError
        As `load_study`; a file without data needs a complete ``[plan]``.

    Examples
    --------
    >>> from mtjfit.data import dataset
    >>> study, request = load_plan(dataset("thickness-series").study_file)
    >>> len(study.curves), request.target
    (5, 'everything')
    """
    path = Path(path)
    text, raw = read_toml(path)
    if "data" in raw or "plan" not in raw:
        request = plan_request_from(raw.get("plan", {}))
        study = load_study(path)
        assert isinstance(request, PlanRequest)  # noqa: S101 - a study with another [plan] does not load
        return study, request
    found = CollectedProblems()
    found.config += placeholders(raw)
    found.keep(validated_table(ProposalDocument, raw, ""))
    name = declared_name(raw.get("study"), found)
    sampling = found.keep(validated_table(Sampling, raw.get("sampling", {}), "sampling")) or Sampling()
    parameters, broken = declared_parameters(raw.get("parameters"), found)
    asked = found.keep(plan_request_from(raw["plan"]))
    found.config += parameter_problems(parameters, broken) if parameters is not None else []
    found.config += [] if asked is None else request_problems(asked)
    found.refuse(path, text)
    assert asked is not None  # noqa: S101 - else there is a problem
    return Design(name, parameters or {}, asked, sampling, text), asked
