"""Plans: the sentence, the choice, the notes, and planning from priors, from data and from a single thickness."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from model_studies import AMPLITUDES, TRUTH, simulated
from plan_cases import PRIORS, REQUEST, design
from shown import HOSTILE, Shown, harmless, hostile_study

from mtjfit.errors import MtjfitError, NotConverged
from mtjfit.infer import Check, Posterior, Verdict
from mtjfit.model import make_posterior
from mtjfit.planning import (
    Candidate,
    Measurement,
    Plan,
    Target,
    candidate_fisher,
    candidates_table,
    draws_of,
    load_plan,
    measured,
    measured_again,
    measurement_like,
    plan,
    plan_document,
    plan_tables,
    thickness_grid,
)
from mtjfit.study import AboutNominal, Fixed, LogNormal, Noise, Normal, Study

NARROW = {name: LogNormal(value, 1.3) for name, value in TRUTH.items() if name != "D_ratio"}


def posterior_like(study: Study, *, converged: bool = True, n: int = 600) -> Posterior:
    """Draws about the truth, as a sampler might give."""
    model, rng = make_posterior(study), np.random.default_rng(1)
    true = {**TRUTH, **AMPLITUDES, "noise_par": 0.02, "noise_perp": 0.04, "noise_dof": 4.0, "jitter_par": 0.03}
    true |= {f"thickness[{c.device}]": c.thickness for c in study.curves}
    names = tuple(model.priors)
    chain = np.stack([true[name] * np.exp(0.05 * rng.standard_normal((4, n // 4, 1))) for name in names], axis=-1)
    verdict = Verdict((Check("made", converged, "made by hand"),), {})
    return Posterior(study, verdict, names, chain, np.zeros(chain.shape[:-1]), model.priors, {})


@cache
def with_data(target: str = "lambda_phi", k: int = 1) -> Plan:
    study = simulated((1.0, 2.0, 3.5), thickness=AboutNominal(0.05), **NARROW)
    return plan(study, target=target, choose=k, posterior=posterior_like(study), progress=False)


def test_the_plan_says_what_to_do_and_what_it_brings() -> None:
    found = with_data()
    assert found.sentence.startswith(f"grow {found.best.thickness:g} nm next: lambda_phi from ")
    assert found.chosen == (found.best.name,)
    assert found.table.after[found.best.name] == pytest.approx(found.after)
    growable = found.table[found.table.kind == "thickness"]
    assert len(growable) >= 50
    assert found.after == growable.after.min() < found.now
    assert found.now == pytest.approx(0.05, rel=0.1)  # of the logarithm of the draws
    assert found.confirmed is not None
    assert "by reweighting" in found.sentence or not found.confirmed.reliable


def test_devices_measured_again_are_compared() -> None:
    found = with_data()
    assert {"again", "points", "window", "noise", "torkance"} == set(found.others.kind)
    table = found.table
    assert table.after["all again, half the noise"] < table.after["all again, twice the points"] < found.now
    assert any("half the noise" in note for note in found.notes)


@pytest.mark.slow
def test_everything_is_told_in_bits() -> None:
    found = with_data("everything", 2)
    assert found.of_everything
    assert np.isnan(found.now)
    assert "bits about everything that devices share" in found.sentence
    assert found.path.bits.is_monotonic_increasing
    assert found.bits == found.path.bits.iloc[-1]
    assert all("nan" not in str(table) for table in plan_tables(found))


@pytest.mark.slow
def test_more_devices_bring_more_and_the_choice_cannot_be_bettered_by_moving_one() -> None:
    found = with_data("lambda_phi", 2)
    assert list(found.path.after) == sorted(found.path.after, reverse=True)
    assert sorted(found.path.device) == sorted(found.chosen)
    for name in found.chosen:
        free = found.moved[name].drop([other for other in found.chosen if other != name])
        assert free.idxmin() == name
    assert " and " in found.sentence


@pytest.mark.slow
def test_five_thicknesses_from_priors_alone(tmp_path: Path) -> None:
    (tmp_path / "priors.toml").write_text(PRIORS, encoding="utf-8")
    proposed, request = load_plan(tmp_path / "priors.toml")
    found = plan(proposed, request=request, progress=False)
    assert len(found.chosen) == 5
    assert found.choice.n_combinations == 2_349_060
    assert any("2 349 060 combinations" in note for note in found.notes)
    d = sorted(found.table.thickness[name] for name in found.chosen)
    assert d[0] < 1.0 < 4.0 < d[-1]  # both ends of κ(d)
    assert "half of all truths" in found.sentence
    assert found.confirmed is None
    assert found.now == pytest.approx(np.log(2.5), rel=0.02)
    assert found.after < 0.25 * found.now
    assert plan_document(found)["chosen"] == list(found.chosen)


def test_the_same_seed_gives_the_same_plan() -> None:
    one, other = (plan(design(), choose=2, seed=4, progress=False) for _ in range(2))
    assert one.chosen == other.chosen
    assert one.table.equals(other.table)


def test_the_request_by_its_former_name() -> None:
    request = replace(REQUEST, thickness=(1.0, 2.0))
    with pytest.warns(DeprecationWarning, match="request="):
        found = plan(design(), wishes=request, progress=False)
    assert list(found.table.index) == ["1 nm", "2 nm"]


def test_relative_noise_does_not_care_for_the_unit_of_the_torque() -> None:
    found = []
    for scale in (1.0, 1e-19):
        amplitudes = {"a1": Normal(scale, 0.3 * scale), "b2": Normal(0.6 * scale, 0.3 * scale)}
        request = replace(REQUEST, noise=Noise.of("2 %"))
        found.append(plan(design(**amplitudes), request=request, progress=False))
    np.testing.assert_allclose(found[0].table.after, found[1].table.after, rtol=1e-6)


def test_a_mechanism_is_asked_for_by_its_amplitude() -> None:
    found = plan(design(b1=Normal(0.0, 0.5)), target="b1", choose=3, progress=False)
    assert found.unit == "arb/V"
    assert found.now == pytest.approx(0.5, rel=0.02)
    assert "b1 from 0.5 arb V⁻¹ to" in found.sentence
    with pytest.raises(MtjfitError, match="declare b1 in"):
        plan(design(), target="b1", progress=False)
    with pytest.raises(MtjfitError, match="a fixed parameter cannot become better known"):
        plan(design(), target="D_ratio", progress=False)
    with pytest.raises(MtjfitError, match="did you mean 'lambda_phi'"):
        plan(design(), target="lambda_phy", progress=False)


def test_a_single_thickness_is_annealed_because_it_is_what_a_plan_is_for() -> None:
    study = simulated((1.2,), **NARROW)
    found = plan(study, [0.6, 1.2, 2.0, 4.0], target="lambda_phi", method="gaussian", progress=False)
    assert found.now > 0.1
    after = found.table.after
    assert after["1.2 nm"] > 0.9 * found.now  # the same thickness again says nothing new
    assert after.drop("1.2 nm").min() < 0.8 * found.now


@pytest.mark.parametrize(("declared", "expected"), [
    ({"fit_sigma": True}, (0.02, 0.04)),
    ({"jitter_par": LogNormal(0.03, 2.0)}, (np.hypot(0.02, 0.03), 0.02)),
    ({"noise_dof": Fixed(4.0)}, (0.02 * np.sqrt(7 / 5), 0.02 * np.sqrt(7 / 5))),
])  # fmt: skip
def test_a_new_device_is_as_noisy_as_those_that_are_there(declared: dict, expected: tuple[float, float]) -> None:
    study = simulated((1.0, 2.0), **declared)
    draws = draws_of(study, posterior_like(study), 1, np.random.default_rng(0), progress=False)[0]
    like = next(measured(draws)).measurement
    assert (like.noise_par.value, like.noise_perp.value) == pytest.approx(expected, rel=0.02)


def test_a_plan_says_that_new_points_are_taken_as_independent_where_those_of_the_data_are_not() -> None:
    study = simulated((1.0, 2.0))
    tied = study.replace(curves=tuple(replace(c, rho=np.full(c.bias.size, 0.5)) for c in study.curves))
    for each, said in ((study, False), (tied, True)):
        found = plan(each, [3.0], posterior=posterior_like(each), method="gaussian", progress=False)
        assert any("independent of each other" in note for note in found.notes) is said


def test_a_torque_in_place_of_a_torkance_is_in_the_unit_of_the_study() -> None:
    """Information does not depend on the unit in which the planned curve would be written."""
    study = simulated((1.0, 2.0), quantity="torkance", unit="hbar/2e/kohm")
    draws = draws_of(study, posterior_like(study), 1, np.random.default_rng(0), progress=False)[0]
    there = [measurement_like(c, 1.0, "hbar/2e/kohm", np.array([1, 2]), {}) for c in study.curves]
    as_torque = next(c for c in measured_again(there) if c.kind == "torque")
    curve = as_torque.measurements[0].curve()
    assert curve.unit == "N m"
    assert curve.sigma_par[0] == pytest.approx(0.02 * 0.5 * 3.29106e-25 * 1e6, rel=1e-4)
    assert np.all(np.isfinite(candidate_fisher(draws, as_torque)))


def test_relative_errors_of_a_planned_curve_are_a_share_of_the_signal() -> None:
    bias = np.array([-0.2, 0.0, 0.2])
    made = Measurement("new", 1.0, bias, Noise(0.02, relative=True), Noise(0.003), "torkance", "device", "aN m/V")
    for curve, expected in ((made.curve(signal=0.5), 0.01), (made.curve(), 0.02)):
        assert np.allclose(curve.sigma_par, expected, rtol=1e-12)
        assert np.allclose(curve.sigma_perp, 0.003, rtol=1e-12)


def test_the_grid_of_a_study_spans_its_thicknesses() -> None:
    d = thickness_grid(simulated((0.8, 1.2, 4.0)))
    assert 50 <= len(d) <= 130
    assert d[0] == pytest.approx(0.6, abs=0.06)
    assert d[-1] == pytest.approx(6.0, abs=0.06)


def test_what_contradicts_itself_is_refused() -> None:
    study = simulated((1.0, 2.0))
    good = posterior_like(study)
    with pytest.raises(NotConverged, match="did not converge: made by hand"):
        plan(study, posterior=posterior_like(study, converged=False), progress=False)
    with pytest.raises(MtjfitError, match="the data are per device"):
        plan(study, posterior=good, request=replace(REQUEST, per="volume"), progress=False)
    with pytest.raises(MtjfitError, match="4 are to be chosen, but there are 2"):
        plan(study, [1.0, 3.0], posterior=good, choose=4, progress=False)
    with pytest.raises(MtjfitError, match="names of their own"):
        plan(study, [1.0, 1.0], posterior=good, progress=False)
    with pytest.raises(MtjfitError, match="none of auto"):
        plan(study, posterior=good, method="magic", progress=False)  # type: ignore[arg-type]


def test_a_gain_that_is_little_is_called_little() -> None:
    study = simulated((1.0, 2.0, 3.5), **NARROW)
    noisy = replace(REQUEST, noise=Noise(5.0))
    found = plan(study, posterior=posterior_like(study), request=noisy, method="gaussian", progress=False)
    assert any(note.startswith("This is little: it leaves 100 %") for note in found.notes)


def test_tables_name_the_choice_and_a_candidate_of_ones_own() -> None:
    study = simulated((1.0, 2.0, 3.5), **NARROW)
    mine = Candidate("my idea", "idea", with_data().best.measurements)
    found = plan(study, [mine, 2.5], posterior=posterior_like(study), method="gaussian", progress=False)
    assert "2.5 nm*" in str(candidates_table(found))
    assert "my idea" in str(candidates_table(found))


def plan_of(study: Study) -> Plan:
    """A plan for one device with a hostile name."""
    path = pd.DataFrame({"device": [HOSTILE], "after": [0.1], "low": [0.05], "high": [0.2], "bits": [1.25]})
    table = pd.DataFrame({"kind": ["other"], "thickness": [2.0], "after": [0.1], "bits": [1.25]}, index=[HOSTILE])
    found: Any = SimpleNamespace(method="exhaustive", chosen=(0,), n_combinations=1)
    return Plan(study, Target("lambda_phi", ("lambda_phi",), True), "", (), table, (HOSTILE,), path, pd.DataFrame(),
                pd.DataFrame(), 0.3, found, None)  # fmt: skip


def test_names_from_files_stay_text_and_numbers_are_those_of_the_plan() -> None:
    html = plan_of(hostile_study())._repr_html_()
    assert harmless(html) == []
    assert HOSTILE[:40] in Shown(html).text
    assert "SIMULATED, not measured" in html
    assert "lambda_phi from 30 % to 10 %" in html
    assert len(html) < 30_000
