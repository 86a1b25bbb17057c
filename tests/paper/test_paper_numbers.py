"""The numbers of the paper's figures, against the printed formulas, against each other, and against its statements."""

from __future__ import annotations

import csv
import runpy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mtjfit
from mtjfit.data import Columns, ColumnUnits, TableDeclaration, read_curves
from mtjfit.paper.numbers import (
    SANKEY,
    accumulation,
    assumptions,
    bias_dependence,
    numbers_csv,
    parameters_text,
    thickness_dependence,
    values_of,
)

TABLES = {"Fig. 1": accumulation, "Fig. 2": thickness_dependence, "Fig. 3": bias_dependence}
CLOSE = 1e-11  # the printed formulas lose a few digits in double precision at 0.01 nm


def waves(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """1/L0², 1/L (Eq. 8) and η of every row."""
    J, phi, flip = (table[f"lambda_{name}_nm"].to_numpy() for name in ("J", "phi", "sf_F"))
    q0_squared = -1j / J**2 + 1 / phi**2
    q = np.sqrt(q0_squared + 1 / flip**2)
    return q0_squared, q, (table.D_ratio * table.lambda_sf_N_nm).to_numpy() * q


def printed_kappa(table: pd.DataFrame) -> np.ndarray:
    """Eq. 12 as printed, times d, from the parameters of every row; beyond 100 nm its limit."""
    q0_squared, q, eta = waves(table)
    z = np.minimum(table.d_nm.to_numpy(), 100.0) * q
    whole = np.cosh(z) + eta * np.sinh(z)
    return q0_squared / q**2 * (whole - 1) / whole


def printed_m(table: pd.DataFrame) -> np.ndarray:
    """Eq. 9 and 10 as printed, from the parameters of every row."""
    _, q, eta = waves(table)
    x, d, N = (table[name].to_numpy() for name in ("x_nm", "d_nm", "lambda_sf_N_nm"))
    inside = np.sinh((d - x) * q) + eta * np.cosh((d - x) * q)
    return np.where(x < d, inside, eta * np.exp(-(x - d) / N)) / (np.cosh(d * q) + eta * np.sinh(d * q)) / q


def printed_torque(table: pd.DataFrame) -> np.ndarray:
    """κ J0 in (ħ/2e) µA, J0 = a1 V + i b2 V²."""
    J0 = table.a1_hbar_2e_per_kohm * table.bias_V + 1j * table.b2_hbar_2e_per_kohm_per_V * table.bias_V**2
    return printed_kappa(table) * 1e3 * J0.to_numpy()


PRINTED: dict[str, tuple[tuple[str, str], Callable[[pd.DataFrame], np.ndarray]]] = {
    "Fig. 1": (("m_par_nm", "m_perp_nm"), printed_m),
    "Fig. 2": (("dT_par_over_J0", "dT_perp_over_J0"), printed_kappa),
    "Fig. 3": (("T_par_hbar_2e_uA", "T_perp_hbar_2e_uA"), printed_torque),
}


def complex_of(table: pd.DataFrame, figure: str) -> np.ndarray:
    par, perp = PRINTED[figure][0]
    return (table[par] + 1j * table[perp]).to_numpy()


def deviation(table: pd.DataFrame, figure: str) -> float:
    """Worst relative difference, by modulus, from the printed formula; infinite where something is not finite."""
    expected = PRINTED[figure][1](table)
    scale = np.where(expected == 0, 1.0, np.abs(expected))
    error = np.abs(complex_of(table, figure) - expected) / scale
    return float(np.max(np.where(np.isfinite(error), error, np.inf)))


@pytest.mark.parametrize("figure", TABLES)
def test_every_row_is_the_printed_formula_of_its_own_parameters(figure: str) -> None:
    assert deviation(TABLES[figure](), figure) < CLOSE


def test_the_ratio_of_fig_2_is_that_of_its_components() -> None:
    thick = thickness_dependence().query("d_nm > 0")
    np.testing.assert_allclose(thick.T_perp_over_T_par, thick.dT_perp_over_J0 / thick.dT_par_over_J0, rtol=1e-13)


@pytest.mark.parametrize("figure", TABLES)
def test_other_parameters_reach_the_numbers(figure: str) -> None:
    lengths = {"lambda_J": 0.7, "lambda_phi": 1.3, "lambda_sf_F": 4.0, "lambda_sf_N": 3.0, "D_ratio": 0.6}
    own = {"Fig. 1": {"d": 1.1}, "Fig. 2": {}, "Fig. 3": {"thickness": 1.7, "a1": 0.2, "b2": -0.3}}
    table = TABLES[figure](**lengths, **own[figure])
    assert deviation(table, figure) < CLOSE
    assert all(values_of(table, name) == [value] for name, value in lengths.items())


@pytest.mark.parametrize("figure", TABLES)
@pytest.mark.parametrize("column", ["D_ratio", "lambda_sf_F_nm", "lambda_sf_N_nm", "lambda_J_nm", "lambda_phi_nm"])
def test_sabotage_a_parameter_that_is_one_per_cent_off_is_seen(figure: str, column: str) -> None:
    table = TABLES[figure]()
    assert deviation(table.assign(**{column: 1.01 * table[column]}), figure) > 1e6 * CLOSE


@pytest.mark.parametrize("figure", TABLES)
def test_sabotage_the_other_sign_of_perp_is_seen(figure: str) -> None:
    table, perp = TABLES[figure](), PRINTED[figure][0][1]
    assert deviation(table.assign(**{perp: -table[perp]}), figure) > 0.1


def absorbed(curve: pd.DataFrame) -> complex:
    """Eq. 11 times d: Simpson's sum of (1/λ_φ² − i/λ_J²) m over the drawn points in F."""
    inside = curve[curve.layer == "F"]
    step = np.diff(inside.x_nm)
    assert len(inside) % 2 == 1
    np.testing.assert_allclose(step, step[0], rtol=1e-6)
    weights = np.where(np.arange(len(inside)) % 2, 4.0, 2.0)
    weights[[0, -1]] = 1.0
    return complex(np.sum(weights * waves(inside)[0] * complex_of(inside, "Fig. 1")) * step[0] / 3)


def test_fig_1_absorbs_the_torque_of_fig_2() -> None:
    """Two curves belong to both figures: λ_J = 1 nm, λ_φ = 0.5 and 1 nm at d = 2 nm."""
    profile, torque = accumulation(), thickness_dependence()
    for phi in (0.5, 1.0):
        row = torque[(torque.lambda_J_nm == 1.0) & (torque.lambda_phi_nm == phi) & (torque.d_nm == 2.0)]
        kappa = complex_of(row, "Fig. 2")[0]
        curve = profile[profile.lambda_phi_nm == phi]
        assert abs(absorbed(curve) - kappa) < 1e-8
        assert abs(absorbed(curve.assign(m_perp_nm=-curve.m_perp_nm)) - kappa) > 0.1 * abs(kappa.imag)


def test_a_boundary_between_grid_points_is_a_point() -> None:
    table = accumulation(d=1.2345, lambda_phi=1.0)
    assert table[table.x_nm == 1.2345].layer.tolist() == ["F"]
    assert table.x_nm.is_monotonic_increasing
    assert set(accumulation(d=9.0).layer) == {"F"}


def bulk_ratio(J: np.ndarray, phi: np.ndarray, flip: np.ndarray) -> np.ndarray:
    """T_perp/T_par of Eq. 13–14 for J_perp = 0."""
    chi, beta = (phi / flip) ** 2, (J / flip) ** 2
    return -(chi**2) * beta / ((1 + chi) * beta**2 + chi**2)


def test_the_ratio_tends_to_the_bulk_value_of_eq_14() -> None:
    table = thickness_dependence(lambda_sf_F=3.0, d_max=60.0)
    thick = table[table.d_nm == 60.0]
    bulk = bulk_ratio(thick.lambda_J_nm, thick.lambda_phi_nm, thick.lambda_sf_F_nm)
    np.testing.assert_allclose(thick.T_perp_over_T_par, bulk, rtol=1e-9)
    assert bulk.max() / bulk.min() < 0.2  # six different values
    thin = table[table.d_nm == 2.0]
    assert np.all(np.abs(thin.T_perp_over_T_par.to_numpy() / bulk.to_numpy() - 1) > 0.05)


def test_the_ratio_of_a_vanishing_layer_is_that_of_the_two_lengths() -> None:
    for closed, expected in (
        (2.0, lambda J, phi: -((phi / J) ** 2)),
        (np.inf, lambda J, phi: bulk_ratio(J, phi, 15.0)),
    ):
        table = thickness_dependence(lambda_sf_N=closed)
        zero = table[table.d_nm == 0.0]
        np.testing.assert_allclose(zero.T_perp_over_T_par, expected(zero.lambda_J_nm, zero.lambda_phi_nm), rtol=1e-12)


def linear_part(table: pd.DataFrame, column: str) -> dict[float, float]:
    """Slope at V = 0 of each curve; exact, since T(V) has no cubic term."""
    found = {}
    for d, curve in table.groupby("d_nm"):
        up, down = (float(curve[curve.bias_V == V][column].iloc[0]) for V in (0.2, -0.2))
        found[float(d)] = (up - down) / 0.4
    return found


def grows_as_the_layer_shrinks(slopes: dict[float, float]) -> bool:
    return bool(np.all(np.diff([abs(slopes[d]) for d in sorted(slopes)]) < 0))


@pytest.mark.parametrize("per", ["device", "volume"])
def test_the_linear_part_of_the_out_of_plane_torque_grows_as_the_layer_shrinks(per: str) -> None:
    table = bias_dependence(per=per)
    perp, par = (next(c for c in table if c.startswith(name)) for name in ("T_perp", "T_par"))
    slopes = linear_part(table, perp)
    assert grows_as_the_layer_shrinks(slopes)
    if per == "device":
        assert not grows_as_the_layer_shrinks(linear_part(table, par))


def test_per_volume_is_per_device_over_d() -> None:
    device, volume = (bias_dependence(per=per) for per in ("device", "volume"))
    for name in ("T_par", "T_perp"):
        expected = device[f"{name}_hbar_2e_uA"] / device.d_nm
        np.testing.assert_allclose(volume[f"{name}_hbar_2e_uA_per_nm"], expected, rtol=1e-13, atol=1e-14)
    assert "T of Eq. 12" in assumptions(volume)[-1]
    with pytest.raises(ValueError, match=r"per = 'area': give 'device' \(no 1/d\) or 'volume'"):
        bias_dependence(per="area")


def test_the_amplitudes_are_those_of_the_bundled_reconstruction() -> None:
    dataset = mtjfit.dataset("sankey2008")
    script = runpy.run_path(str(dataset.path / "make.py"))
    assert {"a1": script["A1"], "b2": script["B2"]} == SANKEY
    assert 0.5 <= SANKEY["b2"] / SANKEY["a1"] <= 0.75
    assert "0.5-0.75 / V" in dataset.meta["read"]["ratio"]
    assert "0.13 (ħ/2e) kΩ⁻¹" in dataset.meta["assumed"]["amplitude"]
    assert "recalled, not verified" in dataset.meta["assumed"]["amplitude"]


def test_assumptions_say_what_was_chosen_and_blame_nobody_for_other_amplitudes() -> None:
    layers, par, perp, normalisation = assumptions(bias_dependence())
    assert layers == "free layers of 0.8, 1.2, 2, 3, ∞ nm, chosen here"
    assert par.startswith("J∥ = a₁V with a₁ = 0.13 (ħ/2e) kΩ⁻¹, recalled from Sankey et al.")
    assert "not verified" in par
    assert "0.625 V⁻¹" in perp
    assert normalisation == "torque of the device, d·T of Eq. 12"
    own = " ".join(assumptions(bias_dependence(a1=0.2, b2=0.1)))
    assert "a₁ = 0.2 (ħ/2e)" in own
    assert "Sankey" not in own


def parsed(data: bytes) -> dict[str, list[float | str]]:
    """Columns of a CSV file, without pandas."""
    header, *rows = csv.reader(line for line in data.decode().splitlines() if not line.startswith("#"))
    columns = zip(*rows, strict=True)
    return {n: [c if n == "layer" else float(c) for c in cells] for n, cells in zip(header, columns, strict=True)}


@pytest.mark.parametrize("figure", TABLES)
def test_csv_keeps_every_digit_and_every_parameter(figure: str) -> None:
    table = TABLES[figure]()
    data = numbers_csv(table, "a note", parameters_text(table, "x"))
    again = parsed(data)
    assert list(again) == list(table)
    for column in table:
        assert again[column] == table[column].tolist(), column
    assert data.decode().splitlines()[1] == "# a note"
    assert f"lambda_sf_F = {table.lambda_sf_F_nm[0]:g} nm; lambda_sf_N = " in data.decode()
    for name in ("lambda_J_nm", "lambda_phi_nm", "lambda_sf_F_nm", "lambda_sf_N_nm", "D_ratio", "d_nm"):
        assert name in again


def test_mtjfit_marks_its_own_numbers_as_simulated(tmp_path: Path) -> None:
    (tmp_path / "T.csv").write_bytes(numbers_csv(bias_dependence(thickness=2.0)))
    columns = Columns("bias_V", "T_par_hbar_2e_uA", "T_perp_hbar_2e_uA")
    units = ColumnUnits("V", "arb", "nm")
    declared = TableDeclaration("torque", "device", "MxP", columns, units, device="A", thickness=2, sigma="fit")
    (curve,) = read_curves(tmp_path / "T.csv", declared)
    assert curve.origin.kind == "simulated"
    np.testing.assert_array_equal(curve.par, bias_dependence(thickness=2.0).T_par_hbar_2e_uA)


INF = np.inf


@pytest.mark.parametrize(
    "lengths",
    [
        {"lambda_sf_F": INF}, {"lambda_sf_N": INF}, {"lambda_sf_N": 0.0}, {"lambda_J": INF}, {"lambda_phi": INF},
        {"lambda_J": INF, "lambda_phi": INF}, {"lambda_J": INF, "lambda_phi": INF, "lambda_sf_F": INF},
        {"lambda_J": 1e-3}, {"lambda_phi": 1e-3},
    ],
)  # fmt: skip
def test_corners_raise_no_warning(lengths: dict[str, float]) -> None:
    """Only the ratio 0/0 or x/0 may be without a value, and m where nothing ever absorbs the current."""
    T = thickness_dependence(**lengths)
    assert np.isfinite(complex_of(T, "Fig. 2")).all()
    assert np.isfinite(complex_of(bias_dependence(thickness=[0.0, 1.0, INF], **lengths), "Fig. 3")).all()
    for d in (0.0, 2.0, INF):
        accumulation(d=d, **lengths)


def test_lengths_without_meaning_are_refused() -> None:
    for table in TABLES.values():
        with pytest.raises(ValueError, match="lambda_sf_F must be positive"):
            table(lambda_sf_F=0.0)
