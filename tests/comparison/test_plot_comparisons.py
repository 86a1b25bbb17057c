"""Pictures of devices, consequences and mechanisms: what is drawn is what the tables hold, and the curves of Eq. 12."""

from __future__ import annotations

import io
from dataclasses import replace
from functools import cache
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from mechanism_cases import series
from plot_cases import SIMULATED, assert_nothing_cut_off, by_gid, fitted, make_study, posterior_of, texts
from shortcuts import few_starts, slow_after

import mtjfit
from mtjfit.comparison import (
    MECHANISMS,
    WIDTHS,
    Consequences,
    DeviceComparison,
    MechanismComparison,
    compare_devices,
    compare_mechanisms,
    comparison_sections,
    conclusions,
    consequences,
    mechanism_tables,
    predicted_slopes,
    signature,
    signature_table,
    slopes,
)
from mtjfit.physics import Interface, torkance
from mtjfit.plot import plot_consequences, plot_forest, plot_mechanisms, plot_signatures, render

Q = ["q025", "q16", "median", "q84", "q975"]


@cache
def three() -> DeviceComparison:
    return compare_devices(fitted())


@cache
def fifty() -> DeviceComparison:
    """Names of the length that wafers have; ten thicknesses in three groups, one device odd."""
    found, n, rng = three(), 50, np.random.default_rng(0)
    devices = pd.DataFrame([
        {"device": f"W{k:02d}-row {k % 7}", "group": f"wafer {k % 3}", "thickness": 0.8 + 0.4 * (k // 5)}
        for k in range(n)
    ])  # fmt: skip
    curves = tuple(replace(found.study.curves[0], **row) for row in devices.to_dict("records"))
    tables, shown = [], found.quantities[:4]  # in two rows
    for quantity in shown:
        middle, width = rng.standard_normal((n, 1)), 0.1 + 0.1 * rng.random((n, 1))
        drawn = pd.DataFrame(middle + width * np.array([-2, -1, 0, 1, 2]), columns=Q)
        tables.append(devices.assign(quantity=quantity.name, unit=quantity.unit).join(drawn))
    table = pd.concat(tables, ignore_index=True).assign(share=1.0, extrapolated=False, source=found.source)
    odd = devices[["device"]].assign(outlier=devices.index == 7)
    return replace(found, study=found.study.replace(curves=curves), quantities=shown, table=table, outliers=odd)


@cache
def drawn(n: int) -> tuple[DeviceComparison, Figure]:
    compared = three() if n == 3 else fifty()
    return compared, plot_forest(compared)


def apart(boxes: list[tuple[float, float]]) -> bool:
    """True if labels from bottom to top, in pixels, do not lie on each other."""
    return all(above[0] >= below[1] - 1.5 for below, above in pairwise(sorted(boxes)))


@pytest.mark.parametrize("n", slow_after(1, [3, 50]))
def test_every_bar_is_the_interval_of_its_row_and_can_be_read(n: int) -> None:
    compared, fig = drawn(n)
    order = np.argsort(compared.study.thicknesses, kind="stable")
    for ax, quantity in zip(fig.axes, compared.quantities, strict=False):
        rows = compared.table[compared.table["quantity"] == quantity.name].iloc[order]
        for gid, names in (("q95", ["q025", "q975"]), ("q68", ["q16", "q84"]), ("median", ["median"])):
            lines = by_gid(ax, gid)
            assert len(lines) == n
            np.testing.assert_allclose([line.get_xdata() for line in lines], rows[names].to_numpy())
            np.testing.assert_allclose([line.get_ydata()[0] for line in lines], np.arange(n))
        low, high = ax.get_xlim()
        assert low < rows["q025"].min() < rows["q975"].max() < high
        assert ax.get_ylim() == (n - 0.5, -0.5)  # thin layers on top
        assert ax.get_xlabel()
    assert_nothing_cut_off(fig)
    assert fig.get_figheight() < 11
    for ax in fig.axes[::3]:
        boxes = [label.get_window_extent() for label in ax.get_yticklabels()]
        assert len(boxes) == n
        assert apart([(box.y0, box.y1) for box in boxes])
        assert not apart([(0.6 * box.y0, 0.6 * box.y0 + box.height) for box in boxes]) or n == 3
        assert all(box.height > 5 for box in boxes)  # pixels at 100 per inch: 4.5 points


@pytest.mark.slow
def test_groups_have_colours_and_markers_and_the_odd_device_is_red() -> None:
    _, fig = drawn(50)
    ax = fig.axes[0]
    medians = by_gid(ax, "median")
    looks = {(to_hex(line.get_color()), line.get_marker()) for line in medians}
    assert len(looks) == 3
    assert len({marker for _, marker in looks}) == 3  # not by colour alone
    red, *others = (label for label in ax.get_yticklabels() if to_hex(label.get_color()) == "#d55e00")
    assert red.get_text().startswith("× W07")
    assert not others
    assert {text for text in texts(fig) if text.startswith("wafer")} == {"wafer 0", "wafer 1", "wafer 2"}


def changed(**columns: object) -> DeviceComparison:
    return replace(three(), table=three().table.assign(**columns))


def test_missing_quantities_shares_and_extrapolation_are_drawn_as_such() -> None:
    table = three().table
    extremum = (table["quantity"] == "extremum of T_perp").to_numpy()
    first = (table["device"] == "A").to_numpy()
    quantiles = {name: np.where(extremum & first, np.nan, table[name]) for name in Q}
    share = np.where(extremum, np.where(first, 0.0, 0.62), 1.0)
    fig = plot_forest(changed(**quantiles, share=share, extrapolated=~extremum & first))
    assert [t.get_text() for t in by_gid(fig, "none")] == ["none in range"]
    assert [t.get_text() for t in by_gid(fig, "share")] == ["62 %", "62 %"]
    hollow = [line for line in by_gid(fig, "median") if line.get_markerfacecolor() == "white"]
    assert len(hollow) == 5  # of A, in all panels but that of the extremum
    assert any("Hollow" in text for text in texts(fig))


def test_one_wide_interval_does_not_flatten_the_others() -> None:
    table = three().table
    ratio = (table["quantity"] == "slope_ratio").to_numpy()
    wide = ratio & (table["device"] == "B").to_numpy()
    fig = plot_forest(changed(q025=np.where(wide, -90.0, table["q025"]), q975=np.where(wide, 90.0, table["q975"])))
    low, high = fig.axes[0].get_xlim()
    assert high - low < 1
    assert [line.get_marker() for line in by_gid(fig.axes[0], "beyond")] == ["<", ">"]


def test_both_sources_beside_each_other_but_never_the_same_one_twice() -> None:
    alone, common = three(), compare_devices(posterior_of(fitted()))
    fig = plot_forest(common, alone)
    assert len(by_gid(fig.axes[0], "median")) == 6
    assert alone.source in texts(fig)
    assert any(text.startswith("With the common lengths") for text in texts(fig))
    with pytest.raises(ValueError, match="other source"):
        plot_forest(alone, three())
    assert_nothing_cut_off(fig)


@pytest.mark.slow
def test_hostile_names_and_simulated_data() -> None:
    study = make_study(("$x_1$ \\frac", "a_b^c", "ü" * 40), origin=SIMULATED)
    with few_starts():
        fig = plot_forest(compare_devices(mtjfit.fit(study)))
    assert_nothing_cut_off(fig)
    assert any("SIMULATED" in text for text in texts(fig))
    assert any("ü" * 15 + "…" in text for text in texts(fig))


@cache
def implied() -> tuple[Consequences, Figure]:
    found = consequences(posterior_of(fitted(origin=SIMULATED)), thickness=[0.5, 1.5], bias=[0.3])
    return found, plot_consequences(found)


@pytest.mark.slow
def test_bands_of_consequences_are_quantiles_and_unmeasured_regions_are_hatched() -> None:
    found, fig = implied()
    assert_nothing_cut_off(fig)
    medians = by_gid(fig.axes[0], "median")
    expected = np.median(found.layer.torque([0.5, 1.5], medians[0].get_xdata()).real, axis=0)
    np.testing.assert_allclose([line.get_ydata() for line in medians], expected)
    for ax, (low, high) in zip(fig.axes, [found.measured[1]] * 2 + [found.measured[0]] * 6, strict=True):
        spans = [patch.get_extents().transformed(ax.transData.inverted()) for patch in by_gid(ax, "extrapolated")]
        assert len(spans) == 2
        np.testing.assert_allclose(sorted([spans[0].x1, spans[1].x0]), [low, high], atol=1e-9)
        assert all(patch.get_hatch() for patch in by_gid(ax, "extrapolated"))
        # panels against thickness that lie above each other are named below the last
        assert ax.get_xlabel() or ax.get_xlim() == fig.axes[-1].get_xlim()
        assert ax.get_ylabel()
    assert all(ax.get_xlabel() for ax in (*fig.axes[:2], *fig.axes[-2:]))
    assert [text for text in texts(fig) if "nm, extrapolated" in text] == ["0.5 nm, extrapolated"]


def test_thickness_panels_show_both_signs_of_the_bias_at_the_measured_values() -> None:
    found, fig = implied()
    ratio = fig.axes[4]
    plus, minus = by_gid(ratio, "median")
    row = found.table[(found.table["quantity"] == "T_perp/T_par") & (found.table["thickness"] == 1.5)].set_index("bias")
    for line, bias in ((plus, 0.3), (minus, -0.3)):
        assert np.interp(1.5, *line.get_data()) == pytest.approx(row.loc[bias, "median"], rel=0.02)
    assert plus.get_linestyle() != minus.get_linestyle()
    assert ratio.get_title().startswith("above 0")


def test_priors_and_marks_are_named_under_the_consequences() -> None:
    note = " ".join(text.get_text() for text in reversed(implied()[1].texts))
    assert "λ_sf^F" in note
    assert "SIMULATED" in note
    assert "NOT CONVERGED" not in note
    refused = consequences(posterior_of(fitted(), converged=False), thickness=[1.0], bias=[0.3])
    assert any(text.startswith("NOT CONVERGED") for text in texts(plot_consequences(refused)))


@pytest.fixture(scope="module")
def found() -> MechanismComparison:
    """Two mechanisms of data made by one of them."""
    study, names = series("diffusion", 3, noise=0.01), ["ballistic+b1", "diffusion"]
    return compare_mechanisms(study, 1, names=names, widths=WIDTHS[:4], n_simulations=5, progress=False)


def test_the_picture_holds_the_numbers(found: MechanismComparison) -> None:
    figure = plot_mechanisms(found)
    evidence, left_out, ratio, par = figure.axes[:4]
    shown = [text.get_text() for text in evidence.texts]
    assert "best" in shown
    assert f"{-found.bayes_factors[0].value:.0f}".replace("-", "−") in shown
    drawn = np.concatenate([line.get_ydata() for line in left_out.lines if line.get_linestyle() == "None"])
    pairs = zip(found.best.left_out, found.results[0].left_out, strict=True)
    assert {round(b.log_density - a.log_density, 6) for a, b in pairs} <= set(np.round(drawn.astype(float), 6))
    data = slopes(found.study)
    for ax, values in ((ratio, data.ratio), (par, data.par)):
        assert any(np.allclose(line.get_ydata(), values) for line in ax.lines if len(line.get_ydata()) == 3)
        curve, flat = (
            next(line for line in ax.lines if line.get_gid() == name) for name in ("diffusion", "ballistic+b1")
        )
        assert np.allclose(np.interp(data.thickness, *curve.get_data()), values, rtol=0.1, atol=0.01)
        assert np.ptp(flat.get_ydata()) < 1e-9
    assert b"<svg" in render(figure, "svg")


@pytest.mark.slow
def test_the_section_of_the_report_has_every_digit(found: MechanismComparison) -> None:
    section = comparison_sections(found.best.fit, None, found)[2]
    assert (section.sentences, section.command) == (conclusions(found), "")
    assert tuple(section.tables.values()) == mechanism_tables(found)
    frame = pd.read_csv(io.BytesIO(section.files["mechanisms.csv"]), index_col="mechanism")
    for one in found.results:
        assert frame.loc[one.name, "log_evidence"] == one.evidence.value
        assert frame.loc[one.name, "aic"] == one.aic
    assert section.record["mechanisms"]["best"] == found.best.name  # type: ignore[index]
    (picture,) = section.pictures
    assert f"The best is {found.best.name}; ln Z of the others" in picture.alt
    assert picture.call == "mtjfit.plot.plot_mechanisms(mtjfit.comparison.compare_mechanisms(fit.study, seed=1))"
    # the comparison takes half a minute: what the call has to ask for is checked, and what it draws
    asked = SimpleNamespace(compare_mechanisms=lambda study, seed: {(found.study, 1): found}[study, seed])
    names = {"mtjfit": SimpleNamespace(plot=mtjfit.plot, comparison=asked), "fit": SimpleNamespace(study=found.study)}
    assert render(eval(picture.call, names)) == render(picture.draw())  # noqa: S307 - a call of the page


def test_curves_are_torkances_of_the_draws(found: MechanismComparison) -> None:
    """Another path to dT/dV: the torkance of `mtjfit.physics` for single draws."""
    d, one = np.array([0.8, 2.0, 4.0]), found["diffusion"]
    predicted = predicted_slopes(one, d)
    assert predicted is not None
    for row in (0, 7):
        draw = one.draws.iloc[row]
        lengths = [draw[name] for name in ("lambda_J", "lambda_phi", "lambda_sf_F", "Lambda")]
        interface = Interface.of(a1=draw["a1"])
        T = [torkance(0.0, x, *lengths, interface=interface, per="device").item() for x in d]
        assert np.allclose(predicted[0][row] + 1j * predicted[1][row], T, rtol=1e-12)
    own = replace(one.study.parameters["a1"], scope="device")
    scattered = replace(one, study=one.study.replace(parameters={**one.study.parameters, "a1": own}))
    assert predicted_slopes(scattered, d) is None


def test_signatures_say_how_each_goes_with_thickness() -> None:
    rows = signature_table("device").rows
    trends = {rows[k][0]: [row[-1] for row in rows[k : k + 3]] for k in range(0, len(rows), 3)}
    assert trends["ballistic"] == ["constant", "zero", "zero"]
    assert trends["ballistic+b1"] == trends["diffusion-bulk"] == ["constant"] * 3
    assert trends["diffusion"] == trends["diffusion+b1"] == ["changes"] * 3
    per_volume = [row[-1] for row in signature_table("volume").rows]
    assert per_volume[:6] == ["as 1/d", "zero", "zero", "as 1/d", "as 1/d", "constant"]
    line = next(line for line in plot_signatures("volume").axes[0].lines if line.get_gid() == "ballistic")
    assert np.allclose(line.get_ydata() * line.get_xdata(), 1.0)


def test_signatures_are_eq_12_and_13() -> None:
    """Thick layers with a long Λ go to the bulk; b1 turns the ratio r into (r + b)/(1 − r b)."""
    lengths = {"lambda_J": 1.2, "lambda_phi": 2.0, "lambda_sf_F": 1.5, "Lambda": 5.0}

    def ratio(name: str, d: float, b1: float = 0.0) -> float:
        slope = signature(MECHANISMS[name], [d], lengths=lengths, b1=b1)[0]
        return float(slope.imag / slope.real)

    bulk = ratio("diffusion-bulk", 200.0)
    chi, beta = (2.0 / 1.5) ** 2, (1.2 / 1.5) ** 2
    assert bulk == pytest.approx(-(chi**2) * beta / ((1 + chi) * beta**2 + chi**2), rel=1e-12)
    assert ratio("diffusion", 200.0) == pytest.approx(bulk, rel=1e-9)
    r, b = ratio("diffusion", 1.3), 0.4
    assert ratio("diffusion+b1", 1.3, b) == pytest.approx((r + b) / (1 - r * b), rel=1e-12)


def test_sentences_say_where_the_data_cannot_decide(found: MechanismComparison) -> None:
    assert conclusions(found)[0].startswith("The data favour diffusion over ballistic+b1")
    best = found.best
    close = replace(found["ballistic+b1"], evidence=replace(best.evidence, value=best.evidence.value - 1.0),
                    changes=best.changes)  # fmt: skip
    tied = replace(found, results=(close, best))
    said = conclusions(tied)
    assert said[0] == "The data cannot decide between diffusion, ballistic+b1."
    assert any("ballistic+b1 is not excluded: ln B" in line for line in said)
    assert "favour" not in " ".join(said)
    broken = replace(found, results=(replace(close, settled=False), best))
    assert conclusions(broken)[0].startswith("No verdict")
    assert "NOT excluded" in str(mechanism_tables(tied)[1])
