"""Names of numbers in tables: what they are made of comes back, whatever devices are called."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from model_studies import simulated

from mtjfit.model.noise_models import make_posterior
from mtjfit.study import AboutNominal, Normal, ParameterName, Study

BASES = ("a1", "scatter_b2", "thickness", "lambda_sf_N")
AWKWARD = ("dev[1]", "[", "]", "][", "a1[x]", "", " ", "[[W7]]")


@given(st.sampled_from(BASES), st.one_of(st.none(), st.sampled_from(AWKWARD), st.text(max_size=12)))
def test_parts_come_back_from_the_text(base: str, owner: str | None) -> None:
    name = ParameterName(base, owner)
    for again in (name, ParameterName(str(name)), pickle.loads(pickle.dumps(name))):  # noqa: S301 - made here
        assert (again.base, again.owner) == (base, owner)
        assert again == name == str(name)
        assert type(again) is ParameterName
    assert name.is_thickness == (base == "thickness")
    assert (name.of("b1").base, name.of("b1").owner) == ("b1", owner)


def test_tables_and_json_hold_the_text() -> None:
    name = ParameterName("a1", "dev[1]")
    assert json.dumps({name: name}) == '{"a1[dev[1]]": "a1[dev[1]]"}'
    frame = pd.DataFrame({name: [1.0]})
    assert frame.to_csv(index=False) == "a1[dev[1]]\n1.0\n"
    assert frame["a1[dev[1]]"].tolist() == [1.0]


def bracketed(**priors: Any) -> Study:
    """Devices dev[0], dev[1], … of groups g[0] and g[1]."""
    study = simulated(**priors)
    curves = [replace(curve, device=f"dev[{j}]", group=f"g[{j % 2}]") for j, curve in enumerate(study.curves)]
    return study.replace(curves=tuple(curves))


@pytest.mark.parametrize(("scope", "text"), [("shared", "a1"), ("group", "a1[g[0]]"), ("device", "a1[dev[0]]")])
def test_the_scope_of_a_parameter_names_its_numbers(scope: str, text: str) -> None:
    study = bracketed(a1=(Normal(0.0, 1.0), scope))
    assert study.names_of("a1")[0] == text
    assert study.unit_of(text) == study.unit_of("a1")


def test_every_number_of_a_posterior_knows_whose_it_is() -> None:
    study = bracketed(a1=(Normal(0.0, 1.0), "device"), thickness=AboutNominal(0.1), b2=(Normal(0.0, 1.0), "group"))
    drawn = make_posterior(study).draw(np.zeros((2, 6)), np.random.default_rng(0))
    found = {(ParameterName(name).base, ParameterName(name).owner) for name in drawn}
    assert {("thickness", device) for device in study.devices} | {("a1", device) for device in study.devices} < found
    assert {("b2", group) for group in study.groups} | {("lambda_J", None)} < found
