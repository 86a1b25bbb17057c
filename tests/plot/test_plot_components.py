"""Torque figures of devices of which one component was measured."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from matplotlib.text import Text

import mtjfit
from mtjfit.plot import plot_torque


def test_what_was_not_measured_is_said_and_has_no_points() -> None:
    study = mtjfit.load_study(mtjfit.dataset("thickness-series").study_file)
    first, *others = study.curves
    alone = replace(first, perp=np.nan, sigma_perp=None)
    fit = mtjfit.fit(study.replace(curves=(alone, *others)))
    figure = plot_torque(fit)
    said = [text.get_text() for text in figure.findobj(Text)]
    assert said.count("not measured") == 1
    residuals = [line for ax in figure.axes for line in ax.lines if line.get_gid() == "residuals"]
    assert len(residuals) == 2 * len(study.curves) - 1
    assert all(np.isfinite(line.get_ydata()).all() for line in residuals)
