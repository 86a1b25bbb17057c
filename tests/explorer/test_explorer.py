"""The explorer without a browser: its χ² is the fit's, its pictures are Eq. 12, and what it exports loads again."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from model_studies import LENGTH, TRUTH, label, naive, simulated
from scipy import stats
from shortcuts import few_starts, slow_after
from shown import contrast

import mtjfit
from mtjfit.data import Origin, TorqueCurve
from mtjfit.errors import MtjfitError, NotDetermined
from mtjfit.explorer import (
    AMPLITUDES,
    COLOURS,
    SLIDERS,
    ExploredStudy,
    SliderState,
    agreement,
    explorer_server,
    exported,
    facts,
    fit_from,
    heading,
    moved,
    pictures_at,
    shown,
    start,
    structure_of,
    value_of,
)
from mtjfit.explorer.command import explore_command
from mtjfit.model import Structure
from mtjfit.physics import Interface, kappa, spin_accumulation, torkance
from mtjfit.plot import OKABE_ITO
from mtjfit.study import (
    AboutNominal,
    EqualTo,
    Fixed,
    LogNormal,
    LogUniform,
    Normal,
    Parameter,
    Sampling,
    Study,
    load_study,
)

NOTHING_FREE = Structure(0, 0, ())  # χ² does not hang on it, and it takes a while to find
HOSTILE = '<script>alert("1")</script>'
KINDS: Mapping[str, dict[str, Any]] = {
    "uncertain thicknesses, torkance per volume": {"thickness": AboutNominal(0.1), "thickness_error": 0.1,
                                                  "per": "volume", "quantity": "torkance"},
    "Lambda, scatter": {"lambda_sf_N": None, "D_ratio": None, "Lambda": LENGTH, "scatter_a1": LogNormal(0.05, 2.0)},
    "own amplitudes, groups": {"a1": (Normal(0.0, 3.0), "device"), "lambda_J": (LENGTH, "group")},
    "more amplitudes, a length fixed at infinity": {"a2": Normal(0.0, 3.0), "b1": Fixed(0.1),
                                                    "lambda_sf_F": Fixed(np.inf)},
    "dead layer": {"dead_layer": Normal(0.2, 0.1, low=0.0, high=0.5)},
    "Student-t errors": {"noise_dof": LogUniform(1.0, 200.0)},
    "jitter": {"jitter_par": Fixed(0.01), "jitter_perp": Fixed(0.02)},
}  # fmt: skip


def at_the_optimum(explored: ExploredStudy, fit: mtjfit.FitResult) -> SliderState:
    """The sliders where a fit ended; what it does not know stays where the explorer starts."""
    state, values = start(explored), dict(fit.values)
    values["lambda_sf_N"] = values.get("Lambda", values.get("lambda_sf_N"))
    return replace(state, values=MappingProxyType({n: values.get(n, v) for n, v in state.values.items()}))


@pytest.fixture(scope="module")
def series() -> ExploredStudy:
    return ExploredStudy(load_study(mtjfit.dataset("thickness-series").study_file))


@pytest.mark.parametrize(("former", "name"), [("Explored", "ExploredStudy"), ("statistics", "agreement")])
def test_former_names_warn(former: str, name: str):
    import mtjfit.explorer as explorer

    with pytest.warns(DeprecationWarning, match=f"mtjfit.explorer.{former} is now .*{name}"):
        assert getattr(explorer, former) is getattr(explorer, name)


@pytest.mark.parametrize("kind", slow_after(1, KINDS))
def test_chi2_dof_and_p_are_those_of_the_fit_at_its_optimum(kind: str):
    explored = ExploredStudy(simulated(**KINDS[kind]))
    with few_starts():  # wherever a fit ends, both count alike
        fit = mtjfit.fit(explored.study)
    found = agreement(at_the_optimum(explored, fit), explored)
    assert found.chi2 == pytest.approx(fit.chi2, rel=1e-9)
    assert (found.dof, found.p_value) == (fit.dof, pytest.approx(fit.p_value, rel=1e-6))


def test_jitter_from_the_scatter_leaves_chi2_nothing_to_test_and_the_points_are_drawn_as_measured():
    explored = ExploredStudy(simulated(jitter_par=LogUniform(1e-4, 1.0), noise_dof=None))
    assert "no p-value" in str(agreement(start(explored), explored, NOTHING_FREE))
    tails = ExploredStudy(simulated(noise_dof=Fixed(2.0)))
    assert np.any(tails.normal.curves[0].par != tails.study.curves[0].par)
    assert np.array_equal(tails.open.curves[0].par, tails.study.curves[0].par)


def test_chi2_anywhere_is_the_sum_over_points():
    explored = ExploredStudy(simulated(thickness=AboutNominal(0.1), b1=Normal(0.0, 1.0)))
    state = start(explored)
    for slider, value in {"lambda_J": 0.7, "lambda_sf_N": 4.0, "D_ratio": 0.5, "d": 1.15, "a1": 1.3, "b1": 0.1}.items():
        state = moved(explored, state, slider, value)
    parts = naive(explored.open, state.values)
    amplitudes = [state.values[name] for name in parts["labels"]]
    expected = np.sum(((parts["y"] - parts["D"] @ amplitudes) / parts["sigma"]) ** 2) + (0.15 / 0.1) ** 2
    assert agreement(state, explored, NOTHING_FREE).chi2 == pytest.approx(expected, rel=1e-10)
    moved_on = moved(explored, state, "b1", 0.11)  # sabotage: another place has another χ²
    assert abs(agreement(moved_on, explored, NOTHING_FREE).chi2 / expected - 1) > 1e-3


def test_fitted_errors_have_no_p_value_and_are_drawn():
    explored = ExploredStudy(simulated(fit_sigma=True))
    state = fit_from(start(explored), explored)
    assert "no p-value" in str(agreement(state, explored))
    drawn = pictures_at(state, explored)
    assert drawn.torque.errors.real == pytest.approx(0.02, rel=0.4)
    assert drawn.kappa.errors.real == pytest.approx(0.02 / np.sqrt(11 * 0.1), rel=0.4)  # Σ V² of eleven points is 1.1


def test_fit_from_here_finds_the_fit_from_the_start_and_never_makes_it_worse(make_study):
    series = ExploredStudy(load_study(make_study()))
    with few_starts():
        best = mtjfit.fit(series.study)
    found = fit_from(start(series), series)
    assert agreement(found, series, NOTHING_FREE).chi2 == pytest.approx(best.chi2, rel=1e-6)
    assert found.values["a1"] == pytest.approx(best.values["a1"], rel=1e-3)
    again = fit_from(found, series)
    assert agreement(again, series, NOTHING_FREE).chi2 <= agreement(found, series, NOTHING_FREE).chi2
    off = moved(series, found, "lambda_sf_F", 30.0)
    assert agreement(fit_from(off, series), series, NOTHING_FREE).chi2 < agreement(off, series, NOTHING_FREE).chi2


def test_fit_from_here_leaves_alone_what_is_held(series: ExploredStudy):
    state = moved(series, moved(series, start(series), "b1", 0.03), "lambda_J", 1.4)
    state = replace(state, held=state.held | {"lambda_J", "a1"})
    found = fit_from(state, series)
    for slider in ("lambda_J", "D_ratio", "a1", "b1"):
        assert value_of(series, found, slider) == value_of(series, state, slider)
    assert agreement(found, series, NOTHING_FREE).chi2 < agreement(state, series, NOTHING_FREE).chi2
    freer = replace(state, held=frozenset({"D_ratio"}))
    assert (
        agreement(fit_from(freer, series), series, NOTHING_FREE).chi2 < agreement(found, series, NOTHING_FREE).chi2 - 10
    )


@pytest.mark.parametrize("thickness", [Fixed(0.0), AboutNominal(0.1)])
def test_nothing_free_determines_nothing(thickness: Fixed | AboutNominal):
    explored = ExploredStudy(simulated(thickness=thickness))
    state = replace(start(explored), held=frozenset(SLIDERS) - {"d"})
    assert agreement(state, explored).dof == explored.study.n_values
    if isinstance(thickness, AboutNominal):
        assert agreement(fit_from(state, explored), explored).chi2 < agreement(state, explored).chi2
        return
    with pytest.raises(NotDetermined, match="release"):
        fit_from(state, explored)


def test_pictures_are_the_formulas_where_the_sliders_stand(series: ExploredStudy):
    state = shown(start(series), "F2.0nm")
    at = {"lambda_J": 0.8, "lambda_phi": 1.5, "lambda_sf_F": 7.0, "lambda_sf_N": 3.0, "D_ratio": 0.4}
    for slider, value in (at | {"d": 2.1, "a1": 0.2, "b1": 0.03, "b2": -0.1}).items():
        state = moved(series, state, slider, value)
    drawn = pictures_at(state, series)
    expected = torkance(drawn.torque.bias, 2.1, **at, interface=Interface.of(a1=0.2, b1=0.03, b2=-0.1))
    assert drawn.torque.model == pytest.approx(expected, rel=1e-12)
    assert drawn.torque.data.real == pytest.approx(series.curve("F2.0nm").par)
    assert drawn.kappa.kappa == pytest.approx(kappa(drawn.kappa.d, **at), rel=1e-12)
    assert drawn.kappa.shown == pytest.approx(complex(kappa(2.1, **at)))
    assert drawn.accumulation.m == pytest.approx(spin_accumulation(drawn.accumulation.x, 2.1, **at), rel=1e-12)
    assert drawn.accumulation.d == 2.1
    assert drawn.accumulation.x.max() > 2.1
    # dm/dx at the barrier is −J0/D_F, whatever the lengths
    slope = np.diff(drawn.accumulation.m[:2]) / np.diff(drawn.accumulation.x[:2])
    assert slope[0] == pytest.approx(-1, abs=0.03)


@pytest.mark.parametrize(("per", "quantity"), [("device", "torque"), ("volume", "torkance")])
def test_what_the_data_say_of_kappa(per: str, quantity: str):
    """Without noise it is κ of the truth; with J0 twice too large half of that; the errors are those of a line."""
    explored = ExploredStudy(simulated(per=per, quantity=quantity, noise=1e-6))
    state = start(explored)
    for slider, value in (TRUTH | {"a1": 1.0, "b2": 0.6}).items():
        state = moved(explored, state, slider, value)
    true = kappa(explored.study.thicknesses, **TRUTH)
    assert pictures_at(state, explored).kappa.measured == pytest.approx(true, abs=1e-5)
    twice = moved(explored, moved(explored, state, "a1", 2.0), "b2", 1.2)
    drawn = pictures_at(twice, explored).kappa
    assert drawn.measured == pytest.approx(true / 2, abs=1e-5)
    V = explored.study.curves[0].bias
    J0 = 2.0 * V + 1.2j * V**2 if quantity == "torque" else 2.0 + 2.4j * V
    by_volume = explored.study.thicknesses if per == "volume" else 1.0
    assert drawn.errors.real == pytest.approx(1e-6 / np.sqrt(np.sum(np.abs(J0) ** 2)) * by_volume * np.ones(3))


def test_no_current_says_nothing_of_kappa(series: ExploredStudy):
    state = start(series)
    for name in AMPLITUDES:
        state = moved(series, state, name, 0.0)
    assert np.isnan(pictures_at(state, series).kappa.measured).all()


def test_sliders_move_what_they_say():
    explored = ExploredStudy(simulated(**KINDS["own amplitudes, groups"]))
    state = shown(start(explored), "B")
    after = moved(explored, moved(explored, state, "a1", 5.0), "lambda_J", 7.0)
    changed = {name for name in state.values if after.values[name] != state.values[name]}
    assert changed == {label(explored.study, explored.curve("B"), name) for name in ("a1", "lambda_J")}
    with pytest.raises(ValueError, match="none of"):
        moved(explored, state, "a2", 1.0)
    with pytest.raises(ValueError, match="positive"):
        moved(explored, state, "d", 0.0)


def loaded_again(explored: ExploredStudy, state: SliderState, folder: Path) -> Study:
    (folder / "exported.toml").write_text(exported(state, explored), encoding="utf-8")
    return load_study(folder / "exported.toml")


def test_export_fixes_what_is_held_and_keeps_all_else(make_study, tmp_path: Path):
    file = make_study()
    explored = ExploredStudy(load_study(file))
    state = moved(explored, moved(explored, start(explored), "b1", 0.0123), "D_ratio", 2.5)
    state = moved(explored, state, "lambda_J", 10**0.07)
    state = replace(state, held=frozenset({"lambda_J", "b1"}))
    again = loaded_again(explored, state, file.parent)
    assert again.parameters["b1"].prior == Fixed(0.0123)
    assert again.parameters["lambda_J"].prior == Fixed(10**0.07)
    assert again.parameters["D_ratio"].prior == LogNormal(2.5, 2.0)  # released, so it needs a prior
    for name in set(explored.study.parameters) - {"lambda_J", "D_ratio"}:
        assert again.parameters[name] == explored.study.parameters[name]
    assert (again.devices, again.sampling, again.files) == (
        explored.study.devices, explored.study.sampling, explored.study.files,
    )  # fmt: skip
    assert "# only D_ratio * lambda_sf_N enters the torque" in again.text
    assert start(ExploredStudy(again)).held == state.held


def test_export_with_everything_held_is_a_study_with_the_same_chi2(make_study):
    file = make_study()
    explored = ExploredStudy(load_study(file))
    best = fit_from(start(explored), explored)
    state = replace(best, held=frozenset(SLIDERS) - {"d"})
    again = ExploredStudy(loaded_again(explored, state, file.parent))
    found, expected = agreement(start(again), again), agreement(state, explored)
    assert found.chi2 == pytest.approx(expected.chi2, rel=1e-12)
    one_free = loaded_again(explored, replace(state, held=state.held - {"b2"}), file.parent)
    assert mtjfit.fit(one_free).chi2 == pytest.approx(expected.chi2, rel=1e-9)


WRITTEN = {
    "tables": "[parameters.lambda_J]\nfixed = 1.0\n",
    "dotted keys": "[parameters]\nlambda_J.fixed = 1.0\n",
    "spaces": "[ parameters ]\n'lambda_J' = {fixed = 1.0}\n",
}


@pytest.mark.parametrize("way", WRITTEN)
def test_export_of_files_written_in_another_way(way: str, make_study):
    """What lines cannot follow is written anew, with the same meaning; names cannot break out of a string."""
    name = 'x"\\ \U0001f9f2 [parameters] {a = 1} # é'

    def edit(text: str) -> str:
        head, rest = text.replace('"Simulated thickness series"', f"'''{name}'''").split("[parameters]\n")
        others = "".join(line for line in rest.splitlines(True) if not line.startswith("lambda_J "))
        others, sampling = others.split("[sampling]")
        parameters = f"[parameters]\n{others}{WRITTEN[way]}" if way == "tables" else WRITTEN[way] + others
        return f"{head}{parameters}\n[sampling]{sampling}"

    file = make_study(edit=edit)
    explored = ExploredStudy(load_study(file))
    state = moved(explored, start(explored), "lambda_J", 0.9)
    again = loaded_again(explored, state, file.parent)
    assert again.parameters["lambda_J"].prior == Fixed(0.9)
    assert again.name == explored.study.name == name


def test_export_of_a_product(make_study):
    def edit(text: str) -> str:
        kept = [line for line in text.splitlines() if not line.startswith("D_ratio")]
        return "\n".join(kept).replace("lambda_sf_N =", "Lambda =")

    file = make_study(edit=edit)
    explored = ExploredStudy(load_study(file))
    state = moved(explored, moved(explored, start(explored), "lambda_sf_N", 2.0), "D_ratio", 3.0)
    assert loaded_again(explored, state, file.parent).parameters["Lambda"] == explored.study.parameters["Lambda"]
    held = replace(state, held=state.held | {"lambda_sf_N"})
    assert loaded_again(explored, held, file.parent).parameters["Lambda"].prior == Fixed(6.0)


def test_export_of_a_study_made_in_python_loads_beside_its_data(tmp_path: Path):
    amplitude = (Normal(0.0, 3.0, low=0.0), "device")
    study = simulated(thickness=AboutNominal(0.1), a1=amplitude, noise_dof=LogUniform(1.0, 200.0))
    study = study.with_priors(lambda_sf_F=stats.gamma(2.0, scale=5.0))
    study = study.replace(
        sampling=Sampling(seed=7),
        parameters={**study.parameters, "lambda_phi": Parameter("lambda_phi", EqualTo("lambda_J", 2.0))},
    )
    explored = ExploredStudy(study)
    begun = start(explored)
    state = replace(begun, held=begun.held | {"lambda_J"})
    study.to_toml(tmp_path)
    again = loaded_again(explored, state, tmp_path)
    assert again.parameters["lambda_J"].prior == Fixed(state.values["lambda_J"])
    for name in set(study.parameters) - {"lambda_J"}:
        assert again.parameters[name] == study.parameters[name]
    assert (again.name, again.sampling, again.n_values) == (study.name, study.sampling, study.n_values)
    assert "# Save it beside study-data.json, which study.to_toml(folder) writes" in again.text


def test_export_of_a_prior_without_a_form_in_files_does_not_load_without_it(tmp_path: Path):
    class Mine(LogNormal):
        pass

    study = simulated(lambda_sf_F=Mine(5.0, 2.0))
    explored = ExploredStudy(study)
    study.with_priors(lambda_sf_F=1.0).to_toml(tmp_path)
    with pytest.raises(MtjfitError, match="lambda_sf_F"):
        loaded_again(explored, start(explored), tmp_path)


def test_a_model_of_ones_own_is_refused_with_the_reason() -> None:
    @mtjfit.own_model(name="constant", version="1")
    def constant(d: Any) -> Any:
        return np.ones_like(d) + 0j

    with pytest.raises(MtjfitError, match=r"lengths of Eq\. 12, but the study has the model 'constant'"):
        ExploredStudy(simulated().with_model(constant))


def test_names_from_files_are_escaped_and_data_not_measured_marked():
    study = simulated()
    curves = tuple(replace(c, origin=Origin("reconstruction", HOSTILE)) for c in study.curves)
    page = heading(ExploredStudy(study.replace(name=HOSTILE, curves=curves)))
    assert "RECONSTRUCTION, not measured" in page
    assert "<script" not in page
    assert page.count("&lt;script&gt;") == 2
    assert "not measured" not in heading(ExploredStudy(study))


def test_without_panel_the_message_says_how_to_get_it(series: ExploredStudy, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "panel", None)
    with pytest.raises(MtjfitError, match=r'python -m pip install "mtjfit\[explore\]"'):
        explorer_server(series.study)
    result = CliRunner().invoke(explore_command, ["--no-browser"])
    assert isinstance(result.exception, MtjfitError)


@pytest.mark.parametrize(("d", "warns"), [((2.0,), True), ((0.8, 1.5, 2.5), False)])
def test_what_one_thickness_does_not_determine_is_said(d: tuple[float, ...], warns: bool):
    explored = ExploredStudy(simulated(d))
    state = start(explored)
    said = facts(explored, state, pictures_at(state, explored).kappa, structure_of(state, explored))
    assert ("determine 3 of the 6 parameters" in said) is warns
    assert ("many other values fit as well" in said) is warns


def test_one_point_and_one_device():
    curve = TorqueCurve("only", [0.1], [1.0], [0.1], 2.0, "torque", "area", sigma_par=[0.1], sigma_perp=[0.1])
    study = simulated().replace(curves=(curve,))
    explored = ExploredStudy(study)
    drawn = pictures_at(start(explored), explored)
    assert np.isfinite(drawn.torque.model).all()
    assert np.ptp(drawn.torque.bias) > 0


def too_faint(colours: Mapping[str, str], ground: str = "#ffffff") -> list[str]:
    """Colours that cannot be read, or seen, on their ground: text needs 4.5, lines and symbols need 3."""
    least = {"data": 4.5, "mark": 4.5, "par": 3.0, "perp": 3.0, "faint": 3.0}
    return [name for name, ratio in least.items() if contrast(colours[name], ground) < ratio]


def test_everything_stands_out_from_the_page():
    assert too_faint(COLOURS) == []
    assert too_faint(COLOURS, ground=COLOURS["data"]) != []
    assert too_faint({**COLOURS, "perp": OKABE_ITO["orange"]}) == ["perp"]
