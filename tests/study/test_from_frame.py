"""A DataFrame goes the way of a file's table: the same curves, and the same refusals with labels for lines."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from small import problems_of

import mtjfit
from mtjfit.data import Columns, ColumnUnits, Origin, TableDeclaration, TorqueCurve, curves_from_frame, read_curves
from mtjfit.errors import ConfigError, DataError, MtjfitError
from mtjfit.study import AboutNominal, LogUniform, Normal, Study

V = np.linspace(-300, 300, 7)
NAMES = ["device", "d (nm)", "V (mV)", "T1", "T2", "e1", "e2"]
COLUMNS = {"device": "device", "thickness": "d", "bias": "V", "par": "T1", "perp": "T2", "sigma_par": "e1",
           "sigma_perp": "e2"}  # fmt: skip
PRIORS = {**dict.fromkeys(("lambda_J", "lambda_phi", "lambda_sf_F", "Lambda"), LogUniform(0.1, 100)),
          "thickness": AboutNominal(0.1), "a1": Normal(0, 10), "b2": Normal(0, 10)}  # fmt: skip
OPTIONS: dict[str, Any] = {"quantity": "torque", "per": "device", "perp_axis": "PxM", "unit": "1e-19 N m",
                           "columns": COLUMNS}  # fmt: skip


def table() -> pd.DataFrame:
    parts = [pd.DataFrame(dict(zip(NAMES, (name, d, V, V / 70, (V / 130) ** 2, 0.1 / 3, 0.2), strict=True)))
             for name, d in (("A", 1.1), ("B", 2.0))]  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def values(curve: TorqueCurve) -> dict[str, Any]:
    return {name: each.tobytes() if isinstance(each, np.ndarray) else each
            for name, each in vars(curve).items() if name not in ("source", "notices")}  # fmt: skip


def changed(**columns: Any) -> pd.DataFrame:
    return table().assign(**columns)


def at(row: int, column: str, value: object) -> pd.DataFrame:
    cells = list(table()[column])
    cells[row] = value
    frame = table().assign(**{column: pd.Series(cells, dtype=object)})
    return frame.set_index(pd.Index([f"r{k}" for k in range(len(frame))]))


FRAMES = {
    "floats": table(),
    "objects": table().astype(object),
    "texts": table().astype(str),
    "nullable": table().convert_dtypes(),
    "categories": table().astype({"device": "category", "e1": "category"}),
    "an index of names": table().set_index(["device", "V (mV)"]),
    "an index that repeats": table().set_axis([0] * 14),
    "columns in another order": table()[NAMES[::-1]],
    "more columns, two of one name": pd.concat([table(), pd.DataFrame({"x": [1j] * 14}), pd.DataFrame({"x": V[0]},
                                               index=range(14))], axis=1),
}  # fmt: skip


@pytest.mark.parametrize("kind", FRAMES)
def test_the_curves_are_those_of_the_file(kind: str, tmp_path: Path) -> None:
    table().to_csv(tmp_path / "t.csv", index=False)
    declaration = TableDeclaration("torque", "device", "PxM", Columns(**COLUMNS), ColumnUnits("mV", "1e-19 N m", "nm"))
    before = FRAMES[kind].copy(deep=True)
    found = curves_from_frame(FRAMES[kind], **OPTIONS)
    expected = read_curves(tmp_path / "t.csv", declaration)
    assert [*map(values, found)] == [*map(values, expected)]
    pd.testing.assert_frame_equal(FRAMES[kind], before)


REFUSED: dict[str, tuple[pd.DataFrame, str]] = {
    "nan": (at(3, "T1", np.nan), "DataFrame:r3: column 'T1': is empty"),
    "NA": (at(3, "e1", pd.NA), "DataFrame:r3: column 'e1': is empty"),
    "None": (at(3, "V (mV)", None), "DataFrame:r3: column 'V': is empty"),
    "NaT": (at(3, "T2", pd.NaT), "DataFrame:r3: column 'T2': is empty"),
    "inf": (at(3, "T1", np.inf), "DataFrame:r3: column 'T1': 'inf' is not a finite number"),
    "text": (at(3, "T1", "x"), "DataFrame:r3: column 'T1': 'x' is not a number"),
    "a decimal comma": (at(3, "T1", "1,5"), "DataFrame:r3: column 'T1': '1,5' looks like a decimal comma; "
                                            'set "decimal": "," in format={…}'),
    "truth": (at(3, "T1", True), "DataFrame:r3: column 'T1': 'True' is not a number"),
    "a complex number": (at(3, "T1", 1j), "DataFrame:r3: column 'T1': '1j' is not a number"),
    "a list": (at(3, "T1", [1, 2]), "DataFrame:r3: column 'T1': '[1, 2]' is not a number"),
    "a time": (at(3, "V (mV)", pd.Timestamp("2026-01-02")), "DataFrame:r3: column 'V': '2026-01-02 00:00:00' is not"),
    "no name": (at(3, "device", np.nan), "DataFrame:r3: column 'device': is empty; name the device"),
    "a negative error": (at(3, "e1", -1), "DataFrame:r3: column 'e1': standard error -1 is not positive"),
    "two thicknesses": (at(3, "d (nm)", 4), "DataFrame:r3: column 'd': device 'A' is 4 nm here and 1.1 nm above"),
    "a bias twice": (at(3, "V (mV)", V[2]), "DataFrame:r3: column 'V': device 'A' has bias -0.1 V already"),
    "no order": (table().sample(frac=1, random_state=1), 'bias of device \'A\' turns round here; sort it, or set '
                                                         '"order": "any" in format={…}'),
    "no rows": (table().iloc[:0], "DataFrame: has a header and no data"),
    "a column that is missing": (table().drop(columns="T2"), "DataFrame: column 'T2': no such column (perp); use one"),
    "a column twice": (table().set_axis([*NAMES[:5], "e1", "e1"], axis=1).assign(e2=1.0),
                       "DataFrame: column 'e1': stands 2 times in the header; rename the columns"),
    "levels": (table().set_axis(pd.MultiIndex.from_product([["x"], NAMES]), axis=1),
               "DataFrame: has column names of 2 levels; flatten them"),
    "no frame": (np.zeros((3, 3)), "DataFrame: is a ndarray; make it a pandas.DataFrame"),  # type: ignore[dict-item]
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_frame_must_not_hold(name: str) -> None:
    frame, said = REFUSED[name]
    assert said in problems_of(lambda: curves_from_frame(frame, **OPTIONS), kind=DataError)[0]


def test_all_problems_of_rows_options_and_priors_at_once() -> None:
    frame = at(3, "T1", "x")
    frame.loc["r5", "e2"] = 0.0
    wrong = {**PRIORS, "a1": "wide", "lambda_j": 1.0}
    found = problems_of(lambda: Study.from_frame(frame, priors=wrong, **OPTIONS), kind=ConfigError)
    assert [re.sub(";.*", "", each) for each in found] == [
        "Study.from_frame: parameters.a1: is 'wide'",
        "Study.from_frame: parameters.lambda_j: is no parameter",
        "DataFrame:r3: column 'T1': 'x' is not a number",
        "DataFrame:r5: column 'e2': standard error 0 is not positive",
    ]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"quantity": None, "perp_axis": None, "unit": None}, [
            'quantity: is missing; give quantity="torque" (T)', 'perp_axis: is missing; give perp_axis="MxP" or "PxM"',
            'units.torque: is missing; give unit=…, such as "1e-19 N m"']),
        ({"quantiti": "torque"}, ["quantiti: is no option; did you mean 'quantity'?"]),
        ({"file": "a.csv"}, ["file: is no option"]),
        ({"columns": {**COLUMNS, "bais": "x"}}, ["columns.bais: is no key; did you mean 'bias'?"]),
        ({"columns": ["V"]}, ["columns: is \"['V']\"; give a dict"]),
        ({"format": {"reader": "excel"}}, ["format.reader: is no key for a DataFrame"]),
        ({"units": {"torque": "aN m"}}, ["unit: is '1e-19 N m', and units say 'aN m'; give one of the two"]),
        ({"unit": "mT"}, ["units.torque: "]),
        ({"device": "A"}, ["device: is declared both as a constant and as a column"]),
        ({"sigma": "fit"}, ["columns.sigma_par: contradicts sigma", "columns.sigma_perp: contradicts sigma"]),
    ],
)  # fmt: skip
def test_options_are_checked_as_those_of_a_file(changes: dict[str, Any], said: list[str]) -> None:
    options = {key: value for key, value in (OPTIONS | changes).items() if value is not None}
    found = problems_of(lambda: curves_from_frame(table(), **options), kind=ConfigError)
    assert len(found) == len(said)
    assert all(each.startswith(part) for each, part in zip(found, said, strict=True))


def test_units_in_names_need_not_be_given_again() -> None:
    frame = table().rename(columns={"T1": "T1 (aN m)", "d (nm)": "d (angstrom)"})
    options = {key: value for key, value in OPTIONS.items() if key != "unit"}
    first = curves_from_frame(frame.rename(columns={"T2": "T2 (aJ)"}), **options)[0]
    assert (first.unit, first.thickness, first.bias[0]) == ("aN m", pytest.approx(0.11), -0.3)
    with pytest.raises(MtjfitError, match="is in 'fN m' in the file"):
        curves_from_frame(frame.rename(columns={"T2": "T2 (fN m)"}), **options)
    said = "units.thickness: is missing, and 'mT' in the name of column 'd' is not understood"
    with pytest.raises(ConfigError, match=said):
        curves_from_frame(table().rename(columns={"d (nm)": "d (mT)"}), **OPTIONS)


def test_columns_named_like_their_roles_need_not_be_named() -> None:
    role_of = {column: role for role, column in COLUMNS.items()}
    frame = table().rename(columns=lambda name: " ".join([role_of[name.split()[0]], *name.split()[1:]]))
    assert "bias (mV)" in frame
    options = {key: value for key, value in OPTIONS.items() if key != "columns"}
    assert [*map(values, curves_from_frame(frame, **options))] == [*map(values, curves_from_frame(table(), **OPTIONS))]


def test_a_long_table_with_conditions_masks_and_errors_to_be_fitted() -> None:
    long = table().melt(id_vars=NAMES[:3], value_vars=["T1", "T2"], var_name="c", value_name="T")
    long = long.replace({"c": {"T1": "par", "T2": "perp"}})
    long = pd.concat([long.assign(K="4 K"), long.assign(K="300 K")])
    columns = {"device": "device", "thickness": "d", "bias": "V", "component": "c", "torque": "T", "condition": "K"}
    mask = [{"bias": (-0.2, -0.2), "reason": "odd", "device": "A", "condition": "4 K"}]
    noise = {"noise_par": LogUniform(0.01, 1), "noise_perp": LogUniform(0.01, 1)}
    study = Study.from_frame(long, priors={**PRIORS, **noise}, **(OPTIONS | {"columns": columns}), sigma="fit",
                             mask=mask, bias_window=(-0.25, 1), name="long")  # fmt: skip
    assert study.devices == ("A @ 4 K", "B @ 4 K", "A @ 300 K", "B @ 300 K")
    assert study.name == "long"
    assert [curve.n_values for curve in study.curves] == [10, 12, 12, 12]
    assert study.curves[0].reasons[1] == "odd"
    assert np.all(study.curves[0].perp <= 0)


def test_one_component_covariances_angle_and_origin() -> None:
    columns = {role: name for role, name in COLUMNS.items() if role in ("device", "bias", "par")}
    covariance = {"A": np.eye(7) / 7, "B": np.eye(7) / 3}
    options = OPTIONS | {"columns": columns, "covariance": covariance, "thickness": np.int64(2), "angle": 70,
                         "sin_theta": "included", "origin": Origin("simulated", "by hand")}  # fmt: skip
    first, _ = curves_from_frame(table(), **options)
    assert first.covariance is not None
    np.testing.assert_array_equal(first.covariance[:7, :7], covariance["A"])
    assert (first.n_values, first.thickness, first.angle, first.origin.note) == (7, 2.0, 70.0, "by hand")
    marked = table()
    marked.attrs["origin"] = "reconstruction; traced"
    assert curves_from_frame(marked, **OPTIONS)[0].origin == Origin("reconstruction", "traced")
    with pytest.raises(DataError, match="a second, different origin"):
        curves_from_frame(marked, **options)


def test_one_curve() -> None:
    one = TorqueCurve.from_frame(table().iloc[7:], **OPTIONS)
    assert values(one) == values(curves_from_frame(table(), **OPTIONS)[1])
    with pytest.raises(DataError, match=r"holds 2 curves: 'A', 'B'; take the rows of one, or use Study\.from_frame"):
        TorqueCurve.from_frame(table(), **OPTIONS)


def test_a_frame_gives_a_study_that_can_be_written_and_fitted(tmp_path: Path) -> None:
    study = Study.from_frame(table(), priors=PRIORS, **OPTIONS)
    again = mtjfit.load_study(study.to_toml(tmp_path))
    assert [*map(values, again.curves)] == [*map(values, study.curves)]
    assert again.curves[0].source == "DataFrame"
    assert mtjfit.fit(again).chi2 == mtjfit.fit(study).chi2
