"""The first lines of every output say what was declared, and whether the model describes the data."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

import mtjfit
from mtjfit.data import TorqueCurve
from mtjfit.results import header, header_fields, notices
from mtjfit.results.header import device_names


@pytest.fixture
def good(finished) -> mtjfit.FitResult:
    return finished.fit


def test_every_declaration_is_echoed(good: mtjfit.FitResult):
    assert header(good.study, good).splitlines() == [
        f"mtjfit {mtjfit.__version__}",
        "study          Simulated thickness series",
        "origin         SIMULATED, not measured: Eq. 12 with known lengths, five thicknesses, 2 % noise",
        "devices        3: F0.8nm (0.8 nm), F2.0nm (2 nm), F4.0nm (4 nm)",
        "thicknesses    3, from 0.8 to 4 nm; taken as exact",
        "values         246 (123 bias points, two components), -0.5 to 0.5 V",
        "masked         none of 123 points",
        "quantity       torkance dT/dV against V",
        "normalisation  per device: no 1/d",
        "angle          not declared: amplitudes belong to the angle of the measurement, one for all devices",
        "unit           (ħ/2e) kΩ⁻¹",
        "sign           T_perp along M x P, as declared",
        "model test     χ² = 211.2 for 240 degrees of freedom, p = 0.91",
    ]


def test_measured_data_carry_no_origin(make_study, good: mtjfit.FitResult):
    study = mtjfit.load_study(make_study(measured=True))
    assert "origin" not in header_fields(study, good)


def test_masks_window_and_other_conventions_are_said(make_study, good: mtjfit.FitResult):
    def edit(text: str) -> str:
        extra = 'bias_window = [-0.4, 0.4]\nmask = [{ bias = [0.0, 0.0], reason = "zero-bias anomaly" }]\n'
        text = text.replace('per = "device"', 'per = "volume"').replace('"hbar/2e/kohm"', '"mT/V"')
        text = text.replace("[data.columns]", extra + "[data.columns]").replace("{ fixed = true }", THICKNESS)
        return text.replace('perp_axis = "MxP"', 'perp_axis = "PxM"')

    fields = header_fields(mtjfit.load_study(make_study(edit=edit)), good)
    assert fields["masked"] == "27 of 123 points: 24 outside the bias window -0.4 to 0.4 V; 3 zero-bias anomaly"
    assert fields["values"] == "192 (96 bias points, two components), -0.4 to 0.4 V"
    assert fields["normalisation"] == "per volume: carries 1/d (effective field, divided by M_s d)"
    assert fields["sign"] == "T_perp declared along P x M, flipped to M x P"
    assert fields["unit"] == "mT V⁻¹"
    assert fields["thicknesses"] == "3, from 0.8 to 4 nm; each ± 0.05 nm"


THICKNESS = '{ prior = "normal", sd = 0.05 }'


def test_devices_that_differ_are_told_apart(good: mtjfit.FitResult):
    first, *rest = good.study.curves
    study = good.study.replace(curves=(replace(first, declared_perp_axis="PxM"), *rest))
    assert header_fields(study, good)["sign"] == (
        "F0.8nm: T_perp declared along P x M, flipped to M x P; F2.0nm, F4.0nm: T_perp along M x P, as declared"
    )


def test_the_angle_that_amplitudes_belong_to_is_said(good: mtjfit.FitResult):
    first, *rest = good.study.curves
    alone = good.study.replace(curves=(first,))
    assert "angle" not in header_fields(alone, good)
    tilted = tuple(
        replace(curve, angle=angle, sin_theta="included")
        for curve, angle in zip(good.study.curves, (72.0, 54.0, 90.0), strict=True)
    )
    says = "sin θ included in the values: amplitudes are per sin θ"
    assert header_fields(good.study.replace(curves=tilted), good)["angle"] == f"54° to 90°, {says}"
    assert header_fields(alone.replace(curves=tilted[:1]), good)["angle"] == f"72°, {says}"
    divided = tuple(replace(curve, sin_theta="divided") for curve in (first, *rest))
    text = header_fields(good.study.replace(curves=divided), good)["angle"]
    assert text == "values already divided by sin θ: amplitudes are per sin θ"
    mixed = header_fields(good.study.replace(curves=(tilted[0], *divided[1:])), good)["angle"]
    assert mixed == f"72°, F0.8nm: {says}; F2.0nm, F4.0nm: {text}"


def test_many_devices_are_counted():
    curves = [TorqueCurve(f"D{k}", [0.0, 0.1], [0, 1], [0, 0], 2.0, "torque", "device") for k in range(20)]
    assert device_names(curves).endswith("D11 (2 nm) and 8 more")


def test_one_thickness_takes_the_sign_on_trust(one_thickness_fit: mtjfit.FitResult, good: mtjfit.FitResult):
    text = header_fields(one_thickness_fit.study, one_thickness_fit)["sign"]
    assert text == "T_perp along M x P, as declared; taken on trust: one thickness cannot reveal a flipped T_perp"
    assert "trust" not in header(good.study, good)


def test_a_flipped_series_is_loud_and_names_the_other_axis(flipped_fit: mtjfit.FitResult):
    lines = header(flipped_fit.study, flipped_fit).splitlines()
    start = lines.index("!" * 80)
    loud = lines[start + 1 :]
    assert loud[0] == "!!! THE MODEL DOES NOT DESCRIBE THESE DATA: p < 1e-300. Do not use the numbers below."
    assert loud[1] == (
        '!!!   - T_perp may be flipped: with the other perp_axis p would be 0.91. Is perp_axis = "PxM" right?'
    )
    assert loud[2].startswith("!!!   - per area or per volume: per = ")
    assert (
        loud[3] == "!!!   - underestimated errors: errors 5.3 times larger would make χ² equal its degrees of freedom"
    )
    assert loud[5] == "!!!   - a mechanism other than Eq. 12, or a term of J0(V) that was not declared"
    assert lines[-1] == "!" * 80


def test_a_good_fit_raises_no_alarm(good: mtjfit.FitResult):
    assert notices(good) == ()


@pytest.mark.parametrize(
    ("p", "flipped", "says"),
    [
        (1e-9, 1e-40, "perp_axis is not the cause: with the other one p = 1e-40"),
        (1e-40, 1e-9, "with the other perp_axis the misfit would be smaller, but still bad (p = 1e-09)"),
    ],
)
def test_the_other_axis_is_judged_by_its_p_value(good: mtjfit.FitResult, p: float, flipped: float, says: str):
    bad = replace(good, p_value=p)
    bad.__dict__["p_value_flipped"] = flipped
    assert notices(bad)[0].loud
    assert notices(bad)[0].lines[0] == says


def test_a_bad_fit_of_one_thickness_blames_no_axis(one_thickness_fit: mtjfit.FitResult):
    found = notices(replace(one_thickness_fit, p_value=1e-9))[0]
    assert found.lines[0] == "perp_axis stays a matter of trust: one thickness cannot reveal a flipped T_perp"


def test_one_thickness_with_known_lengths_can_reveal_the_sign(make_study):
    def edit(text: str) -> str:
        return re.sub(r"(?m)^(lambda_\w+) *= .*$", r"\1 = { fixed = 1.0 }", text)

    study = mtjfit.load_study(make_study(("F2.0nm",), edit=edit, flip=True))
    fit = mtjfit.fit(study)
    assert "trust" not in header(study, fit)
    assert "perp_axis" in notices(fit)[0].lines[0]


def test_scatter_below_the_errors_is_a_hint(good: mtjfit.FitResult):
    (found,) = notices(replace(good, p_value=0.99995))
    assert not found.loud
    assert str(found).splitlines()[0] == "note: the data scatter less than their errors say (1 - p = 5e-05)"


def test_a_device_that_contradicts_the_model_on_its_own_is_named(good: mtjfit.FitResult):
    first, *rest = good.devices
    (found,) = notices(replace(good, devices=(replace(first, chi2=400.0, dof=1), *rest)))
    assert found.title.startswith("on their own these devices contradict Eq. 12")
    assert found.lines == ("F0.8nm: p = 5.5e-89",)


def test_no_p_value_is_no_alarm(good: mtjfit.FitResult):
    assert notices(replace(good, p_value=float("nan"))) == ()
    assert np.isnan(replace(good.devices[0], dof=0).p_value)
