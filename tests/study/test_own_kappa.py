"""A κ of one's own: the same numbers as the built-in one, and every fault named when the study is made."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import multivariate_normal

import mtjfit
from mtjfit.errors import ConfigError
from mtjfit.infer.store.fingerprint import describe
from mtjfit.model import structure
from mtjfit.model.likelihood import FullPosterior, transfer_gradient
from mtjfit.model.noise_models import make_posterior
from mtjfit.physics import Layer, kappa, kappa_stack
from mtjfit.study import EQ12, CurrentTerm, LogUniform, Normal, OwnModel, Parameter, Study, own_model

LENGTH = LogUniform(0.1, 100.0)


def waves(d: Any, lambda_J: Any, lambda_phi: Any, lambda_sf_F: Any, Lambda: Any) -> Any:
    """Eq. 12 as waves between the faces of F, not as the package writes it."""
    q0 = 1 / lambda_phi**2 - 1j / lambda_J**2
    q = np.sqrt(q0 + 1 / lambda_sf_F**2)
    t, r = np.exp(-q * d), (1 - Lambda * q) / (1 + Lambda * q)
    return q0 / q**2 * (1 - t) * (1 - r * t) / (1 + r * t * t)


@own_model(priors={"cap": LENGTH}, units={"cap": "nm"})
def again(d: Any, lambda_J: Any, lambda_phi: Any, lambda_sf_F: Any, cap: Any) -> Any:
    return waves(d, lambda_J, lambda_phi, lambda_sf_F, cap)


@own_model(priors={"t_N": LENGTH}, units={"t_N": "nm"}, terms={5: CurrentTerm(np.abs, np.sign)})
def finite_N(d: Any, lambda_J: Any, lambda_phi: Any, lambda_sf_F: Any, lambda_sf_N: Any, t_N: Any) -> Any:
    return waves(d, lambda_J, lambda_phi, lambda_sf_F, lambda_sf_N / np.tanh(t_N / lambda_sf_N))


def series() -> Study:
    return mtjfit.load_study(mtjfit.dataset("thickness-series").study_file)


@pytest.mark.slow
def test_eq12_written_again_has_the_same_fit() -> None:
    built_in, own = mtjfit.fit(series()), mtjfit.fit(series().with_model(again))
    assert own.chi2 == pytest.approx(built_in.chi2, rel=1e-9)
    for name, value in built_in.values.items():
        if name != "D_ratio":
            mine = "cap" if name == "lambda_sf_N" else name
            assert own.values[mine] == pytest.approx(value, rel=1e-6)
            error = built_in.errors.get(name)
            assert own.errors.get(mine) == (None if error is None else pytest.approx(error, rel=1e-6))
    assert {row.device: row.p_value for row in own.devices} == pytest.approx(
        {row.device: row.p_value for row in built_in.devices}
    )


def test_eq12_written_again_has_the_same_posterior() -> None:
    """Near the truth ln p of both is the same, so that chains, and evidences with them, are the same."""
    one, other = make_posterior(series()), make_posterior(series().with_model(again))
    centre = one.scores.of(np.array([[1.0, 1.0, 10.0, 1.1, 0.13, 0.08]]))
    z = centre + 0.01 * np.random.default_rng(0).standard_normal((50, one.size))
    assert other.log_posterior(z) == pytest.approx(one.log_posterior(z), abs=1e-6)
    drawn = [model.draw(z, np.random.default_rng(1)) for model in (one, other)]
    assert drawn[1]["thickness[F2.0nm]"] == pytest.approx(drawn[0]["thickness[F2.0nm]"], rel=1e-6)


def test_finite_differences_are_the_derivatives() -> None:
    one, other = FullPosterior(series()), FullPosterior(series().with_model(again))
    theta = one.prior_transform(np.random.default_rng(0).uniform(0.1, 0.9, (20, one.layout.size)))
    exact, found = (transfer_gradient(each.layout, each.layout.values(theta), per_volume=True) for each in (one, other))
    assert np.max(np.abs(found - exact)) < 1e-11 * np.max(np.abs(exact))


def test_differences_stay_inside_where_kappa_ends() -> None:
    """Central nodes beyond 1 have no κ: those on one side are taken, as exactly."""

    @own_model(priors={"P": LogUniform(0.1, 1.0)})
    def polarised(d: Any, P: Any) -> Any:
        return np.exp(1j * d) * (1 + np.where(P <= 1, P, np.nan) ** 3)

    slopes = polarised.slopes(np.array([2.0]), {"P": np.array([1.0])}, ["P"])
    assert slopes.by_log["P"] == pytest.approx(3 * np.exp(2j), rel=1e-9)


def test_a_finite_metal_is_the_stack_of_the_physics() -> None:
    mine = finite_N(1.2, lambda_J=1.0, lambda_phi=0.8, lambda_sf_F=10.0, lambda_sf_N=5.0, t_N=3.0)
    assert complex(mine) == pytest.approx(complex(kappa_stack(1.2, 1.0, 0.8, 10.0, [Layer(3.0, 5.0)])), rel=1e-12)


def test_rank_of_differences_sees_what_cannot_be_told_apart() -> None:
    """λ_sf^N and t_N enter through one number; rounding of differences must not count as information."""
    found = structure(FullPosterior(series().with_model(finite_N)))
    assert (found.rank, found.n_parameters) == (6, 7)
    assert "lambda_sf_N, t_N" in found.null_directions[0]
    assert structure(FullPosterior(series().with_model(again))).rank == 6


def test_parameters_follow_the_model() -> None:
    study = series().with_model(finite_N)
    assert study.lengths == ("lambda_J", "lambda_phi", "lambda_sf_F", "lambda_sf_N", "t_N")
    assert "D_ratio" not in study.parameters
    assert study.parameters["lambda_phi"] == series().parameters["lambda_phi"]
    assert (study.unit_of("t_N"), study.unit_of("lambda_J"), study.unit_of("b5")) == ("nm", "nm", study.unit_of("a1"))
    with pytest.raises(ConfigError, match=r"parameters\.D_ratio: is missing"):
        study.with_model(EQ12)


def test_fingerprints_hold_an_own_model_alone() -> None:
    assert "model" not in describe(series(), 1)
    found = describe(series().with_model(again), 1)["model"]
    assert found.startswith("again, sha256 ")
    assert describe(series().with_model(EQ12.with_terms({5: CurrentTerm(np.abs, np.sign)})), 1)["model"]
    assert pickle.loads(pickle.dumps(series().with_model(again))).model is again  # noqa: S301


def test_a_study_file_gives_priors_and_names_the_model(tmp_path: Path) -> None:
    folder = mtjfit.dataset("thickness-series").study_file.parent
    text = (folder / "study.toml").read_text(encoding="utf-8")
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    text = text.replace("[study]\n", '[study]\nmodel = "again"\n')
    lines = [line for line in text.splitlines() if not line.startswith(("lambda_sf_N", "D_ratio"))]
    file = tmp_path / "study.toml"
    file.write_text("\n".join(lines), encoding="utf-8")
    study = mtjfit.load_study(file, model=again)
    assert study.parameters["cap"] == Parameter("cap", LENGTH)
    for model, says in ((EQ12, "which no file holds"), (finite_N, "the model given is 'finite_N'")):
        with pytest.raises(ConfigError, match=says):
            mtjfit.load_study(file, model=model)


@pytest.mark.slow
def test_magnons_in_the_current() -> None:
    """A term i b5 |V| of J0, put into the torkances with the formula of the physics, is found with its size."""
    study = series().with_model(EQ12.with_terms({5: CurrentTerm(np.abs, np.sign)}))
    curves = []
    for c in study.curves:
        assert (c.per, c.quantity) == ("device", "torkance")
        more = kappa(c.thickness, 1.0, 1.0, 10.0, 1.0) * 0.02j * np.sign(c.bias)
        curves.append(replace(c, par=c.par + more.real, perp=c.perp + more.imag))
    without = study.replace(curves=tuple(curves))
    assert mtjfit.fit(without).p_value < 1e-9
    fit = mtjfit.fit(without.replace(parameters={**study.parameters, "b5": Parameter("b5", Normal(0.0, 1.0))}))
    assert fit.errors["b5"] < 1e-3
    assert fit.values["b5"] == pytest.approx(0.02, abs=3 * fit.errors["b5"])
    with pytest.raises(ConfigError, match=r"parameters\.b6: is no parameter"):
        study.replace(parameters={**study.parameters, "b6": Parameter("b6", Normal(0.0, 1.0))})


def test_the_likelihood_is_that_of_all_points_at_once() -> None:
    """With a finite N and |V|: the density of all values, amplitudes integrated out, from their whole covariance."""
    study = series().with_model(finite_N)
    study = study.replace(parameters={**study.parameters, "b5": Parameter("b5", Normal(0.01, 0.3))})
    model = FullPosterior(study)
    theta = model.prior_transform(np.random.default_rng(2).uniform(0.3, 0.7, (3, model.layout.size)))
    for one, values in zip(theta, model.layout.values(theta), strict=True):
        at = dict(zip(map(str, model.layout.names), values.tolist(), strict=True))
        lengths = [at[name] for name in ("lambda_J", "lambda_phi", "lambda_sf_F")]
        rows, y, sigma = [], [], []
        for c in study.curves:
            layers = [Layer(at["t_N"], at["lambda_sf_N"])]
            K = kappa_stack(at[f"thickness[{c.device}]"], *lengths, layers)
            each = np.stack([K * np.ones(c.bias.size), 2j * K * c.bias, 1j * K * np.sign(c.bias)], axis=-1)
            rows += [each.real, each.imag]
            y += [c.par, c.perp]
            sigma += [c.sigma_par, c.sigma_perp]
        X, sd, mean = np.concatenate(rows), np.array([1.0, 1.0, 0.3]), np.array([0.0, 0.0, 0.01])
        covariance = np.diag(np.concatenate(sigma) ** 2) + (X * sd**2) @ X.T
        exact = multivariate_normal(X @ mean, covariance).logpdf(np.concatenate(y))
        assert model.log_likelihood(one[None])[0] == pytest.approx(exact, rel=1e-7)


def ignored(d: Any, length: Any, unused: Any) -> Any:
    return np.exp(1j * d / length) + 0 * unused


HOSTILE: dict[str, tuple[Callable[..., Any], str]] = {
    "NaN": (lambda d, length: np.where(length > 1, np.nan, 1j * d / length), "returns .*nan.* at d = .*length = "),
    "ends": (lambda d, length: np.sinh(30 * d / length) / np.cosh(30 * d / length) + 0j, "finite there"),
    "shape": (lambda d, length: np.sum(d / length) + 0j, r"returns the shape \(\) for"),
    "real": (lambda d, length: d / length, "κ that is real; return complex numbers"),
    "raises": (lambda d, length: 1 / 0, "fails: ZeroDivisionError"),
    "ignores": (ignored, "unused: does not change κ"),
    "scalars": (lambda d, length: 1j * d / length if d > 1 else 0j, "fails: ValueError.*vectorised=False"),
    "neighbours": (lambda d, length: 1j * d / (length + length.mean()), "than for the same point among others"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_faults_are_named_when_the_study_is_made(case: str) -> None:
    function, says = HOSTILE[case]
    model = own_model(function, name="mine", priors=dict.fromkeys(("length",), LENGTH), version="1")
    study = series()
    kept = {name: one for name, one in study.parameters.items() if name in ("thickness", "a1", "b2")}
    names = {name: Parameter(name, LENGTH) for name in model.parameters}
    with pytest.raises(ConfigError, match=says):
        study.replace(model=model, parameters={**kept, **names})


@pytest.mark.parametrize(("calls", "is_slow"), [([9.0, 9.0, 9.0], True), ([9.0, 1e-4, 9.0], False)])
def test_a_slow_model_is_refused_unless_the_computer_was_busy(
    calls: list[float], is_slow: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([seconds for each in calls for seconds in (0.0, each)])
    monkeypatch.setattr("mtjfit.study.model_checks.time.perf_counter", lambda: next(clock))
    with pytest.raises(ConfigError, match="ms for each value of κ") if is_slow else nullcontext():
        series().with_model(again)


def test_one_number_at_a_time_is_enough_where_it_is_said() -> None:
    @own_model(priors={"length": LENGTH}, vectorised=False)
    def scalar(d: float, length: float) -> complex:
        return (1 - np.exp(-d / length)) * np.exp(0.3j) if length > 0.05 else 0j

    study = series()
    kept = {name: one for name, one in study.parameters.items() if name in ("thickness", "a1", "b2")}
    made = study.replace(model=scalar, parameters={**kept, "length": Parameter("length", LENGTH)})
    assert np.isfinite(FullPosterior(made).log_posterior(np.zeros((1, 6)) + np.r_[0.0, made.thicknesses])).all()


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (lambda d, Lambda: d, "Lambda: is a name of Eq. 12"),
        (lambda d, a1: d, "a1: has another meaning"),
        (lambda d, *rest: d, "does not name each of its arguments"),
        (lambda x, length: x, "call it d"),
        (lambda d, length="1": d, "default that is no number"),
    ],
)
def test_arguments_that_cannot_be_parameters(function: Callable[..., Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        own_model(function, name="mine", version="1")


def test_wrong_derivatives_are_found() -> None:
    def right(d: Any, length: Any) -> Any:
        return {"d": 1j / length, "length": -1j * d / length**2}

    def wrong(d: Any, length: Any) -> Any:
        return {**right(d, length), "length": 1j * d / length**2}

    def straight(d: Any, length: Any) -> Any:
        return 1j * d / length

    study = series()
    kept = {name: one for name, one in study.parameters.items() if name in ("thickness", "a1", "b2")}
    for derivatives, good in ((right, True), (wrong, False)):
        model: OwnModel = own_model(straight, derivatives=derivatives, priors={"length": LENGTH})
        parameters = {**kept, "length": Parameter("length", LENGTH)}
        if good:
            assert study.replace(model=model, parameters=parameters).model is model
        else:
            with pytest.raises(ConfigError, match="by length are not those of κ"):
                study.replace(model=model, parameters=parameters)


def test_terms_are_checked() -> None:
    with pytest.raises(ConfigError, match=r"terms\[3\]: is no digit.*"):
        EQ12.with_terms({3: CurrentTerm(np.abs)})
    with pytest.raises(ConfigError, match="one finite real number for each bias"):
        EQ12.with_terms({5: CurrentTerm(np.log)})
