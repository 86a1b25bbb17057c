"""Everything public shows itself in at most twelve lines, marked where it must be, and by nothing that acts."""

from __future__ import annotations

import dataclasses
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Any

import numpy as np
import pandas as pd
import pytest
from plot_cases import posterior_of
from shortcuts import few_starts
from shown import HOSTILE, hostile_study

import mtjfit
from mtjfit.cards import LINES, WIDTH, Card, ShownAsCard
from mtjfit.infer import Check, Verdict
from mtjfit.lazy import wing
from mtjfit.model import full_posterior
from mtjfit.study import Study

SMALL = {
    *("Alternative", "Answer", "BatchSummary", "BiasMask", "Configuration", "Constant", "Correlated", "CurrentTerm"),
    *("FromScipy", "Hierarchy", "Interface"),
    *("LineModel", "Notice", "Origin", "Parameter", "Product", "ResultFolder", "Scattered", "Source", "Steps"),
    *("Table", "TableDeclaration", "TableFormat", "Target", "Unit", "WaferTable", "Wide"),
}
"""Declarations whose fields are few and short, in the form in which Python would read them."""
LONG = re.compile(r"Array|array|DataFrame|Mapping|dict|tuple|bytes|Study|Fit|Posterior|Verdict|Chains")


def exported() -> Iterator[type]:
    """Dataclasses that the package and its faces give away."""
    faces = [mtjfit, *(import_module(f"mtjfit.{each.name}") for each in pkgutil.iter_modules(mtjfit.__path__)
                       if each.ispkg)]  # fmt: skip
    for face in faces:
        on_demand = (name for names in vars(face).get("_HOMES", {}).values() for name in names)
        for name in {*getattr(face, "__all__", ()), *on_demand}:
            one = getattr(face, name, None)
            if inspect.isclass(one) and dataclasses.is_dataclass(one):
                yield one


def prints_everything(one: Any) -> bool:
    """Whether a dataclass may be long and has Python's own `repr`, which prints every array."""
    return not issubclass(one, ShownAsCard) and any(LONG.search(str(each.type)) for each in dataclasses.fields(one))


def test_no_public_class_prints_all_it_holds() -> None:
    found = set(exported())
    assert len(found) > 100, "looked in the wrong place"
    assert {one.__name__ for one in found if prints_everything(one)} - SMALL == set()


def held(one: object, seen: dict[int, object]) -> dict[int, object]:
    """An object of the package and those in its fields, by identity."""
    if isinstance(one, Mapping):
        inside = list(one.values())
    elif isinstance(one, list | tuple):
        inside = list(one)
    elif type(one).__module__.startswith("mtjfit") and dataclasses.is_dataclass(one) and id(one) not in seen:
        seen[id(one)] = one
        inside = [getattr(one, each.name) for each in dataclasses.fields(one)]
    else:
        return seen
    for each in inside:
        held(each, seen)
    return seen


def faults(one: object) -> list[str]:
    """What is wrong with the `repr` of an object."""
    lines = repr(one).split("\n")
    found = [f"{len(lines)} lines"] * (len(lines) > LINES) + [f"{max(map(len, lines))} wide"] * (
        max(map(len, lines)) > WIDTH
    )
    found += ["a character that acts"] * (not all(line.isprintable() for line in lines))
    return [f"{type(one).__name__}: {fault}" for fault in found]


@pytest.fixture(scope="module")
def objects() -> dict[str, Any]:
    study, bundled = hostile_study(), [mtjfit.dataset(each.name) for each in mtjfit.datasets()]
    with few_starts():
        fit = mtjfit.fit(study)
    posterior = posterior_of(fit, converged=True)
    found = {
        "bundled": bundled, "studies": [mtjfit.load_study(each.study_file) for each in bundled], "fit": fit,
        "lazy": [fit.patterns, fit.conflicts, full_posterior(study)], "posterior": posterior,
    }  # fmt: skip
    if (of_spectra := wing("spectra")) is not None:
        file = mtjfit.dataset("thickness-series").path.parent / "spectra/macrospin/spectra.toml"
        found["spectra"] = of_spectra.analyse(of_spectra.load_spectra(file))
    if (comparison := wing("comparison")) is not None:
        found["devices"] = comparison.compare(fit)
        found["consequences"] = comparison.consequences(posterior_of(fit, converged=False))
    return found


def one_of(objects: dict[str, Any], name: str) -> Any:
    """One of the objects, unless its wing was deleted."""
    return objects[name] if name in objects else pytest.skip("deleted")


@pytest.mark.parametrize(
    "name", ["bundled", "studies", "fit", "lazy", "posterior", "spectra", "devices", "consequences"]
)
def test_an_object_and_all_that_it_holds_is_short(name: str, objects: dict[str, Any]) -> None:
    found = held(one_of(objects, name), {})
    assert found
    assert [fault for one in found.values() for fault in faults(one)] == []


def test_numbers_have_their_units(objects: dict[str, Any]) -> None:
    for name in ("fit", "posterior"):
        assert re.search(r"lambda_J +\S.* nm", repr(objects[name])), name
    assert re.search(r"lambda_J +log-uniform.* nm", repr(objects["studies"][0]))
    assert "0.8 nm" in repr(objects["studies"][2].curves[0])
    assert "V (V)" in repr(objects["studies"][2].curves[0])
    spectra = one_of(objects, "spectra")
    assert re.search(r"centre +\d.* GHz", repr(spectra.fits[0]))
    assert "(N m/V)" in repr(spectra)
    assert "(N m/V)" in repr(next(iter(spectra.curves.values())))


def test_what_is_no_result_says_so_first(objects: dict[str, Any]) -> None:
    makers: list[Callable[[bool], object]] = [
        lambda yes: posterior_of(objects["fit"], converged=yes),
        lambda yes: Verdict((Check("length", yes, HOSTILE),), {}),
    ]
    if (comparison := wing("comparison")) is not None:
        makers.append(lambda yes: comparison.consequences(posterior_of(objects["fit"], converged=yes)))
    for made in makers:
        assert "NOT CONVERGED" not in repr(made(True))
        assert "NOT CONVERGED" in repr(made(False)).split("\n")[1]
    assert "SIMULATED, not measured" in repr(objects["fit"])


@dataclasses.dataclass(frozen=True)
class Everything(ShownAsCard):
    table: pd.DataFrame
    arrays: np.ndarray
    text: str
    inside: Study
    numbers: tuple[float, ...]
    converged: bool = False


@dataclasses.dataclass(frozen=True)
class Careless:
    arrays: np.ndarray


def test_sabotage_what_is_long_or_acts_is_seen(objects: dict[str, Any]) -> None:
    many = np.linspace(0.0, 1.0, 10_000)
    one = Everything(pd.DataFrame({HOSTILE: many}), many, f"\x1b[2J{HOSTILE}" * 9, objects["studies"][0], tuple(many))
    assert faults(one) == []
    assert "NOT CONVERGED" in repr(one)
    assert "array of 10000, 0 to 1" in repr(one)
    careless = Careless(np.random.default_rng(0).random((40, 40)))
    assert prints_everything(Careless)
    assert faults(careless)
    assert faults(SayingAll(HOSTILE + "\x1b[2J"))


@dataclasses.dataclass(frozen=True)
class SayingAll:
    text: str

    def __repr__(self) -> str:
        return self.text


def test_a_card_keeps_marks_whatever_else_there_is() -> None:
    facts = {f"fact {k}": "x" * 500 for k in range(50)}
    rows = [[f"row {k}", "y" * 500] for k in range(500)]
    text = Card(
        "t" * 500, marks=["", "NOT CONVERGED", *["m" * 500] * 9], facts=facts, header=["a", "b"], rows=rows
    ).text()
    assert len(text.split("\n")) == LINES
    assert max(map(len, text.split("\n"))) == WIDTH
    assert text.split("\n")[1].strip() == "NOT CONVERGED"
    assert all(word in text for word in ("row 0", "and 8 more", "fact 0"))
    few = Card("t", header=["a"], rows=[[f"row {k}"] for k in range(10)]).text()
    assert few.split("\n")[-1].strip() == "row 9"
    assert "…" not in few
