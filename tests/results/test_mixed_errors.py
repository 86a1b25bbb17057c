"""Errors declared for some devices and fitted for others: each is called what it is, and too large or small is told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from model_studies import simulated
from shortcuts import few_starts

import mtjfit
from mtjfit.infer.causes import Cause, Outcome
from mtjfit.plot.torque import torque_caption
from mtjfit.results import checks, notices


@pytest.fixture(scope="module")
def mixed() -> mtjfit.FitResult:
    """Fit of A and C with declared errors, which are right, B and D without."""
    study = simulated((0.8, 1.2, 2.0, 3.5), fit_sigma=True)
    sigma = {"sigma_par": np.full(11, 0.02), "sigma_perp": np.full(11, 0.02)}
    curves = (replace(curve, **sigma) if curve.name in "AC" else curve for curve in study.curves)
    with few_starts():
        return changed(mtjfit.fit(study.replace(curves=tuple(curves))))


def changed(fit: mtjfit.FitResult, causes: tuple[Cause, ...] = (), **changes: Any) -> mtjfit.FitResult:
    """The fit with other numbers; its other findings, which take seconds, are none."""
    fit = replace(fit, **changes)
    fit.__dict__.update(causes=causes, conflicts=(), assumptions=())
    return fit


def with_errors(
    fit: mtjfit.FitResult, times: float, names: str, p: float, causes: tuple[Cause, ...] = ()
) -> mtjfit.FitResult:
    """The fit as if the declared errors of these devices were so many times the right ones."""
    devices = (replace(one, scatter_chi2=one.scatter_chi2 / times**2) if one.device in names else one
               for one in fit.devices)  # fmt: skip
    return changed(fit, causes, devices=tuple(devices), p_value=p)


def plausible(fit: mtjfit.FitResult) -> tuple[str, str]:
    check = checks(fit, None, None)[2]
    return check.state, check.says


def test_only_fitted_errors_are_called_fitted(mixed: mtjfit.FitResult) -> None:
    assert "error bars 1 σ (B, D: from the scatter of the points)." in torque_caption(mixed)
    assert mixed.chi2_says.startswith("errors of B, D fitted from the scatter; ")
    assert plausible(mixed) == ("yes", mixed.chi2_says)
    assert notices(mixed) == ()


def test_declared_errors_that_are_too_large_are_told(mixed: mtjfit.FitResult) -> None:
    fit = with_errors(mixed, 5.0, "A", 0.996)
    (note,) = notices(fit)
    assert note.title.startswith("the points of A scatter less than their declared errors predict (1 - p ")
    state, says = plausible(fit)
    assert state == "partly"
    assert says.startswith(note.title)


def test_declared_errors_that_are_too_small_come_first(mixed: mtjfit.FitResult) -> None:
    fit = with_errors(mixed, 0.2, "A", 1e-200, (Cause("device", "A", Outcome(0.2, 1.0, False), True),))
    first, *others = notices(fit)[0].lines
    assert first.startswith("the errors of device A may be too small: its points scatter ")
    assert not any("underestimated" in line for line in others)
    both = with_errors(mixed, 0.2, "AC", 1e-200)
    assert notices(both)[0].lines[0].startswith("underestimated errors of A, C: the points scatter ")


def test_a_check_agrees_with_the_note_on_errors_that_are_too_large(mixed: mtjfit.FitResult) -> None:
    fit = changed(mixed, devices=(), p_value=1.0)
    assert notices(fit)[0].title == "the data scatter less than their errors predict (1 - p < 1e-15)"
    assert plausible(fit)[0] == "partly"
    assert plausible(changed(fit, p_value=0.9))[0] == "yes"
