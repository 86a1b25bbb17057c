"""A study as a document: what comes back is the study, to the last bit."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from small import small_curve

from mtjfit.data import Origin, TorqueCurve
from mtjfit.errors import MtjfitError
from mtjfit.infer import describe
from mtjfit.plain import checked_json
from mtjfit.study import AboutNominal, Fixed, LogNormal, LogUniform, Normal, Parameter, Sampling, Study, Uniform
from mtjfit.study.document import StudyRecord, study_document, study_from
from mtjfit.study.study import as_read

LENGTHS = ("lambda_J", "lambda_phi", "lambda_sf_F")


def again(study: Study, change: Callable[[dict[str, Any]], object] = lambda document: None) -> Study:
    """The study of its document, which is changed before it is read."""
    document = study_document(study)
    change(document)
    return study_from(checked_json(StudyRecord, json.dumps(document, allow_nan=False)))


def random_curve(rng: np.random.Generator, k: int, noise: str, *, one_component: bool, conditions: bool) -> TorqueCurve:
    """One of two curves of a device, or of a device of its own, with what a curve can have."""
    n = int(rng.integers(3, 8))
    values: dict[str, Any] = {"bias": np.sort(rng.normal(size=n)), "par": rng.normal(size=n),
                              "perp": np.nan if one_component else rng.normal(size=n)}  # fmt: skip
    sigma = None if noise == "fit" else rng.uniform(0.1, 1, n)
    values |= {"sigma_par": sigma, "sigma_perp": None if one_component else sigma}
    if noise == "rho" and not one_component:
        values["rho"] = rng.uniform(-0.9, 0.9, n)
    if noise == "covariance" and not one_component:
        root = rng.normal(size=(2 * n, 2 * n))
        values |= {"covariance": root @ root.T + np.eye(2 * n), "sigma_par": None, "sigma_perp": None}
    if noise in ("sigma", "rho"):
        values["sigma_bias"] = rng.uniform(0, 0.01, n)
    curve = small_curve(
        f"d{k // 2 if conditions else k} µ\n<b>", **values, thickness=1.0 + k // 2, group="W7" if k < 2 else "W8",
        condition=("", "300 K")[k % 2 * conditions], declared_perp_axis="PxM", source="a/b.csv", angle=37.5,
        sin_theta="divided", origin=Origin("simulated", "by hand"), notices=("two rows were left out",),
        unit=("1e-19 N m", "aN m")[k // 2],
    )  # fmt: skip
    return curve.mask(np.arange(n) == 1, "spike")


def random_study(seed: int) -> Study:
    """Four curves in two groups, in two units, of two devices or four; of every kind as the seed goes on."""
    rng = np.random.default_rng(seed)
    noise = ("fit", "sigma", "rho", "covariance", "student")[seed % 5]
    conditions = seed % 2 == 1
    curves = tuple(random_curve(rng, k, noise, one_component=seed % 7 == 3, conditions=conditions) for k in range(4))
    kinds = (LogUniform(rng.uniform(0.01, 1), 30.0), LogNormal(rng.uniform(1, 9), 2), Uniform(0, rng.uniform(5, 50)),
             Normal(rng.normal(5), 3, low=0.0))  # fmt: skip
    known: dict[str, Parameter] = {}

    def declare(name: str, prior: Any, scope: Any = "shared") -> None:
        known[name] = Parameter(name, prior, scope)

    for k, name in enumerate(LENGTHS):
        declare(name, kinds[(seed + k) % 4], ("shared", "group", "device")[rng.integers(3)])
    declare("lambda_sf_N", Fixed(rng.uniform(1, 9)), "group")
    declare("D_ratio", kinds[seed % 4])
    declare("a1", Normal(0, 20, high=rng.uniform(1, 9)), ("shared", "curve")[seed % 2])
    declare("b2", Normal(0.1, rng.uniform(1, 9)))
    declare("thickness", AboutNominal(rng.uniform(0.01, 0.1)) if seed % 3 else Fixed(0.0), "device")
    if noise == "fit":
        declare("noise_par", kinds[0])
        if seed % 7 != 3:
            declare("noise_perp", kinds[1], "device")
    elif seed % 3 == 1 and noise in ("sigma", "rho"):
        declare("jitter_par", kinds[2])
    if seed % 2 == 0:
        declare("dead_layer", Uniform(0.0, 0.5))
    if seed % 2 == 0 and noise != "student":
        declare("scatter_b2", Uniform(0.0, 0.5))
    if noise == "student":
        declare("noise_dof", Fixed(4.0) if seed % 4 == 0 else LogUniform(1.0, 100.0))
    sampling = Sampling(seed=2**62 + 1, target_ess=11, ensembles=5, walkers=40, max_steps=12)
    made = Study(f"µ-study {seed}", curves, known, sampling)
    return as_read(made, 'name = "\x1b[31mµ"\r\n', {"a/b.csv": "0" * 64})


def same(one: object, other: object) -> bool:
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    return type(one) is type(other) and one == other


@pytest.mark.parametrize("seed", range(24))
def test_studies_of_every_kind_come_back_to_the_last_bit(seed: int) -> None:
    study = random_study(seed)
    found = again(study)
    for one, other in zip(study.curves, found.curves, strict=True):
        assert [each.name for each in fields(one) if not same(getattr(one, each.name), getattr(other, each.name))] == []
    assert describe(found, 1) == describe(study, 1)
    assert dict(found.parameters) == dict(study.parameters)
    assert list(found.parameters) == list(study.parameters)
    assert (found.name, found.sampling, found.text, dict(found.files)) == (
        study.name, study.sampling, study.text, dict(study.files)
    )  # fmt: skip


CHANGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "a number that lacks": lambda d: d["curves"][0]["bias"].pop(),
    "a word for a number": lambda d: d["curves"][0]["bias"].__setitem__(0, "0.1"),
    "flags that lack": lambda d: d["curves"][0]["used_values"].pop(),
    "numbers for flags": lambda d: d["curves"][0].update(used_values=[[1, 0, 1], [1, 0, 1]]),
    "an unknown field": lambda d: d["curves"][0].update(spin="up"),
    "no bias": lambda d: d["curves"][0].pop("bias"),
    "no device": lambda d: d["curves"][0].pop("device"),
    "a device that is a number": lambda d: d["curves"][0].update(device=1),
    "an unknown quantity": lambda d: d["curves"][0].update(quantity="charge"),
    "an unknown origin": lambda d: d["curves"][0]["origin"].update(kind="invented"),
    "a device twice": lambda d: d["curves"].append(d["curves"][0]),
    "a parameter twice": lambda d: d["parameters"].append(d["parameters"][0]),
    "an unknown prior": lambda d: d["parameters"][0]["declared"].update(prior="cauchy"),
    "an unknown scope": lambda d: d["parameters"][0].update(scope="world"),
    "a seed out of range": lambda d: d["sampling"].update(seed=-1),
    "no name": lambda d: d.pop("name"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_documents_that_are_none_are_refused(change: Callable[[dict[str, Any]], object]) -> None:
    with pytest.raises((ValueError, MtjfitError)):
        again(random_study(2), change)
