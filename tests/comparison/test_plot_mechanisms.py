"""What the figures of mechanisms draw: the evidence, the data's slopes, and the curves of Eq. 12."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import mtjfit
from mtjfit.comparison import (
    MECHANISMS,
    WIDTHS,
    MechanismComparison,
    compare_mechanisms,
    comparison_sections,
    conclusions,
    mechanism_tables,
    predicted_slopes,
    signature,
    signature_table,
    slopes,
)
from mtjfit.physics import Interface, torkance
from mtjfit.plot import plot_mechanisms, plot_signatures, render


@pytest.fixture(scope="module")
def found() -> MechanismComparison:
    """Two mechanisms of the bundled series."""
    study = mtjfit.load_study(mtjfit.dataset("thickness-series").study_file)
    names = ["ballistic+b1", "diffusion"]
    return compare_mechanisms(study, 1, names=names, widths=WIDTHS[:4], n_simulations=5, progress=False)


def test_the_picture_holds_the_numbers(found: MechanismComparison) -> None:
    figure = plot_mechanisms(found)
    evidence, left_out, ratio, par = figure.axes[:4]
    shown = [text.get_text() for text in evidence.texts]
    assert "best" in shown
    assert f"{-found.bayes_factors[0].value:.0f}".replace("-", "−") in shown
    drawn = np.concatenate([line.get_ydata() for line in left_out.lines if line.get_linestyle() == "None"])
    pairs = zip(found.best.left_out, found.results[0].left_out, strict=True)
    assert {round(b.log_density - a.log_density, 6) for a, b in pairs} <= set(np.round(drawn.astype(float), 6))
    data = slopes(found.study)
    for ax, values in ((ratio, data.ratio), (par, data.par)):
        assert any(np.allclose(line.get_ydata(), values) for line in ax.lines if len(line.get_ydata()) == 5)
        curve, flat = (
            next(line for line in ax.lines if line.get_gid() == name) for name in ("diffusion", "ballistic+b1")
        )
        assert np.allclose(np.interp(data.thickness, *curve.get_data()), values, rtol=0.1, atol=0.01)
        assert np.ptp(flat.get_ydata()) < 1e-9
    assert b"<svg" in render(figure, "svg")


def test_the_section_of_the_report_has_every_digit(found: MechanismComparison) -> None:
    section = comparison_sections(found.best.fit, None, found)[2]
    assert (section.sentences, section.command) == (conclusions(found), "")
    assert tuple(section.tables.values()) == mechanism_tables(found)
    frame = pd.read_csv(io.BytesIO(section.files["mechanisms.csv"]), index_col="mechanism")
    for one in found.results:
        assert frame.loc[one.name, "log_evidence"] == one.evidence.value
        assert frame.loc[one.name, "aic"] == one.aic
    assert section.record["mechanisms"]["best"] == found.best.name  # type: ignore[index]
    assert f"The best is {found.best.name}; ln Z of the others" in section.pictures[0].alt


def test_curves_are_torkances_of_the_draws(found: MechanismComparison) -> None:
    """Another path to dT/dV: the torkance of `mtjfit.physics` for single draws."""
    d, one = np.array([0.8, 2.0, 4.0]), found["diffusion"]
    predicted = predicted_slopes(one, d)
    assert predicted is not None
    for row in (0, 7):
        draw = one.draws.iloc[row]
        lengths = {name: draw[name] for name in ("lambda_J", "lambda_phi", "lambda_sf_F", "lambda_sf_N")}
        interface = Interface.of(a1=draw["a1"])
        T = [torkance(0.0, x, **lengths, D_ratio=1.0, interface=interface, per="device").item() for x in d]
        assert np.allclose(predicted[0][row] + 1j * predicted[1][row], T, rtol=1e-12)
    own = replace(one.study.parameters["a1"], scope="device")
    scattered = replace(one, study=one.study.replace(parameters={**one.study.parameters, "a1": own}))
    assert predicted_slopes(scattered, d) is None


def test_signatures_say_how_each_goes_with_thickness() -> None:
    rows = signature_table("device").rows
    trends = {rows[k][0]: [row[-1] for row in rows[k : k + 3]] for k in range(0, len(rows), 3)}
    assert trends["ballistic"] == ["constant", "zero", "zero"]
    assert trends["ballistic+b1"] == trends["diffusion-bulk"] == ["constant"] * 3
    assert trends["diffusion"] == trends["diffusion+b1"] == ["changes"] * 3
    per_volume = [row[-1] for row in signature_table("volume").rows]
    assert per_volume[:6] == ["as 1/d", "zero", "zero", "as 1/d", "as 1/d", "constant"]
    line = next(line for line in plot_signatures("volume").axes[0].lines if line.get_gid() == "ballistic")
    assert np.allclose(line.get_ydata() * line.get_xdata(), 1.0)


def test_signatures_are_eq_12_and_13() -> None:
    """Thick layers with a long Λ go to the bulk; b1 turns the ratio r into (r + b)/(1 − r b)."""
    lengths = {"lambda_J": 1.2, "lambda_phi": 2.0, "lambda_sf_F": 1.5, "Lambda": 5.0}

    def ratio(name: str, d: float, b1: float = 0.0) -> float:
        slope = signature(MECHANISMS[name], [d], lengths=lengths, b1=b1)[0]
        return float(slope.imag / slope.real)

    bulk = ratio("diffusion-bulk", 200.0)
    chi, beta = (2.0 / 1.5) ** 2, (1.2 / 1.5) ** 2
    assert bulk == pytest.approx(-(chi**2) * beta / ((1 + chi) * beta**2 + chi**2), rel=1e-12)
    assert ratio("diffusion", 200.0) == pytest.approx(bulk, rel=1e-9)
    r, b = ratio("diffusion", 1.3), 0.4
    assert ratio("diffusion+b1", 1.3, b) == pytest.approx((r + b) / (1 - r * b), rel=1e-12)


def test_sentences_say_where_the_data_cannot_decide(found: MechanismComparison) -> None:
    assert conclusions(found)[0].startswith("The data favour diffusion over ballistic+b1")
    best = found.best
    close = replace(found["ballistic+b1"], evidence=replace(best.evidence, value=best.evidence.value - 1.0),
                    changes=best.changes)  # fmt: skip
    tied = replace(found, results=(close, best))
    said = conclusions(tied)
    assert said[0] == "The data cannot decide between diffusion, ballistic+b1."
    assert any("ballistic+b1 is not excluded: ln B" in line for line in said)
    assert "favour" not in " ".join(said)
    broken = replace(found, results=(replace(close, settled=False), best))
    assert conclusions(broken)[0].startswith("No verdict")
    assert "NOT excluded" in str(mechanism_tables(tied)[1])
