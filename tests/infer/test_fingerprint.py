"""What counts as the same study: everything that the numbers depend on, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace

import numpy as np
import pytest

import mtjfit
import mtjfit.infer.store.fingerprint as module
from mtjfit.data import Origin, TorqueCurve
from mtjfit.infer import MODEL_VERSION, describe, description_changes
from mtjfit.model import MarginalPosterior
from mtjfit.study import Fixed, Normal, Parameter, Study
from mtjfit.toml import toml_value


@pytest.fixture(scope="module")
def study() -> Study:
    loaded = mtjfit.load_study(mtjfit.dataset("thickness-series").study_file)
    return loaded.replace(curves=loaded.curves[:3])


def edited(study: Study, **changes: object) -> Study:
    """The study with its second curve changed."""
    first, second, *rest = study.curves
    return study.replace(curves=(first, replace(second, **changes), *rest))


def nudged(values: np.ndarray) -> np.ndarray:
    """One value moved by its last digit."""
    values = values.copy()
    values[7] = np.nextafter(values[7], np.inf)
    return values


def parameter(study: Study, name: str, **changes: object) -> Study:
    return study.replace(parameters=dict(study.parameters) | {name: replace(study.parameters[name], **changes)})


COUNTS: dict[str, tuple[str, Callable[[Study], Study]]] = {
    **{
        name: (f"device F1.2nm: {name}", lambda s, name=name: edited(s, **{name: nudged(getattr(s.curves[1], name))}))
        for name in ("bias", "par", "perp", "sigma_par", "sigma_perp")
    },
    "a masked point": ("device F1.2nm: par", lambda s: s.replace(
        curves=(s.curves[0], s.curves[1].mask(np.arange(s.curves[1].bias.size) == 3, "odd"), s.curves[2]))),
    "thickness": ("device F1.2nm: thickness", lambda s: edited(s, thickness=1.2000001)),
    "group": ("device F1.2nm: group", lambda s: edited(s, group="other")),
    "order of devices": ("devices", lambda s: s.replace(curves=s.curves[::-1])),
    "prior": ("parameters.a1", lambda s: parameter(s, "a1", prior=Normal(0.0, np.nextafter(1.0, 2.0)))),
    "order of amplitudes": ("amplitudes", lambda s: s.replace(
        parameters=dict(sorted(s.parameters.items(), key=lambda item: item[0] == "a1")))),
    "ensembles": ("sampling.ensembles", lambda s: s.replace(sampling=replace(s.sampling, ensembles=5))),
    "walkers": ("sampling.walkers", lambda s: s.replace(sampling=replace(s.sampling, walkers=64))),
}  # fmt: skip
"""What is changed, the key that must say so, and how."""

COUNTS_NOT: dict[str, Callable[[Study], Study]] = {
    "name": lambda s: s.replace(name="other"),
    "text and files": lambda s: s.replace(),
    "origin": lambda s: edited(s, origin=Origin("measured")),
    "source": lambda s: edited(s, source="other.csv"),
    "target_ess": lambda s: s.replace(sampling=replace(s.sampling, target_ess=5000)),
    "max_steps": lambda s: s.replace(sampling=replace(s.sampling, max_steps=7000)),
    "seed of the study, another being used": lambda s: s.replace(sampling=replace(s.sampling, seed=99)),
    "floats of numpy": lambda s: parameter(
        s, "a1", prior=replace(s.parameters["a1"].prior, sd=np.float64(s.parameters["a1"].prior.sd))
    ),
}


def changed(study: Study, change: Callable[[Study], Study]) -> tuple[str, ...]:
    return description_changes(describe(study, 1), describe(change(study), 1))


def keys(found: tuple[str, ...]) -> set[str]:
    return {line.partition(": was")[0] for line in found}


@pytest.mark.parametrize("name", COUNTS)
def test_what_changes_the_numbers_is_another_study(study: Study, name: str):
    key, change = COUNTS[name]
    assert key in keys(changed(study, change))
    assert module.fingerprint(describe(study, 1)) != module.fingerprint(describe(change(study), 1))


@pytest.mark.parametrize("name", COUNTS_NOT)
def test_what_does_not_is_the_same(study: Study, name: str):
    assert changed(study, COUNTS_NOT[name]) == ()


def test_the_seed_counts(study: Study):
    assert description_changes(describe(study, 1), describe(study, 2)) == ("sampling.seed: was 1, is 2",)


def test_points_that_were_masked_already_do_not_count(study: Study):
    where = np.arange(study.curves[1].bias.size) == 7
    masked = study.replace(curves=(study.curves[0], study.curves[1].mask(where, "odd"), study.curves[2]))
    again = edited(masked, par=nudged(masked.curves[1].par), reasons=tuple("other" for _ in where))
    assert description_changes(describe(masked, 1), describe(again, 1)) == ()


@pytest.mark.parametrize("name", ["sigma_par", "sigma_perp", "par", "thickness", "group"])
def test_sabotage_a_field_that_is_ignored_is_seen(study: Study, name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "IGNORED_OF_CURVE", module.IGNORED_OF_CURVE | {name})
    with pytest.raises(AssertionError):
        test_what_changes_the_numbers_is_another_study(study, name)


def test_sabotage_an_ignored_setting_or_a_parameter_without_its_last_digits_is_seen(study: Study, monkeypatch):
    monkeypatch.setattr(module, "IGNORED_OF_SAMPLING", module.IGNORED_OF_SAMPLING | {"walkers"})
    assert changed(study, COUNTS["walkers"][1]) == ()
    one, other = (each.parameters["a1"].prior.describe() for each in (study, COUNTS["prior"][1](study)))
    assert one == other  # the words for people would not do


def test_every_field_of_a_curve_is_known(study: Study):
    """Whoever adds one decides here whether it changes the numbers; unless said otherwise, it does."""
    counted = {key.partition(": ")[2] for key in describe(study, 1) if key.startswith("device F1.2nm")}
    assert counted == {each.name for each in fields(TorqueCurve)} - module.IGNORED_OF_CURVE


def test_parameters_that_differ_are_shown_as_a_study_file_writes_them(study: Study):
    (line,) = changed(study, lambda s: parameter(s, "a1", prior=Normal(0.0, 2.0, low=-5.0)))
    words = "was { prior = "
    assert line.startswith(f'parameters.a1: {words}"normal", mean = 0.0, sd = ')
    assert line.endswith(', is { prior = "normal", mean = 0.0, sd = 2.0, low = -5.0 }')
    told = [*map(module._as_declared, map(module._words, study.parameters.values()))]
    assert [toml_value(each.to_toml()) for each in study.parameters.values()] == told
    other = "Parameter(name=a1, prior=Own(a=1.0), scope=shared)"
    assert module._as_declared(other) == other


def test_the_differences_are_readable(study: Study):
    (line,) = changed(study, lambda s: edited(s, sigma_par=2 * s.curves[1].sigma_par))
    start = "device F1.2nm: sigma_par: was 41 values from 0.0026 to 0.0026, mean 0.0026, sha256 acca2a90…, is 41 values"
    assert line.startswith(f"{start} from 0.0052 to 0.0052, mean 0.0052, sha256 ")
    assert len(description_changes({"a": "x" * 1000}, {"a": "y"})[0]) < 200


def test_this_version_of_the_model_computes_these_numbers(study: Study):
    """If this fails, the same study has another posterior than before: raise MODEL_VERSION, and say so in CHANGELOG.

    The numbers were written down when the version was set; the tests of the model say whether they are right.
    """
    known = Parameter("thickness", Fixed(0.0), "device")
    model = MarginalPosterior(study.replace(parameters=dict(study.parameters) | {"thickness": known}))
    points = model.scores.of(np.array([[1.0, 1.0, 10.0, 1.0], [0.9, 1.1, 20.0, 2.0], [1.5, 0.8, 5.0, 0.5]]))
    assert MODEL_VERSION == 4
    expected = [1083.395670604715, 307.6833931087732, -635.9100114934402]
    np.testing.assert_allclose(model.log_posterior(points), expected, rtol=1e-9)
