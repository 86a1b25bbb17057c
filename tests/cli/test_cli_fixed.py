"""Commands on a study in which nothing is free: χ² of the fixed model, or one sentence that says what to do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from scipy import stats
from shortcuts import skip_without_wings

import mtjfit
from mtjfit.cli import cli
from mtjfit.data import dataset
from mtjfit.errors import MtjfitError
from mtjfit.infer import identify
from mtjfit.plot import plot_identifiability
from mtjfit.results import design_text, identify_document, identify_text
from mtjfit.study import AboutNominal, Fixed, Normal, Parameter, Study

VALUES = {"lambda_J": 1.0, "lambda_phi": 1.0, "lambda_sf_F": 10.0, "lambda_sf_N": 1.0, "D_ratio": 1.0, "a1": 0.13,
          "b2": 0.08}  # fmt: skip
pytestmark = pytest.mark.usefixtures("quick_fits")


def fixed(**free: Normal | AboutNominal) -> Study:
    """The bundled series with every parameter fixed but those named."""
    study = mtjfit.load_study(dataset("thickness-series").study_file)
    parameters = {name: Parameter(name, Fixed(value)) for name, value in VALUES.items()}
    parameters["thickness"] = Parameter("thickness", Fixed(0.0), "device")
    parameters |= {name: Parameter(name, prior, parameters[name].scope) for name, prior in free.items()}
    return study.replace(parameters=parameters)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A study file in which everything is fixed."""
    rows = ["device,d,V,par,perp,sp,sq"]
    for d in (1.0, 2.0):
        rows += [f"D{d:g},{d},{V},{0.1 + 0.01 * V},{-0.02 * V},0.01,0.01" for V in (-0.2, -0.1, 0.0, 0.1, 0.2)]
    (tmp_path / "t.csv").write_text("\n".join(rows) + "\n")
    lines = ['[study]\nname = "fixed"\n[[data]]\nfile = "t.csv"\nquantity = "torkance"\nper = "device"',
             'perp_axis = "MxP"\n[data.columns]\ndevice = "device"\nthickness = "d"\nbias = "V"\npar = "par"',
             'perp = "perp"\nsigma_par = "sp"\nsigma_perp = "sq"\n[data.units]\nbias = "V"\ntorque = "arb"',
             'thickness = "nm"\n[parameters]\nthickness = { fixed = true }',
             *(f"{name} = {{ fixed = {value} }}" for name, value in VALUES.items())]  # fmt: skip
    target = tmp_path / "study.toml"
    target.write_text("\n".join(lines) + "\n")
    return target


def called(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(each) for each in arguments])


@pytest.mark.parametrize(
    "arguments",
    [
        ("identify",), ("identify", "--design"), ("run", "-o", "out"), ("plan",), ("calibrate", "-o", "out"),
        ("compare", "--mechanisms"), ("compare", "--devices"),
    ],
)  # fmt: skip
def test_commands_refuse_in_one_sentence(file: Path, arguments: tuple[str, ...]) -> None:
    skip_without_wings(f"mtjfit {arguments[0]}")
    name, *options = arguments
    options = [str(file.parent / each) if each == "out" else each for each in options]
    result = called(name, file, *options)
    assert result.exit_code == 3
    assert "Traceback" not in result.output
    said = result.output.rpartition("Error: ")[2]
    assert said.startswith("every parameter of the study is fixed: ")
    assert "give at least one a prior in [parameters]" in said
    assert not (file.parent / "out").exists()


def test_check_gives_chi2_and_sends_nobody_to_a_command_that_refuses(file: Path) -> None:
    result = called("check", file)
    assert result.exit_code == 0
    assert "0 of 0 parameters" in result.output
    assert "mtjfit run" not in result.output
    assert "every parameter of the study is fixed" in result.output


def test_a_fixed_model_has_chi2_and_p_of_its_points() -> None:
    study = fixed()
    found = identify(study)
    lengths = [VALUES[name] for name in ("lambda_J", "lambda_phi", "lambda_sf_F", "lambda_sf_N")]
    chi2 = 0.0
    for curve in study.curves:
        K = mtjfit.physics.kappa(curve.thickness, *lengths, 1.0)
        T = K * (0.13 + 2j * 0.08 * curve.bias)
        off = (curve.par - T.real) / curve.sigma_par, (curve.perp - T.imag) / curve.sigma_perp
        chi2 += sum(float(np.sum(each[curve.used] ** 2)) for each in off)
    assert found.fit.chi2 == pytest.approx(chi2)
    assert found.fit.p_value == pytest.approx(stats.chi2.sf(chi2, study.n_values))
    assert (found.rank, found.n_parameters, len(found.determined), dict(found.profiles)) == (0, 0, 0, {})
    assert "0 of 0 parameters" in identify_text(found)
    assert identify_document(found)["parameters"] == {}
    assert "0 of 0 parameters" in design_text(study)[0]
    assert "0 of 0" in found._repr_html_()
    assert plot_identifiability(found).texts
    with pytest.raises(MtjfitError, match="every parameter of the study is fixed"):
        mtjfit.sample(study, seed=1)


def test_only_thicknesses_free() -> None:
    found = identify(fixed(thickness=AboutNominal(0.1)))
    assert not found.profiles
    assert len(found.determined) == len(found.study.curves)
    assert plot_identifiability(found).texts
    assert identify_text(found)


def test_only_amplitudes_free() -> None:
    found = identify(fixed(a1=Normal(0.0, 1.0), b2=Normal(0.0, 1.0)))
    assert (found.rank, found.n_parameters) == (2, 2)
    assert set(found.profiles) == {"a1", "b2"}
    assert mtjfit.sample(found.study, seed=1).verdict.converged
