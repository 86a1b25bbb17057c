"""A study changed in any way is written as files that read back as the same study, to the last bit."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from model_studies import half_fitted, simulated, uneven
from small import problems_of
from unplaced import unplaced

import mtjfit
from mtjfit.data import Origin, TorqueCurve
from mtjfit.data.curve_file import CurveRecord
from mtjfit.errors import ConfigError, DataError, MtjfitError
from mtjfit.infer.store.fingerprint import describe
from mtjfit.study import AboutNominal, Fixed, LogNormal, LogUniform, Normal, Parameter, Prior, Sampling, Study, Uniform

NAN = float("nan")


@pytest.fixture(scope="module")
def series() -> Study:
    return mtjfit.load_study(mtjfit.dataset("thickness-series").study_file)


def edited(study: Study, **changes: Any) -> Study:
    return study.replace(curves=(replace(study.curves[0], **changes), *study.curves[1:]))


def declaring(study: Study, **parameters: Any) -> Study:
    kept = {name: each for name, each in {**study.parameters, **parameters}.items() if each is not None}
    return study.replace(parameters=kept)


def correlated(study: Study) -> Study:
    n = study.curves[0].bias.size
    covariance = np.diag(np.linspace(1e-6, 3e-6, 2 * n)) + 1e-7
    return edited(study, covariance=covariance, sigma_par=None, sigma_perp=None)


CHANGES: dict[str, Callable[[Study], Study]] = {
    "name": lambda s: s.replace(name='Lot 7 "β", \\ and more'),
    "curves dropped": lambda s: s.replace(curves=s.curves[1:3]),
    "another order": lambda s: s.replace(curves=s.curves[::-1]),
    "a mask": lambda s: s.replace(curves=[c.mask(c.bias > 0.2, 'over "limit"') for c in s.curves]),
    "masks of single points of one component": lambda s: s.replace(
        curves=[s.curves[0].mask(np.arange(s.curves[0].bias.size) % 3 == 1, "odd\nline", "perp"), *s.curves[1:]]
    ),
    "odd names": lambda s: edited(s, device=" =A1 / \u202e[x]", group="g\x7f ", source="ω.csv"),
    "conditions": lambda s: s.replace(curves=[replace(s.curves[0], condition=c) for c in ("300 K", "4 K")]),
    "groups": lambda s: declaring(
        s.replace(curves=[replace(c, group=f"w{i % 2}") for i, c in enumerate(s.curves)]),
        a1=Parameter("a1", Normal(0.1, 0.3), "group"),
    ),
    "origin": lambda s: edited(s, origin=Origin("reconstruction", "by hand; twice")),
    "notices": lambda s: edited(s, notices=("2 rows left out", "what is this?")),
    "another convention": lambda s: edited(s, declared_perp_axis="PxM"),
    "two points": lambda s: edited(s, **{
        name: getattr(s.curves[0], name)[:2] for name in ("bias", "par", "perp", "sigma_par", "sigma_perp")
    }, used=(), reasons=(), used_values=()),
    "one component": lambda s: edited(s, perp=NAN, sigma_perp=NAN, used_values=()),
    "a component that is missing in places": lambda s: edited(
        s,
        perp=np.where(s.curves[0].bias < 0, NAN, s.curves[0].perp),
        used_values=np.stack([s.curves[0].used_values[0], s.curves[0].bias >= 0]),
    ),
    "a covariance": correlated,
    "rho and errors of the bias": lambda s: edited(s, rho=np.full(s.curves[0].bias.size, 0.1), sigma_bias=0.003),
    "angles": lambda s: s.replace(
        curves=[replace(c, angle=2.5 + 30 * i, sin_theta="included") for i, c in enumerate(s.curves)]
    ),
    "awkward numbers": lambda s: edited(
        s, par=np.nextafter(s.curves[0].par, 1), perp=-0.0 * s.curves[0].perp, thickness=0.1 + 0.2
    ),
    "priors": lambda s: declaring(
        s, lambda_J=LogUniform(0.1, 1 / 3), lambda_phi=LogNormal(5, 1.5), lambda_sf_F=Uniform(1, 20),
        a1=Normal(0, 1, low=0), thickness=AboutNominal(0.3),
    ),
    "whole numbers and scopes": lambda s: declaring(
        s, a1=Parameter("a1", Normal(0, 1), "device"), b2=Parameter("b2", Fixed(1), "curve"), lambda_phi=np.inf
    ),
    "Lambda": lambda s: declaring(s, lambda_sf_N=None, D_ratio=None, Lambda=LogUniform(0.1, 100)),
    "a dead layer": lambda s: declaring(s, dead_layer=Uniform(0, 0.4)),
    "Student-t": lambda s: declaring(s, noise_dof=LogUniform(1, 50)),
    "jitter": lambda s: declaring(s, jitter_par=LogNormal(0.01, 3.0), jitter_perp=0.001),
    "scatter": lambda s: declaring(s, scatter_a1=LogNormal(0.05, 2.0)),
    "order of parameters": lambda s: s.replace(parameters=dict(reversed(s.parameters.items()))),
    "sampling": lambda s: s.replace(sampling=Sampling(2**63 - 1, np.int64(400), 5, 64, 700)),  # type: ignore[arg-type]
    "units of each curve": lambda _: simulated(unit="aN m").replace(
        curves=[replace(c, unit=u) for c, u in zip(simulated(unit="aN m").curves, ("aN m", "1e-19 N m", "N m"),
                                                   strict=True)]
    ),
    "torque and torkance": lambda _: simulated(unit="1e-19 N m").replace(
        curves=(*simulated(unit="1e-19 N m").curves, replace(
            simulated(quantity="torkance", unit="1e-19 N m/V").curves[0], device="Z"))
    ),
    "fields": lambda _: simulated(quantity="torkance", per="volume", unit="mT/V"),
    "errors to be fitted": lambda _: half_fitted(),
    "errors of every point": lambda _: uneven(),
}  # fmt: skip


def same(a: TorqueCurve, b: TorqueCurve) -> list[str]:
    """Names of the fields in which two curves differ, masked points included."""
    different = []
    for name in (each.name for each in fields(TorqueCurve)):
        one, other = getattr(a, name), getattr(b, name)
        equal = one.tobytes() == other.tobytes() if isinstance(one, np.ndarray) and other is not None else one == other
        different += [] if equal else [name]
    return different


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_study_reads_back_as_the_same_study(series: Study, change: str, tmp_path: Path) -> None:
    study = CHANGES[change](series)
    again = mtjfit.load_study(study.to_toml(tmp_path / "new"))
    assert describe(again, 1) == describe(study, 1)
    assert (again.name, again.sampling, dict(again.parameters)) == (study.name, study.sampling, dict(study.parameters))
    assert [same(a, b) for a, b in zip(again.curves, study.curves, strict=True)] == [[]] * len(study.curves)
    assert [*again.parameters] == [*study.parameters]


def test_every_change_is_one(series: Study) -> None:
    """A change that changes nothing would pass by the verbatim file."""
    seen = [describe(series, 1) | {"rest": str([vars(c) for c in series.curves]), "n": series.name}]
    for change in CHANGES.values():
        made = change(series)
        seen.append(describe(made, 1) | {"rest": str([vars(c) for c in made.curves]), "n": made.name})
    assert all(first != other for i, first in enumerate(seen) for other in seen[:i])


@pytest.mark.parametrize("change", [lambda s: s.replace(), lambda s: replace(s, name="other"), lambda s: edited(s)])
def test_a_copy_that_may_differ_forgets_the_file_that_was_read(series: Study, change: Callable[[Study], Study]) -> None:
    assert series.text
    assert series.files
    made = change(series)
    assert (made.text, dict(made.files)) == ("", {})


def test_the_study_of_a_file_is_written_with_its_data(series: Study, tmp_path: Path) -> None:
    """Also unchanged: a folder that moves to another machine must not need a file of this one."""
    series.to_toml(tmp_path)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["study-data.json", "study.toml"]
    assert set(mtjfit.load_study(tmp_path / "study.toml").files) == {"study-data.json"}
    assert series.to_toml(str(tmp_path)) == tmp_path / "study.toml"


def test_files_of_others_stay(series: Study, tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text("# mine")
    with pytest.raises(MtjfitError, match=r"study\.toml: exists already, and mtjfit did not write it"):
        series.to_toml(tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == ["study.toml"]


class Own(Prior):
    """A prior that no study file can name."""

    support = (0.1, 10.0)  # type: ignore[assignment]

    def logpdf(self, x: Any) -> Any:
        return np.where((np.asarray(x) > 0.1) & (np.asarray(x) < 10), -np.log(9.9), -np.inf)

    def cdf(self, x: Any) -> Any:
        return np.clip((np.asarray(x) - 0.1) / 9.9, 0, 1)

    def quantile(self, u: Any) -> Any:
        return 0.1 + 9.9 * np.asarray(u)

    def describe(self) -> str:
        return "flat, my own"


def test_a_prior_without_a_word_is_refused_before_anything_is_written(series: Study, tmp_path: Path) -> None:
    own = declaring(series, lambda_J=Own())
    assert problems_of(own.to_toml, tmp_path / "new", kind=ConfigError)[0].startswith(
        "parameters.lambda_J: has the prior <"
    )
    assert not (tmp_path / "new").exists()


def test_every_field_of_a_curve_is_written() -> None:
    assert {each.name for each in fields(CurveRecord)} == {each.name for each in fields(TorqueCurve)} - {"used"}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b'"format": 1', b'"format": 2', "study-data.json: has the format 2, this version of mtjfit reads 1"),
        (b'"kind": "curves"', b'"kind": "fit"', "study-data.json: is no file of curves: 'kind'"),
        (b'"thickness": 0.8', b'"thickness": "0.8"', "study-data.json: is no file of curves: 'curves.0.thickness'"),
        (b'"thickness": 0.8', b'"thickness": -1.0', "study-data.json: device 'F0.8nm': thickness is -1.0 nm"),
        (b'"device"', b'"gadget"', "study-data.json: is no file of curves: 'curves.0.device'"),
        (b'"device"', b'"spin": 1, "device"', "study-data.json: is no file of curves: 'curves.0.spin'"),
        (b"{", b"", "study-data.json: is no file of curves: "),
    ],
)
def test_a_damaged_data_file_is_refused_with_its_place(
    series: Study, tmp_path: Path, old: bytes, new: bytes, said: str
) -> None:
    path = series.to_toml(tmp_path)
    data = tmp_path / "study-data.json"
    assert old in data.read_bytes()
    data.write_bytes(data.read_bytes().replace(old, new, 1))
    assert problems_of(mtjfit.load_study, path, kind=DataError)[0].startswith(said)


def test_the_table_of_curves_takes_nothing_else(series: Study, tmp_path: Path) -> None:
    path = series.to_toml(tmp_path)
    path.write_text(path.read_text().replace("[[data]]\n", '[[data]]\nper = "area"\n'))
    problem = problems_of(mtjfit.load_study, path, kind=ConfigError)[0]
    assert unplaced(problem).startswith("study.toml: data[0].per: is no key")


def test_what_is_written_can_be_read_by_a_person(series: Study, tmp_path: Path) -> None:
    path = declaring(series, lambda_phi=LogNormal(5, 1.5)).to_toml(tmp_path)
    raw = tomllib.loads(path.read_text(encoding="utf-8"))
    assert raw["parameters"]["lambda_phi"] == {"prior": "lognormal", "median": 5.0, "factor": 1.5}
    assert max(map(len, (tmp_path / "study-data.json").read_text().splitlines())) < 2000
