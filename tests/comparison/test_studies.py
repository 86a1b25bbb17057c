"""Data sets on one footing: what is compared, what is not, numbers that are those of the draws, and the picture."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from device_cases import drawn

import mtjfit
from mtjfit.comparison.studies.joint import joint_posterior
from mtjfit.comparison.studies.plot import plot_studies
from mtjfit.comparison.studies.tables import (
    device_quantities,
    footing_table,
    length_ratios_table,
    lengths_table,
    reconciled,
    studies_document,
    study_sentences,
)
from mtjfit.comparison.studies.tension import StudyComparison, Tension
from mtjfit.data import TorqueCurve
from mtjfit.physics import Interface, torkance, torque
from mtjfit.study import Fixed, LogNormal, Normal, Parameter, Study

BIAS = np.linspace(-0.5, 0.5, 21)
LAW = {"torque": torque, "torkance": torkance}


def study(quantity: str = "torque", per: str = "device", unit: str = "1e-19 N m", **changes: Any) -> Study:
    curves = []
    for k, d in enumerate((1.0, 2.0)):
        T = LAW[quantity](BIAS, d, 1.0, 1.0, 10.0, 1.0, interface=Interface.of(a1=1.0, b2=0.6), per=per)
        curves.append(
            TorqueCurve(f"D{k}", BIAS, T.real, T.imag, d, quantity, per, unit, sigma_par=np.full(21, 0.01),
                        sigma_perp=np.full(21, 0.01), **changes)
        )  # fmt: skip
    priors = {name: LogNormal(2.0, 2.0) for name in ("lambda_J", "lambda_phi", "lambda_sf_F", "Lambda")}
    priors |= {"thickness": Fixed(0.0), "a1": Normal(1.0, 1.0), "b2": Normal(1.0, 1.0)}
    parameters = {n: Parameter(n, p, "device" if n == "thickness" else "shared") for n, p in priors.items()}
    return Study("made", tuple(curves), parameters)


@pytest.fixture(name="pair")
def two() -> tuple[dict[str, Study], StudyComparison]:
    studies = {"p": study(), "q": study("torkance", "volume", "mT/V")}
    model, rng = joint_posterior(studies), np.random.default_rng(0)
    single = {label: drawn(each.size, rng, 0.3 * k) for k, (label, each) in enumerate(model.models.items())}
    return studies, StudyComparison(model, drawn(model.size, rng), single, Tension(-9.0, 0.1, -8.0, 0.2, 2.0))


def test_what_differs_in_form_is_not_compared() -> None:
    """Lengths and ratios always; amplitudes only of one kind."""
    base = study()

    def said(**others: Study) -> str:
        return " / ".join(reconciled({"p": base, **others}))

    assert "amplitudes are compared in 10⁻¹⁹ N m; per device they grow with its area" in said(q=study(unit="aN m"))
    assert "amplitudes are not compared: they are per device and per volume" in said(q=study(per="volume", unit="mT"))
    assert "10⁻¹⁹ N m and arb. units cannot be converted" in said(q=study(unit="arb"))
    assert "each fitted as they were measured" in said(q=study("torkance", unit="aN m/V"))
    assert "turned to M × P" in said(q=study(declared_perp_axis="PxM"))


def test_devices_of_all_sets_stand_in_one_unit() -> None:
    """The same device in units of 1e-19 and 1e-18 N m: one number; per volume: none."""
    fits = {"p": mtjfit.fit(study()), "q": mtjfit.fit(study(unit="aN m")), "r": mtjfit.fit(study(unit="arb"))}
    both = device_quantities({name: fits[name] for name in ("p", "q")})
    first, second = both.rows[0], both.rows[2]
    assert first[:2] == ("p", "D0")
    assert first[3:5] == second[3:5]
    assert float(second[5].split(" ±")[0]) == pytest.approx(10 * float(first[5].split(" ±")[0]), rel=1e-2)
    assert {row[5] for row in device_quantities({name: fits[name] for name in ("p", "r")}).rows} == {""}


def test_tables_hold_the_numbers_of_the_draws(pair: tuple[dict[str, Study], StudyComparison]) -> None:
    studies, found = pair
    draws = found.lengths
    assert list(draws) == ["p", "q", "all together"]
    z = found.single["q"].z
    np.testing.assert_allclose(
        draws["q"]["lambda_J"], 2.0 * 2.0 ** z[:, found.model.models["q"].names.index("lambda_J")]
    )
    table = lengths_table(found)
    assert table.header == ("length", "p", "q", "all together")
    assert float(table.rows[0][1].split()[0]) == pytest.approx(np.median(draws["p"]["lambda_J"]), rel=0.02)
    ratio = length_ratios_table(found).rows[0]
    assert ratio[1] == "p / q"
    assert float(ratio[2].split()[0]) == pytest.approx(2**-0.3, rel=0.05)
    assert ratio[3].endswith("smaller")
    assert [row[:5] for row in footing_table(studies).rows] == [
        ("p", "2", "1 to 2", "torque", "device"), ("q", "2", "1 to 2", "torkance", "volume"),
    ]  # fmt: skip
    document = json.loads(json.dumps(studies_document(found, studies), allow_nan=False))
    assert document["lengths"]["p"]["lambda_J"]["q50"] == pytest.approx(float(np.median(draws["p"]["lambda_J"])))
    assert document["tension"]["log_S"] == -8.0


def test_conclusions(pair: tuple[dict[str, Study], StudyComparison]) -> None:
    _, found = pair
    said = " ".join(study_sentences(found))
    assert said.startswith("The data sets disagree: p = ")
    assert "describes no single stack" in said
    rng = np.random.default_rng(1)
    bad = {**found.single, "q": drawn(found.model.models["q"].size, rng, converged=False)}
    said = " ".join(study_sentences(StudyComparison(found.model, found.joint, bad, found.tension)))
    assert said == "NOT CONVERGED: q; nothing may be concluded."


def test_picture(pair: tuple[dict[str, Study], StudyComparison]) -> None:
    studies, found = pair
    fig = plot_studies(found, studies)
    shown = [ax for ax in fig.axes if ax.get_visible()]
    assert len(shown) == 4
    lines = [line for line in shown[0].lines if line.get_gid() == "single"]
    assert len(lines) == 2
    peaks = [line.get_xdata()[np.argmax(line.get_ydata())] for line in lines]
    assert peaks[1] / peaks[0] == pytest.approx(2**0.3, rel=0.1)
    assert all(line.get_ydata().max() == pytest.approx(1.0) for line in lines)
