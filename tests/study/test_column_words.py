"""Names of columns say component, quantity and errors in any order; a column of errors is never taken for a value."""

from __future__ import annotations

import re
from functools import partial
from itertools import permutations, product
from pathlib import Path

import pandas as pd
import pytest

from mtjfit.data import TorqueCurve
from mtjfit.data.column_words import name_says
from mtjfit.data.readers import Column, Sheet
from mtjfit.errors import ConfigError
from mtjfit.study.families import families, families_as_text
from mtjfit.study.inspection import inspect_file
from mtjfit.study.roles import guessed_roles
from mtjfit.study.template import template_of

COMPONENTS = {"par": ("par", "in-plane", "ip", "∥"), "perp": ("perp", "out-of-plane", "out of plane", "OOP", "⊥")}
ERRORS = ("sigma", "std", "sd", "err", "error", "uncertainty", "stderr", "unc", "delta", "Δ", "δ", "σ", "std. error")
QUANTITIES = ("", "torque", "torkance", "tau", "dT/dV")
CASES = [(component, word, error, quantity) for component, words in COMPONENTS.items()
         for word, error, quantity in product(words, ERRORS, QUANTITIES)]  # fmt: skip


def roles(*names: str) -> dict[str, str]:
    """Roles of columns of a table with a bias."""
    columns = [Column("Bias", "mV", ("-100", "0", "100")), *(Column(each, None, ("1", "2", "3")) for each in names)]
    return guessed_roles(Sheet("a.csv", "tidy", tuple(columns), (2, 3, 4), 1))[0]


def test_words_for_errors_in_any_order_make_the_errors_of_the_component() -> None:
    for component, *words in CASES:
        for order, between in product(permutations(filter(None, words)), (" ", "_")):
            name = between.join(order)
            assert name_says(name).role == f"sigma_{component}", name


def test_a_word_for_errors_keeps_any_name_from_being_a_value() -> None:
    for error, name in product(ERRORS, ("in-plane", "oop torque", "V", "thickness", "torkance x", "signal", "wafer")):
        assert {*roles(f"{error} {name}"), *roles(f"{name}_{error}")} <= {"bias", "sigma_torque"}, (error, name)


def test_without_a_word_for_errors_they_make_the_value() -> None:
    for component, words in COMPONENTS.items():
        for word, quantity, between in product(words, QUANTITIES, (" ", "_")):
            for order in permutations(filter(None, (word, quantity))):
                assert name_says(between.join(order)).role == component, order


@pytest.mark.parametrize(
    "names",
    [("in-plane torque", "out-of-plane torque", "sigma in-plane", "sigma out-of-plane"),
     ("in-plane", "out-of-plane", "in-plane error", "out-of-plane std"),
     ("dTpar/dV", "dTperp/dV", "err par", "err perp"),
     ("dT_par/dV", "dT_perp/dV", "ΔT_par", "ΔT_perp"),
     ("torkance_ip", "torkance_oop", "torkance_ip_err", "torkance_oop_err"),
     ("par_mT", "perp_mT", "par_err", "perp_err"),
     ("ParTorque", "PerpTorque", "ParTorqueErr", "PerpTorqueErr")],
)  # fmt: skip
def test_four_columns_are_known_in_any_order(names: tuple[str, ...]) -> None:
    expected = dict(zip(("par", "perp", "sigma_par", "sigma_perp"), names, strict=True))
    for order in permutations(names):
        assert roles(*order) == {"bias": "Bias", **expected}


@pytest.mark.parametrize(
    ("name", "role"),
    [("std of bias", "sigma_bias"), ("V_sd", ""), ("ΔV", ""), ("torque uncertainty", "sigma_torque"),
     ("thickness error", ""),  ("top", ""), ("par perp error", ""), ("state", ""), ("dT_par", ""),
     ("V_par", ""), ("par" * 100, ""), ("d" * 40, ""), ("std" * 13, "sigma_torque")],
)  # fmt: skip
def test_other_words(name: str, role: str) -> None:
    assert name_says(name).role == role


def test_errors_without_their_values_are_no_values_of_anything() -> None:
    assert roles("error bias", "d_err", "std thickness", "signal error") == {"bias": "Bias"}


def said(folder: Path, header: str, row: str) -> tuple[str, str]:
    """Screen and study file of ``init``."""
    file = folder / "a.csv"
    rows = "\n".join(f"{bias},{row}" for bias in ("-100", "0", "100"))
    file.write_text(f"{header}\n{rows}\n", encoding="utf-8")
    found = families([inspect_file(file)])
    return families_as_text(found), template_of(found, folder)


def test_errors_of_values_that_are_not_recognised_are_kept_on_the_screen_and_in_the_file(tmp_path: Path) -> None:
    screen, text = said(tmp_path, "Bias (mV),channel A,channel B,err par,err perp", "1,2,0.1,0.2")
    for role in ("sigma_par", "sigma_perp"):
        assert f"{role} (GUESS)" in screen
        assert f'{role} = "err {role[6:]}"  # GUESS' in text
    assert 'par = "<column of par?>"' in text
    assert '\nsigma = "fit"' not in text


@pytest.mark.parametrize("header", ["Bias (mV),par,perp,err par", "Bias (mV),channel A,channel B,err par"])
def test_errors_of_one_component_alone_are_told_in_both(tmp_path: Path, header: str) -> None:
    screen, text = said(tmp_path, header, "1,2,0.1")
    assert "sigma_par (GUESS)" not in screen
    assert "LOOK: 'err par' may be sigma_par, but not every torque has an error; these columns are not used" in screen
    assert "sigma = \"fit\"  # GUESS: 'err par' may be sigma_par, but not every torque has an error" in text
    assert "\nsigma_par =" not in text


def test_one_column_may_hold_the_errors_of_both_components(tmp_path: Path) -> None:
    screen, text = said(tmp_path, "Bias (mV),par (mT),perp (mT),err", "1,2,0.1")
    assert "sigma_par and sigma_perp (GUESS)" in screen
    assert 'sigma_par = "err"  # GUESS\nsigma_perp = "err"  # GUESS' in text
    assert '\nsigma = "fit"' not in text
    for header in ("Bias (mV),par,perp,dt", "Bias (mV),par,perp,err V", "Bias (mV),par,perp,thickness error"):
        _, text = said(tmp_path, header, "1,2,0.1")  # a step of time, errors of something else
        assert "\nsigma_p" not in text
        assert '\nsigma = "fit"  # GUESS: ' in text


def test_the_column_of_both_errors_names_none_of_both() -> None:
    data = {"V": [0.0, 0.1, 0.2], "a": [1.0, 2.0, 3.0], "b": [0.0, 1.0, 2.0], "err": [0.1, 0.2, 0.3]}
    columns = {"bias": "V", "par": "a", "perp": "b", "sigma_par": "err", "sigma_perp": "err"}
    read = partial(TorqueCurve.from_frame, quantity="torque", per="device", perp_axis="MxP", unit="1e-19 N m",
                   device="A", thickness=2.0)  # fmt: skip
    curve = read(pd.DataFrame(data), columns=columns)
    assert curve.sigma_par.tolist() == curve.sigma_perp.tolist() == [0.1, 0.2, 0.3]
    for name in ("err par", "σ⊥", "sigma_perp (mT)"):
        frame = pd.DataFrame({**data, name: data["err"]})
        with pytest.raises(ConfigError, match=f"column {re.escape(repr(name))} is already declared as sigma_par"):
            read(frame, columns={**columns, "sigma_par": name, "sigma_perp": name})


def test_units_behind_a_stroke_are_those_of_their_columns(tmp_path: Path) -> None:
    screen, text = said(tmp_path, "U/mV,d/nm,T_par / mT,T_perp / mT", "2,1,2")
    for name, unit, role in (("U/mV", "mV", "bias"), ("d/nm", "nm", "thickness"), ("T_par / mT", "mT", "par")):
        assert re.search(rf"{name} +{unit} .* {role} \(GUESS\)", screen), name
    assert 'torque = "mT"  # as the name of the column says' in text
    _, text = said(tmp_path, "U/mV,d/nm,dT_par/dV,T_perp/V", "2,1,2")  # quotients
    assert 'torque = "<unit' in text
    assert 'par = "dT_par/dV"  # GUESS' in text


def test_units_and_the_quantity_in_names_are_told(tmp_path: Path) -> None:
    screen, text = said(tmp_path, "V_mV,t_nm,in-plane torkance,out-of-plane torkance", "2,1,2")
    assert "bias (GUESS)" in screen
    assert 'bias = "mV"  # as the name of the column says' in text
    assert 'thickness = "nm"  # as the name of the column says' in text
    assert "T or dT/dV; the name of a column says torkance" in text
    assert '\nquantity = "<torque or torkance?>"' in text
    _, text = said(tmp_path, "V (mV),t_s,in-plane torque (mT/V),perp (mT/V)", "2,1,2")
    assert '\nthickness = "<nominal' in text
    assert "mT/V is a unit of the torkance; the name of a column says torque" in text
