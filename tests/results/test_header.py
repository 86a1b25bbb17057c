"""The first lines of every output say what was declared, and whether the model describes the data."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from model_studies import simulated
from shortcuts import few_starts

import mtjfit
from mtjfit.data import TorqueCurve
from mtjfit.physics import kappa
from mtjfit.results import device_names, header, header_fields, notices

pytestmark = pytest.mark.usefixtures("quick_fits")


@pytest.fixture
def good(finished) -> mtjfit.FitResult:
    return finished.fit


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


@pytest.fixture(scope="module")
def single() -> dict[tuple[float, bool], mtjfit.FitResult]:
    """Best fits of a single device by thickness in nm and whether T_perp is flipped; errors of 1 %."""
    fits = {}
    with few_starts():
        for d in (0.8, 5.0):
            study = simulated((d,), noise=0.01, seed=4)
            (curve,) = study.curves
            for flip in (False, True):
                turned = study.replace(curves=(replace(curve, perp=-curve.perp),))
                fits[d, flip] = mtjfit.fit(turned if flip else study)
    return fits


def test_the_phase_of_kappa_is_nowhere_clearly_positive():
    """Why a thin layer betrays a flipped T_perp: over all lengths arg κ is below +1.6°. One thickness stands for all,
    since κ does not change if all lengths scale with d. Flipped, the paper's Fig. 3 at 1.2 nm would be at +12°."""
    grid = np.geomspace(0.02, 300.0, 24)
    phases = np.angle(kappa(1.0, *np.meshgrid(grid, grid, grid, grid, sparse=True)), deg=True)
    assert 1.0 < phases.max() < 1.6
    assert np.angle(np.conj(kappa(1.2, 1.0, 1.0, 10.0, 1.0)), deg=True) > 12


def test_a_thick_layer_alone_takes_the_sign_on_trust(single):
    for flip in (False, True):
        fit = single[5.0, flip]
        assert fit.p_value == pytest.approx(fit.p_value_flipped, rel=1e-3)
        assert fit.p_value > 0.01
        assert notices(fit) == ()
        says = f"taken on trust: with the other perp_axis the curves would fit, too (p = {fit.p_value_flipped:.2g})"
        assert header_fields(fit.study, fit)["sign"] == f"T_perp along M x P, as declared; {says}"


def test_a_thin_layer_alone_betrays_a_flipped_axis(single):
    right, flipped = single[0.8, False], single[0.8, True]
    assert notices(right) == ()
    assert right.p_value_flipped == pytest.approx(flipped.p_value, rel=1e-6)
    assert flipped.p_value < 1e-30
    says = f"the curves agree: with the other perp_axis p = {flipped.p_value:.2g}"
    assert header_fields(right.study, right)["sign"] == f"T_perp along M x P, as declared; {says}"
    assert header_fields(flipped.study, flipped)["sign"] == "T_perp along M x P, as declared"
    assert notices(flipped)[0].loud
    assert notices(flipped)[0].lines[0] == (
        f"T_perp may be flipped: with the other perp_axis p would be {right.p_value:.2g}. "
        'Is perp_axis = "PxM" right?'
    )  # fmt: skip


def test_a_good_series_says_nothing_of_trust_and_raises_no_alarm_with_or_without_a_p_value(good: mtjfit.FitResult):
    assert "trust" not in header(good.study, good)
    assert notices(good) == notices(replace(good, p_value=float("nan"))) == ()
    assert np.isnan(replace(good.devices[0], dof=0).p_value)


def test_a_single_device_without_a_test_is_taken_on_trust(single):
    untested = replace(single[5.0, False], p_value=float("nan"))
    untested.__dict__["p_value_flipped"] = float("nan")
    sign = header_fields(untested.study, untested)["sign"]
    assert sign.endswith("; taken on trust: nothing is left to test it with")


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


@pytest.mark.parametrize(
    ("p", "flipped", "says"),
    [
        (1e-9, 1e-40, "perp_axis is not the cause: with the other one p = 1e-40"),
        (1e-9, 1e-9, "perp_axis is not the cause: with the other one p = 1e-09"),
        (1e-40, 1e-9, "with the other perp_axis the misfit would be smaller, but still bad (p = 1e-09)"),
    ],
)
def test_the_other_axis_is_judged_by_its_p_value(good: mtjfit.FitResult, p: float, flipped: float, says: str):
    bad = replace(good, p_value=p)
    bad.__dict__["p_value_flipped"] = flipped
    assert notices(bad)[0].loud
    assert notices(bad)[0].lines[0] == says


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
    assert str(found).splitlines()[0] == "note: the data scatter less than their errors predict (1 - p = 5e-05)"


def test_a_device_that_contradicts_the_model_on_its_own_is_named(good: mtjfit.FitResult):
    first, *rest = good.devices
    (found,) = notices(replace(good, devices=(replace(first, chi2=400.0, dof=1), *rest)))
    assert found.title.startswith("on their own these devices contradict Eq. 12")
    assert found.lines == ("F0.8nm: p = 5.5e-89",)


def test_points_off_their_own_polynomial_are_named(good: mtjfit.FitResult):
    """A quiet note while the whole fit is good; loud once it is not."""
    first, *rest = good.devices
    devices = (replace(first, scatter_chi2=160.0, scatter_dof=78), *rest)
    for p_value, loud in ((0.5, False), (1e-9, True)):
        found = notices(replace(good, devices=devices, p_value=p_value))[-1]
        assert found.loud is loud
        assert found.title.startswith("the points of these devices do not follow a polynomial of the declared powers")
        assert found.lines == (
            "F0.8nm: χ² = 160.0 for 78 degrees of freedom, p = 1.3e-07",
            "wrong quantity (torque or torkance)? outliers or drift? a power of V not declared? errors too small?",
        )
    assert notices(replace(good, devices=(replace(first, scatter_chi2=100.0, scatter_dof=78), *rest))) == ()


def test_a_torkance_declared_as_torque_is_named(good: mtjfit.FitResult):
    """Its coefficients may pass the constraint test; its points never follow a1 V."""
    curves = tuple(replace(curve, quantity="torque", unit="arb") for curve in good.study.curves[:1])
    fit = mtjfit.fit(good.study.replace(curves=curves))
    found = [notice for notice in notices(fit) if notice.title.startswith("the points of these devices")]
    assert found[0].loud
    assert found[0].lines[0].startswith("F0.8nm: χ² = ")
    assert found[0].lines[0].endswith("for 78 degrees of freedom, p < 1e-300")


def test_unusual_numbers_are_said_loudly_and_left_as_they_are(finished) -> None:
    study = finished.fit.study
    thick = replace(study.curves[0], thickness=20.0)
    fit = replace(finished.fit, study=study.replace(curves=(thick, *study.curves[1:])))
    found = [notice for notice in notices(fit) if "UNUSUAL" in notice.title]
    assert len(found) == 1
    assert found[0].loud
    assert found[0].lines == ("device 'F0.8nm': thickness up to 20 nm: more than 10 nm is unusual; is it in angstrom?",)
    assert not [notice for notice in notices(finished.fit) if "UNUSUAL" in notice.title]
