"""The first lines of every output say what was declared, and whether the model describes the data."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from model_studies import simulated
from shortcuts import few_starts
from small import told

import mtjfit
from mtjfit.data import TorqueCurve
from mtjfit.infer.causes import Cause, Outcome
from mtjfit.physics import kappa
from mtjfit.results import device_names, header, header_fields, notices

pytestmark = pytest.mark.usefixtures("quick_fits")


@pytest.fixture
def good(finished) -> mtjfit.FitResult:
    return finished.fit


def test_conventions_and_masks_are_said_and_measured_data_carry_no_origin(make_study, good: mtjfit.FitResult, golden):
    def edit(text: str) -> str:
        extra = 'bias_window = [-0.4, 0.4]\nmask = [{ bias = [0.0, 0.0], reason = "zero-bias anomaly" }]\n'
        text = text.replace('per = "device"', 'per = "volume"').replace('"hbar/2e/kohm"', '"mT/V"')
        text = text.replace("[data.columns]", extra + "[data.columns]").replace("{ fixed = true }", THICKNESS)
        return text.replace('perp_axis = "MxP"', 'perp_axis = "PxM"')

    file = make_study(edit=edit, measured=True)
    golden("header-conventions", header(mtjfit.load_study(file), good), file.parent)


THICKNESS = '{ prior = "normal", sd = 0.05 }'


def test_devices_that_differ_are_told_apart_and_the_angle_of_the_amplitudes_is_said(good, golden, tmp_path):
    first, *rest = good.study.curves
    tilted = tuple(
        replace(curve, angle=angle, sin_theta="included")
        for curve, angle in zip(good.study.curves, (72.0, 54.0, 90.0), strict=True)
    )
    divided = tuple(replace(curve, sin_theta="divided") for curve in (first, *rest))
    cases = {
        "one has another axis": (replace(first, declared_perp_axis="PxM"), *rest),
        "one alone": (first,),
        "all tilted": tilted,
        "one alone, tilted": tilted[:1],
        "all divided": divided,
        "one tilted, others divided": (tilted[0], *divided[1:]),
    }
    fields = {case: header_fields(good.study.replace(curves=curves), good) for case, curves in cases.items()}
    said = {case: (each["sign"], f"angle: {each.get('angle')}") for case, each in fields.items()}
    golden("header-curves", told(said.items()), tmp_path)


def test_many_devices_are_counted():
    curves = [TorqueCurve(f"D{k}", [0.0, 0.1], [0, 1], [0, 0], 2.0, "torque", "device") for k in range(20)]
    assert device_names(curves).endswith("D11 (2 nm) and 8 more")


def all_notices(fit: mtjfit.FitResult) -> list[str]:
    """The lines of all notices, as they are printed."""
    return "\n".join(map(str, notices(fit))).splitlines()


def with_p(fit: mtjfit.FitResult, p: float, flipped: float, causes: Sequence[Cause] = ()) -> mtjfit.FitResult:
    """The fit as if these were its p-value, the one with the other axis, and what was tried."""
    changed = replace(fit, p_value=p)
    changed.__dict__.update(p_value_flipped=flipped, causes=tuple(causes))
    return changed


def tried(p: float, square: float, helps: bool) -> tuple[Cause, ...]:
    """One cause of each kind, the first as given, the others without any use."""
    names = (("perp_axis", ""), ("quantity", ""), ("amplitude", "a2"), ("pattern", "drift"), ("device", "F0.8nm"))
    useless = Outcome(0.0, 9.0, True)
    first, *others = names
    return (
        Cause(*first, Outcome(p, square, False), helps),
        *(Cause(*each, useless, False) for each in others),
    )


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


@pytest.mark.slow
def test_a_thick_layer_alone_takes_the_sign_on_trust_and_a_thin_one_betrays_a_flipped_axis(single, golden, tmp_path):
    for fit in (single[5.0, False], single[5.0, True]):
        assert fit.p_value == pytest.approx(fit.p_value_flipped, rel=1e-3)
        assert fit.p_value > 0.01
    assert single[0.8, False].p_value_flipped == pytest.approx(single[0.8, True].p_value, rel=1e-6)
    assert single[0.8, True].p_value < 1e-30
    cases = {f"{d} nm, {'flipped' if flip else 'right'}": fit for (d, flip), fit in single.items()}
    cases["untested"] = with_p(single[5.0, False], float("nan"), float("nan"))
    said = {case: [header_fields(fit.study, fit)["sign"], *all_notices(fit)] for case, fit in cases.items()}
    golden("sign-of-one-device", told(said.items()), tmp_path)


def test_a_good_series_says_nothing_of_trust_and_raises_no_alarm_with_or_without_a_p_value(good: mtjfit.FitResult):
    assert "trust" not in header(good.study, good)
    assert notices(good) == notices(replace(good, p_value=float("nan"))) == ()
    assert np.isnan(replace(good.devices[0], dof=0).p_value)


def test_a_flipped_series_is_loud_and_names_the_other_axis(flipped_fit: mtjfit.FitResult, golden, tmp_path):
    _, *loud = header(flipped_fit.study, flipped_fit).partition("!" * 80)
    golden("header-flipped", "".join(loud), tmp_path)


def test_one_thickness_with_known_lengths_can_reveal_the_sign(make_study):
    def edit(text: str) -> str:
        return re.sub(r"(?m)^(lambda_\w+) *= .*$", r"\1 = { fixed = 1.0 }", text)

    study = mtjfit.load_study(make_study(("F2.0nm",), edit=edit, flip=True))
    fit = mtjfit.fit(study)
    assert "trust" not in header(study, fit)
    assert any("perp_axis" in line for line in notices(fit)[0].lines[:2])


def test_what_may_be_wrong_beside_the_p_value_of_the_whole_is_said(good: mtjfit.FitResult, golden, tmp_path):
    """Points off their own polynomial are a quiet note while the whole fit is good; loud once it is not."""
    first, *rest = good.devices
    devices = (replace(first, scatter_chi2=160.0, scatter_dof=78), *rest)
    noted = replace(
        good.study.curves[0], notices=("a.csv:1: unit 'applied' of column 'V' is not understood; taken as V",)
    )
    thick = replace(good.study.curves[0], thickness=20.0)
    cases = {
        "scatter below the errors": replace(good, p_value=0.99995),
        "a device contradicts the model": replace(good, devices=(replace(first, chi2=400.0, dof=1), *rest)),
        "points off their polynomial": replace(good, devices=devices, p_value=0.5),
        "and the fit is bad": with_p(replace(good, devices=devices), 1e-9, 1e-9),
        "points nearly on it": replace(good, devices=(replace(first, scatter_chi2=100.0, scatter_dof=78), *rest)),
        "unclear units": replace(good, study=good.study.replace(curves=(noted, *good.study.curves[1:]))),
        "unusual numbers": replace(good, study=good.study.replace(curves=(thick, *good.study.curves[1:]))),
    }
    cases["the other axis explains it"] = with_p(good, 1e-9, 0.4, tried(0.4, 1.0, True))
    cases["the other axis helps"] = with_p(good, 1e-90, 1e-9, tried(1e-9, 2.0, True))
    cases["nothing helps"] = with_p(good, 1e-9, 1e-9, tried(1e-9, 4.0, False))
    golden("notices", told((case, all_notices(fit)) for case, fit in cases.items()), tmp_path)


@pytest.mark.slow
def test_a_torkance_declared_as_torque_is_named(good: mtjfit.FitResult):
    """Its coefficients may pass the constraint test; its points never follow a1 V."""
    curves = tuple(replace(curve, quantity="torque", unit="arb") for curve in good.study.curves[:1])
    fit = mtjfit.fit(good.study.replace(curves=curves))
    found = [notice for notice in notices(fit) if notice.title.startswith("the points of these devices")]
    assert found[0].loud
    assert found[0].lines[0].startswith("F0.8nm: χ² = ")
    assert found[0].lines[0].endswith("for 78 degrees of freedom, p < 1e-300")
