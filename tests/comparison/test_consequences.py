"""Consequences against independent physics: conservation, equations of motion, definitions; and their marks."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from device_cases import draws_about, posterior_of
from model_studies import simulated
from mpmath import cosh, mp, mpc, mpf, sinh, sqrt
from numpy.polynomial.legendre import leggauss
from scipy.integrate import solve_ivp

from mtjfit.comparison import (
    Consequences,
    FreeLayer,
    consequences,
    explained_by,
    layer_draws,
    layer_parameters,
    odd_part,
    prior_draws,
)
from mtjfit.infer import Posterior
from mtjfit.physics import kappa_effective, spin_accumulation
from mtjfit.results import torque_draws
from mtjfit.study import AboutNominal, Fixed, LogNormal, LogUniform, Normal, Study

LENGTHS = ("lambda_J", "lambda_phi", "lambda_sf_F", "lambda_sf_N")
V = np.array([-0.4, -0.1, 0.3])
THICKNESS = (0.3, 1.1, 6.0)


def posterior(study: Study | None = None, **changes: object) -> Posterior:
    study = study or simulated()
    return posterior_of(study, draws_about(study).assign(**changes))


def row(found: Consequences, quantity: str, thickness: float, bias: float | None = None) -> pd.Series:
    table = found.table
    chosen = (table["quantity"] == quantity) & np.isclose(table["thickness"], thickness)
    chosen &= table["bias"].isna() if bias is None else np.isclose(table["bias"], bias)
    assert chosen.sum() == 1
    return table[chosen].iloc[0]


def layer_of(n: int, width: float = 0.02, **changes: object) -> FreeLayer:
    study = simulated(**changes)
    return layer_draws(study, draws_about(study, n, width))


def draws_of(found: Consequences, quantity: str, thickness: float, bias: float | None = None) -> np.ndarray:
    return found.draws[:, row(found, quantity, thickness, bias).name]


def test_what_is_not_absorbed_is_the_closed_form_to_fifty_digits() -> None:
    layer = layer_of(20, 0.5)
    found = layer.transmitted(THICKNESS)
    with mp.workdps(50):
        for k in range(20):
            J, phi, F, Lambda = (mpf(float(layer.lengths[n][k, 0])) for n in (*LENGTHS[:3], "Lambda"))
            q = sqrt(mpc(1 / phi**2 + 1 / F**2, -1 / J**2))
            for j, d in enumerate(THICKNESS):
                exact = complex(1 / (cosh(q * mpf(d)) + Lambda * q * sinh(q * mpf(d))))
                assert abs(found[k, j] - exact) < 1e-13 * abs(exact)


def test_moments_lattice_and_normal_metal_share_all_of_the_current() -> None:
    """Re f is ∫ m dx D/λ_sf² by quadrature of Eq. 9: nothing that κ or J(d) come from."""
    study = simulated(lambda_sf_F=Fixed(2.0))
    found = consequences(posterior(study), thickness=THICKNESS, bias=[0.2])
    lengths = [found.layer.lengths[n] for n in (*LENGTHS[:3], "Lambda")]
    nodes, weights = leggauss(40)
    for d in THICKNESS:
        m = spin_accumulation(d * (nodes[None] + 1) / 2, d, *lengths)
        lost = ((m @ weights) * d / 2 / 2.0**2).real
        names = ("to the lattice, Re f", "to the moments, Re κ", "into N, Re J(d)/J0")
        lattice, moments, normal = (draws_of(found, name, d) for name in names)
        np.testing.assert_allclose(lattice, lost, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(lattice + moments + normal, 1.0, rtol=1e-12)
        assert not np.allclose(lattice, lost / 2.0, rtol=1e-3)  # λ_sf in place of its square


def test_absorption_lies_between_nothing_and_everything_by_the_length_behind_the_layer() -> None:
    """Λ = 0 takes up everything that arrives, Λ = ∞ lets nothing out."""
    study = simulated(**dict.fromkeys(LENGTHS, LogUniform(0.1, 100.0)))
    layer = layer_draws(study, prior_draws(posterior(study), layer_parameters(study)))
    absorbed = 1 - np.abs(layer.transmitted([1e-3, 0.1, 1.0, 5.0, 1e3, np.inf]))
    assert np.all(absorbed >= -1e-12)
    assert np.all(absorbed <= 1)
    assert np.all(np.diff(absorbed, axis=1) >= -1e-12)  # thicker layers absorb more
    np.testing.assert_allclose(absorbed[:, -1], 1.0)
    closed, open_ = (layer_of(10, lambda_sf_N=Fixed(x)).transmitted([1e-9, 1.0]) for x in (np.inf, 0.0))
    np.testing.assert_allclose(np.abs(closed), 0.0, atol=1e-7)
    np.testing.assert_allclose(np.abs(open_[:, 0]), 1.0)


def test_exact_effective_length_gives_back_kappa_and_eq_17_only_nearly() -> None:
    layer = layer_of(30, 0.2)
    d = np.array([0.2, 1.0, 3.0])
    J, phi = layer.lengths["lambda_J"], layer.lengths["lambda_phi"]
    np.testing.assert_allclose(kappa_effective(J, phi, layer.lambda_sf_star_exact(d)), layer.kappa(d), rtol=1e-11)
    eq_17 = layer.lengths["lambda_sf_F"] ** -2 + 1 / (layer.lengths["Lambda"] * d)
    np.testing.assert_allclose(layer.lambda_sf_star(d) ** -2, eq_17, rtol=1e-12)
    assert not np.allclose(kappa_effective(J, phi, layer.lambda_sf_star(d)), layer.kappa(d), rtol=0.05)


@pytest.mark.parametrize("per", ["device", "volume"])
@pytest.mark.parametrize("extra", [{}, {"dead_layer": LogUniform(0.01, 0.5)}, {"b1": Normal(0.0, 3.0)}], ids=str)
def test_torque_at_a_device_is_that_of_the_prediction(per: str, extra: dict[str, object]) -> None:
    study = simulated(per=per, **extra)
    draws = draws_about(study, 6, 0.2, {"dead_layer": 0.2})
    layer = layer_draws(study, draws)
    for curve in study.curves:
        found = layer.torque(curve.thickness, V)[:, 0]
        np.testing.assert_allclose(found, torque_draws(study, draws, curve, V), rtol=1e-12)


def test_intervals_are_quantiles_of_the_draws_of_each_row() -> None:
    found = consequences(posterior(), thickness=[1.5], bias=[0.3])
    T = found.layer.torque(1.5, [0.3, -0.3])[:, 0]
    asked = {
        ("T_par", 0.3): T[:, 0].real, ("T_perp", -0.3): T[:, 1].imag,
        ("T_perp/T_par", -0.3): T[:, 1].imag / T[:, 1].real,
        ("T_perp(+V) − T_perp(−V)", 0.3): T[:, 0].imag - T[:, 1].imag,
        ("odd part of T_perp over T_par", -0.3): (T[:, 1].imag - T[:, 0].imag) / 2 / T[:, 1].real,
    }  # fmt: skip
    for (name, bias), draws in asked.items():
        one = row(found, name, 1.5, bias)[["q025", "q16", "median", "q84", "q975"]].astype(float)
        np.testing.assert_allclose(one, np.quantile(draws, [0.025, 0.16, 0.5, 0.84, 0.975]), rtol=1e-9)
    asymmetry = draws_of(found, "asymmetry of |T_perp|", 1.5, 0.3)
    plus, minus = np.abs(T.imag).T
    np.testing.assert_allclose(asymmetry * (plus + minus), plus - minus, rtol=1e-10, atol=1e-15)


def test_everything_outside_the_data_is_marked_and_nothing_else() -> None:
    study = simulated()
    found = consequences(posterior(study), thickness=[0.9, 1.0, 3.5, 3.6], bias=[0.5, 0.6])
    assert found.measured == ((1.0, 3.5), (-0.5, 0.5))
    for one in found.table.to_dict("records"):
        expected = [] if 1.0 <= one["thickness"] <= 3.5 else ["thickness"]
        expected += ["bias"] if abs(one["bias"]) > 0.5 else []
        assert one["extrapolated"] == ", ".join(expected)
    lopsided = study.replace(curves=tuple(c.mask(c.bias < -0.25, "window") for c in study.curves))
    found = consequences(posterior(lopsided), thickness=[1.0], bias=[0.3])
    assert row(found, "T_perp", 1.0, 0.3)["extrapolated"] == ""
    assert row(found, "T_perp", 1.0, -0.3)["extrapolated"] == "bias"
    assert row(found, "T_perp(+V) − T_perp(−V)", 1.0, 0.3)["extrapolated"] == "bias"
    assert any(says.startswith("Measured: 1 to 3.5 nm, -0.2 to 0.5 V") for says in found.says)


def test_rows_that_inherit_a_prior_say_of_which_parameter() -> None:
    """λ_sf^F straight from its prior: what the lattice takes hangs on it, T_par does not. Sharpened, nothing does."""
    study = simulated(lambda_sf_F=LogNormal(10.0, 2.0))
    n, rng = 400, np.random.default_rng(2)
    left = posterior(study, lambda_sf_F=study.parameters["lambda_sf_F"].prior.quantile(rng.random(n)))
    assert [name for name in layer_parameters(study) if left.determined(name) != "yes"] == ["lambda_sf_F"]
    found = consequences(left, thickness=[2.0], bias=[0.2])
    assert row(found, "to the lattice, Re f", 2.0)["leans_on"] == "lambda_sf_F"
    assert row(found, "to the lattice, Re f", 2.0)["prior_left"] > 0.1
    assert row(found, "T_par", 2.0, 0.2)["leans_on"] == ""
    assert any("of lambda_sf_F" in says for says in found.says)
    assert "with the priors of lambda_sf_F" in str(found)
    sharp = consequences(posterior(study), thickness=[2.0], bias=[0.2])
    assert set(sharp.table["leans_on"]) == {""}


def test_draws_of_the_prior_alone_are_all_prior() -> None:
    study = simulated(a1=Normal(0.0, 3.0))
    draws = prior_draws(posterior(study), layer_parameters(study))
    found = consequences(posterior_of(study, draws), thickness=[2.0], bias=[0.2])
    np.testing.assert_allclose(found.table["prior_left"], 1.0, atol=0.05)  # 2000 of 2048
    assert (found.table["leans_on"] != "").all()


def test_explained_share_is_that_of_known_sums() -> None:
    rng = np.random.default_rng(3)
    x = rng.standard_normal((4000, 3))
    y = np.stack([np.sqrt(0.3) * x[:, 0] + np.sqrt(0.7) * rng.standard_normal(4000), x[:, 0] + x[:, 1]], axis=1)
    share = explained_by(y, x)
    np.testing.assert_allclose(share[0], [0.3, 0, 0, 0.3], atol=0.04)
    np.testing.assert_allclose(share[1], [0.5, 0.5, 0, 1.0], atol=0.04)
    assert explained_by(np.ones((4000, 1)), x).tolist() == [[0, 0, 0, 0]]
    assert explained_by(y, x[:, :0]).tolist() == [[0], [0]]


def final_states(T_par: np.ndarray, T_perp: np.ndarray, start: np.ndarray) -> np.ndarray:
    """M·P long after dM/dt = T_par M × (P × M) + T_perp M × P + α M × dM/dt; arrays of one shape."""
    alpha, P = 0.5, np.array([0.0, 0.0, 1.0])

    def rate(_: float, flat: np.ndarray) -> np.ndarray:
        M = flat.reshape(-1, 3)
        torque = T_par[:, None] * np.cross(M, np.cross(P, M)) + T_perp[:, None] * np.cross(M, P)
        return ((torque + alpha * np.cross(M, torque)) / (1 + alpha**2)).ravel()

    M = np.stack([np.sin(start), 0 * start, np.cos(start)], axis=-1)
    return np.asarray(solve_ivp(rate, (0.0, 25.0), M.ravel(), rtol=1e-8).y[:, -1].reshape(-1, 3) @ P)


def test_torques_of_equal_sign_drive_the_moment_to_opposite_states() -> None:
    """The rule behind `competing`, by integration of the equation of motion."""
    start, sign = (a.ravel() for a in np.meshgrid([0.4, 1.5, 2.6], [1.0, -1.0]))  # the sign of dM/dt against T
    np.testing.assert_allclose(final_states(sign, 0 * sign, start), sign, atol=1e-3)
    np.testing.assert_allclose(final_states(0 * sign, sign, start), -sign, atol=1e-3)
    # the same signs do not cooperate, opposite ones do: the state of both together is reached faster
    late = np.full(2, 1.5)
    slow, fast = 1 - final_states(np.full(2, 0.1), np.array([0.1, -0.1]), late)
    assert fast < 0.6 * slow


def test_diffusion_takes_from_the_competition_and_an_opposite_b1_adds_to_it() -> None:
    """Im κ < 0: the odd T_perp is opposite to T_par. With b1 large and positive it is not, and the words turn."""
    asked = {"thickness": [1.0], "bias": [0.3]}
    found = consequences(posterior(simulated((1.0, 1.5))), **asked)
    assert "the torques cooperate at both signs of V: at +0.3 V (" in found.says[0] or (
        "compete at +0.3 V (" in found.says[0] and "and cooperate at −0.3 V (" in found.says[0])  # fmt: skip
    assert "it supports T_par, which" in found.says[0]
    assert "helps against back-hopping" in found.says[0]
    assert draws_of(found, "odd part of T_perp over T_par", 1.0, 0.3).max() < 0
    asymmetric = simulated((1.0, 1.5), b1=Normal(0.0, 3.0))
    for b1, says in (
        (np.full(400, 1.5), "likelier"),
        (np.random.default_rng(0).normal(0.25, 0.3, 400), "not determined"),
    ):
        assert says in consequences(posterior(asymmetric, b1=b1), **asked).says[0]
    assert "not determined" in odd_part([np.array([1.0, -1.0]), np.array([-1.0, 1.0])])


def test_devices_with_parameters_of_their_own_have_to_be_named() -> None:
    study = simulated(lambda_J=(LogUniform(0.1, 100.0), "group"))
    base = draws_about(study)
    base["lambda_J[g1]"] *= 2
    both = posterior_of(study, base)
    with pytest.raises(ValueError, match="lambda_J differ between devices"):
        consequences(both)
    one, other = (consequences(both, thickness=[1.5], bias=[0.2], device=name) for name in "AB")
    absorbed = [row(each, "absorbed in F, 1 − |J(d)/J0|", 1.5)["median"] for each in (one, other)]
    assert absorbed[1] < absorbed[0]
    assert one.measured[0] == (1.0, 3.5)  # A and C are in one group
    assert other.measured[0] == (2.0, 2.0)
    with pytest.raises(ValueError, match="'Z' is not in the study"):
        consequences(both, device="Z")


@pytest.mark.parametrize(
    ("asked", "message"),
    [({"thickness": [0.0]}, "thickness"), ({"thickness": []}, "thickness"), ({"bias": [0.0]}, "bias"),
     ({"bias": [np.inf]}, "bias"), ({"thickness": [np.nan]}, "thickness")],
)  # fmt: skip
def test_what_has_no_meaning_is_refused(asked: dict[str, list[float]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        consequences(posterior(), **asked)  # type: ignore[arg-type]


def test_corner_values_warn_of_nothing() -> None:
    """Infinite lengths, layers within the dead layer, one device, a torkance."""
    study = simulated((1.0,), quantity="torkance", unit="hbar/2e/kohm", lambda_sf_F=Fixed(np.inf),
                      lambda_sf_N=Fixed(np.inf), thickness=AboutNominal(0.1))  # fmt: skip
    found = consequences(posterior(study), thickness=[1e-6, 1.0, 1e4], bias=[0.2])
    assert not found.table["quantity"].str.startswith("λ*").any()  # infinite: nothing leaks, nothing flips
    assert np.all(np.isfinite(found.draws))
    assert row(found, "T_par", 1.0, 0.2)["unit"] == "V hbar/2e/kohm"
    dead = simulated(dead_layer=Fixed(0.5))
    thin = consequences(posterior(dead), thickness=[0.4], bias=[0.2])
    np.testing.assert_allclose(draws_of(thin, "T_par", 0.4, 0.2), 0, atol=1e-5)


def test_defaults_and_marks_of_unconverged_draws() -> None:
    study = simulated((0.8, 1.0, 1.2, 1.5, 2.0, 3.0, 3.0))
    found = consequences(posterior_of(study, draws_about(study), converged=False))
    assert found.thickness == (0.8, 1.2, 1.5, 3.0) or len(found.thickness) == 4
    assert found.bias == (0.2,)
    assert set(found.table["extrapolated"]) == {""}
    assert all(one.title.startswith("NOT CONVERGED") for one in found.tables())
