"""One component alone, in a table of its own, or in each row: the same curves as from one table of both."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from mtjfit.data import TorqueCurve
from mtjfit.errors import MtjfitError
from mtjfit.study import load_study

V = (-0.2, -0.1, 0.0, 0.1, 0.2)
HEAD = '[study]\nname = "parts"\n'
DATA = """[[data]]
file = "{file}"
quantity = "torque"
per = "device"
perp_axis = "{axis}"
thickness = 2.0
{more}
[data.columns]
device = "device"
bias = "V"
{columns}
[data.units]
bias = "V"
torque = "{unit}"
thickness = "nm"
{after}
"""
PARAMETERS = """[parameters]
lambda_J = {{ fixed = 1.5 }}
lambda_phi = {{ fixed = 1.0 }}
lambda_sf_F = {{ fixed = 10.0 }}
Lambda = {{ fixed = 5.0 }}
thickness = {{ fixed = true }}
a1 = {{ prior = "normal", mean = 0.0, sd = 5.0 }}
{noise}
"""
BOTH = 'par = "par"\nsigma_par = "dpar"\nperp = "perp"\nsigma_perp = "dperp"'
PAR, PERP = 'par = "par"\nsigma_par = "dpar"', 'perp = "perp"\nsigma_perp = "dperp"'
LONG = 'component = "which"\ntorque = "T"\nsigma_torque = "dT"'


def block(
    file: str, columns: str, *, unit: str = "1e-19 N m", axis: str = "MxP", more: str = "", after: str = ""
) -> str:
    return DATA.format(file=file, columns=columns, unit=unit, axis=axis, more=more, after=after)


def tables(folder: Path) -> None:
    """The same numbers in one table, in one for each component (out-of-plane ones in N m), and in a long one."""
    wide, par, perp, long = ["device,V,par,dpar,perp,dperp"], ["device,V,par,dpar"], ["device,V,perp,dperp"], []
    for device, size in (("A", 1.0), ("B", 2.0)):
        for k, bias in enumerate(V):
            T, S = size * (bias + 0.01 * k), -size * (0.5 * bias + 0.02)
            wide.append(f"{device},{bias},{T!r},0.1,{S!r},0.2")
            par.append(f"{device},{bias},{T!r},0.1")
            perp.append(f"{device},{bias},{S}e-19,0.2e-19")
            long += [f"{device},{bias},in-plane,{T!r},0.1", f"{device},{bias},Out-of-plane,{S!r},0.2"]
    texts = {"wide": wide, "par": par, "perp": perp, "long": ["device,V,which,T,dT", *long]}
    for name, lines in texts.items():
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def curves(folder: Path, *blocks: str, noise: str = "") -> tuple[TorqueCurve, ...]:
    study = folder / "study.toml"
    study.write_text(HEAD + "".join(blocks) + PARAMETERS.format(noise=noise), encoding="utf-8")
    return load_study(study).curves


def refused(folder: Path, *blocks: str, noise: str = "") -> str:
    with pytest.raises(MtjfitError) as error:
        curves(folder, *blocks, noise=noise)
    return str(error.value)


def same(found: TorqueCurve, expected: TorqueCurve, rtol: float = 0.0) -> None:
    for name in ("bias", "par", "perp", "sigma_par", "sigma_perp", "used_values", "used"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=rtol, err_msg=name)
    assert (found.device, found.reasons, found.unit) == (expected.device, expected.reasons, expected.unit)


@pytest.mark.parametrize(
    ("blocks", "rtol"),
    [
        ([block("long.csv", LONG)], 0.0),
        ([block("par.csv", PAR), block("perp.csv", PERP, unit="N m")], 1e-14),
        ([block("wide.csv", PERP), block("wide.csv", PAR)], 0.0),
    ],
    ids=["long", "two files and units", "one file twice"],
)
@pytest.mark.parametrize("axis", ["MxP", "PxM"])
def test_parts_make_the_curves_of_one_table(tmp_path: Path, blocks: list[str], rtol: float, axis: str) -> None:
    tables(tmp_path)
    turned = [one.replace('perp_axis = "MxP"', f'perp_axis = "{axis}"') for one in blocks]
    found = curves(tmp_path, *turned)
    expected = curves(tmp_path, block("wide.csv", BOTH, axis=axis))
    assert len(found) == 2
    for one, right in zip(sorted(found, key=lambda c: c.device), expected, strict=True):
        same(one, right, rtol)


def test_points_at_different_biases_stay_apart(tmp_path: Path) -> None:
    tables(tmp_path)
    kept = (tmp_path / "perp.csv").read_text(encoding="utf-8").replace("A,0.1,", "A,0.15,")
    (tmp_path / "perp.csv").write_text(kept, encoding="utf-8")
    first = curves(tmp_path, block("par.csv", PAR), block("perp.csv", PERP, unit="N m"))[0]
    assert first.bias.tolist() == [*V, 0.15]
    assert first.used_values.sum(axis=1).tolist() == [5, 5]
    assert np.flatnonzero(np.isnan(first.perp)).tolist() == [3]
    assert np.flatnonzero(np.isnan(first.par)).tolist() == [5]


@pytest.mark.parametrize(("columns", "c"), [(PAR, 0), (PERP, 1)])
def test_one_component_alone(tmp_path: Path, columns: str, c: int) -> None:
    tables(tmp_path)
    for curve in curves(tmp_path, block("wide.csv", columns)):
        assert curve.used_values.sum(axis=1).tolist() == [5 * (c == 0), 5 * (c == 1)]
        assert np.isnan(curve.component(1 - c)[0]).all()


def test_a_masked_value_may_be_missing(tmp_path: Path) -> None:
    tables(tmp_path)
    text = (tmp_path / "wide.csv").read_text(encoding="utf-8")
    (tmp_path / "wide.csv").write_text(re.sub(r"(A,0\.1,[^,]+,[^,]+),[^,]+,", r"\1,,", text), encoding="utf-8")
    assert "column 'perp': no number" in refused(tmp_path, block("wide.csv", BOTH)).replace("is empty", "no number")
    mask = '[[data.mask]]\nbias = [0.1, 0.1]\ndevice = "A"\ncomponent = "{}"\nreason = "overloaded"'
    first, second = curves(tmp_path, block("wide.csv", BOTH, after=mask.format("perp")))
    assert (first.n_used, first.n_values, second.n_values) == (5, 9, 10)
    assert first.reasons[3] == "overloaded"
    assert "wide.csv:5" in refused(tmp_path, block("wide.csv", BOTH, after=mask.format("par")))


@pytest.mark.parametrize(
    ("blocks", "noise", "says"),
    [
        ([block("wide.csv", "")], "", "columns.par: is missing, and so is columns.perp"),
        ([block("long.csv", 'torque = "T"\nsigma_torque = "dT"')], "", "columns.component: is missing"),
        ([block("long.csv", LONG + '\npar = "T2"')], "", "columns.par: is declared beside columns.component"),
        ([block("wide.csv", PAR + '\nrho = "r"')], "", "columns.rho: is declared without columns.perp"),
        ([block("wide.csv", 'par = "par"')], "", "columns.sigma_par: is not declared"),
        ([block("wide.csv", 'par = "par"', more="sigma = { perp = 0.1 }")], "", "sigma.par: is missing"),
        ([block("wide.csv", 'par = "par"', more="sigma = { par = 0.1, perp = 0.1 }")], "", "sigma.perp: is declared"),
        ([block("par.csv", PAR), block("perp.csv", PERP, unit="hbar/2e/kohm")], "", "torkance"),
        ([block("par.csv", PAR), block("perp.csv", PERP, unit="N m").replace("= 2.0", "= 3.0")], "", "thickness = 2.0"),
        ([block("par.csv", PAR), block("par.csv", PAR)], "", "there are 2 curves of this name"),
        ([block("wide.csv", 'par = "par"', more='sigma = "fit"')],
         'noise_par = { prior = "lognormal", median = 0.1, factor = 3.0 }\n'
         'noise_perp = { prior = "lognormal", median = 0.1, factor = 3.0 }', "T_perp was measured nowhere"),
        ([block("wide.csv", 'par = "par"', more='sigma = "fit"')], "", "noise_par: is missing"),
    ],
)  # fmt: skip
def test_contradictions_are_refused(tmp_path: Path, blocks: list[str], noise: str, says: str) -> None:
    tables(tmp_path)
    said = refused(tmp_path, *blocks, noise=noise)
    assert says in said
    assert ("curves of this name" in said) == ("curves of this name" in says)


def test_other_words_are_no_components(tmp_path: Path) -> None:
    tables(tmp_path)
    text = (tmp_path / "long.csv").read_text(encoding="utf-8").replace("in-plane", "x", 1)
    (tmp_path / "long.csv").write_text(text, encoding="utf-8")
    assert "long.csv:2: column 'which': 'x' is no component; write one of par," in refused(
        tmp_path, block("long.csv", LONG)
    )


def test_repeats_are_looked_for_in_each_component(tmp_path: Path) -> None:
    tables(tmp_path)
    lines = (tmp_path / "long.csv").read_text(encoding="utf-8").splitlines()
    (tmp_path / "long.csv").write_text("\n".join([*lines, lines[1]]) + "\n", encoding="utf-8")
    assert "already in line 2" in refused(tmp_path, block("long.csv", LONG))


def test_numbers_that_are_missing_are_declared() -> None:
    """In Python, too: an array with NaN is refused unless `used_values` says that nothing was measured there."""
    bias, par, perp = [-0.1, 0.0, 0.1], [-1.0, 0.0, 1.0], [0.1, np.nan, 0.1]
    with pytest.raises(MtjfitError, match="perp holds NaN"):
        TorqueCurve("A", bias, par, perp, 2.0, "torque", "device")
    flags = [[True, True, True], [True, False, True]]
    curve = TorqueCurve("A", bias, par, perp, 2.0, "torque", "device", used_values=flags)
    assert (curve.n_values, curve.measured.sum()) == (5, 5)
    with pytest.raises(MtjfitError, match="sigma_par is zero or negative"):
        TorqueCurve("A", bias, par, np.nan, 2.0, "torque", "device", sigma_par=[0.1, -0.1, 0.1])


def test_a_covariance_of_one_component_has_a_row_for_each_value(tmp_path: Path) -> None:
    tables(tmp_path)
    known = 0.01 * np.eye(5) + 0.002
    for device in "AB":
        np.savetxt(tmp_path / f"{device}_cov.txt", known)
    covariance = 'covariance = "{device}_cov.txt"'
    perp = block("perp.csv", 'perp = "perp"', unit="N m", more=covariance.replace("_cov", "_small"))
    for device in "AB":
        np.savetxt(tmp_path / f"{device}_small.txt", 4e-38 * known)
    (alone, _), (joined, _) = (
        curves(tmp_path, block("par.csv", 'par = "par"', more=covariance), *more) for more in ([], [perp])
    )
    assert np.array_equal(alone.covariance[:5, :5], known)
    assert np.isnan(alone.covariance[5:]).all()
    np.testing.assert_allclose(joined.covariance[5:, 5:], 4 * known, rtol=1e-12)
    np.testing.assert_allclose(joined.covariance, np.kron(np.diag([1.0, 4.0]), known), rtol=1e-12)
    assert "need 10 x 10" in refused(tmp_path, block("wide.csv", 'par = "par"\nperp = "perp"', more=covariance))
    assert "covariance: is declared beside columns.component" in refused(
        tmp_path, block("long.csv", 'component = "which"\ntorque = "T"', more=covariance)
    )
