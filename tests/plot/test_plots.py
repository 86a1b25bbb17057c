"""Torques, devices and runs as they are drawn, and what all share: marks, nothing cut off, names, same bytes."""

from __future__ import annotations

import ast
import re
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from plot_cases import (
    SIGMA,
    SIMULATED,
    assert_nothing_cut_off,
    bars,
    by_gid,
    figures,
    fitted,
    make_study,
    posterior_of,
    small_panels,
    style,
    texts,
)
from shortcuts import slow_after

import mtjfit
from mtjfit.data import conversion
from mtjfit.plot import (
    NotebookFigure,
    literal,
    plot_combinations,
    plot_corner,
    plot_torque,
    plot_trace,
    rank_fractions,
    render,
    save,
    watermark,
)
from mtjfit.results import predictive_bands, torque_at
from mtjfit.study import AboutNominal, Fixed, LogNormal, Normal, Parameter

pytestmark = pytest.mark.usefixtures("quick_fits")


def error_bars(ax: Axes) -> np.ndarray:
    """Lower and upper end of each error bar, shape (n, 2); they are one path with gaps."""
    (path,) = by_gid(ax, "error-bars")
    ends = path.get_ydata().reshape(-1, 3)
    assert np.all(np.isnan(ends[:, 2]))
    return ends[:, :2]


def test_torque_draws_the_data_the_fit_and_the_band() -> None:
    fit = fitted()
    posterior = posterior_of(fit)
    drawn = [(curve, component) for curve in fit.study.curves for component in ("par", "perp")]
    for ax, (curve, component) in zip(small_panels(figures()[0]), drawn, strict=True):
        (points,) = by_gid(ax, "data")
        np.testing.assert_allclose(points.get_xydata().T, [curve.bias, getattr(curve, component)])
        np.testing.assert_allclose(error_bars(ax), getattr(curve, component)[:, None] + [-SIGMA, SIGMA])
        grid, line = by_gid(ax, "best-fit")[0].get_xydata().T
        T = torque_at(fit.study, fit.values, curve, grid)
        np.testing.assert_allclose(line, T.real if component == "par" else T.imag)
        (band,) = by_gid(ax, "band")
        q = getattr(predictive_bands(posterior, curve, grid, with_noise=True), component)
        ends = band.get_paths()[0].vertices[:, 1]
        assert (ends.min(), ends.max()) == pytest.approx((q.low.min(), q.high.max()))
        assert q.high.max() - q.low.max() > 3.5 * SIGMA  # with noise, not the model alone


def test_residuals_are_in_units_of_sigma() -> None:
    drawn = np.concatenate([line.get_ydata() for line in by_gid(figures()[0], "residuals")])
    assert np.sum(drawn**2) == pytest.approx(fitted().chi2, rel=1e-6)


@pytest.mark.slow
def test_masked_points_are_hollow_and_the_others_are_not() -> None:
    study = make_study()
    study = study.replace(curves=tuple(c.mask(abs(c.bias) > 0.41, "window") for c in study.curves))
    fig = plot_torque(mtjfit.fit(study))
    (hollow,) = by_gid(small_panels(fig)[0], "masked")
    (full,) = by_gid(small_panels(fig)[0], "data")
    np.testing.assert_allclose(hollow.get_xdata(), [-0.5, -0.45, 0.45, 0.5])
    assert hollow.get_markerfacecolor() == "white"
    assert full.get_markerfacecolor() not in ("white", "none")
    assert full.get_xdata().size == 17
    assert "masked, not fitted" in texts(fig)
    assert "masked, not fitted" not in texts(figures()[0])


@pytest.mark.slow
def test_fitted_errors_are_drawn_from_the_fitted_scale() -> None:
    noise = LogNormal(0.003, 3.0)
    fit = mtjfit.fit(make_study(curve={"sigma_par": None, "sigma_perp": None}, noise_par=noise, noise_perp=noise))
    fig = plot_torque(fit)
    lengths = np.ptp(error_bars(small_panels(fig)[0]), axis=1)
    np.testing.assert_allclose(lengths, 2 * fit.values["noise_par"])
    assert fit.values["noise_par"] == pytest.approx(SIGMA, rel=0.3)
    assert any("fitted from the scatter" in text for text in texts(fig))


@pytest.mark.slow
def test_curves_in_other_units_are_drawn_in_that_of_the_first() -> None:
    study = fitted().study
    factor = conversion("hbar/2e/kohm", "aN m/V")
    changed = {c: getattr(study.curves[1], c) * factor for c in ("par", "perp", "sigma_par", "sigma_perp")}
    mixed = study.replace(curves=(study.curves[0], replace(study.curves[1], unit="aN m/V", **changed), study.curves[2]))
    (points,) = by_gid(small_panels(plot_torque(mtjfit.fit(mixed)))[2], "data")
    np.testing.assert_allclose(points.get_ydata(), study.curves[1].par, rtol=1e-9)


def test_every_axis_names_its_unit() -> None:
    for ax in figures()[0].axes:
        assert re.search(r"kΩ⁻¹|sigma", ax.get_ylabel()), ax.get_ylabel()
    assert any("M × P" in text for text in texts(figures()[0]))


def test_fit_and_posterior_of_different_devices_are_refused() -> None:
    with pytest.raises(ValueError, match="different devices"):
        plot_torque(fitted(), posterior_of(fitted(("A", "B", "D"))))


@pytest.mark.parametrize(("n", "panels"), slow_after(2, [(1, 4), (3, 14), (7, 30), (13, 6)]))
def test_layout_follows_the_number_of_devices(n: int, panels: int) -> None:
    """Axes: two of all devices together, four of each device; beyond twelve two maps and two colour bars."""
    study = make_study([f"W{j:02d}" for j in range(n)], lambda_J=Fixed(1.0), lambda_phi=Fixed(1.0))
    fig = plot_torque(mtjfit.fit(study))
    assert len(fig.axes) == panels
    assert_nothing_cut_off(fig)


# devices and runs


def test_combinations_are_points_and_the_line_is_kappa_of_the_fit() -> None:
    fit = fitted()
    ratio, slope, share = figures()[2].axes
    table = fit.combinations.set_index(["quantity", "device"])
    for ax, quantity in ((ratio, "slope_ratio"), (slope, "|kappa|·a1"), (share, "b2/a1")):
        for curve, points in zip(fit.study.curves, bars(ax, "device"), strict=True):
            row = table.loc[(quantity, curve.device)]
            np.testing.assert_allclose(points.lines[0].get_xydata(), [[curve.thickness, row["value"]]])
            (bar,) = points.lines[2][-1].get_segments()
            np.testing.assert_allclose(np.ptp(bar[:, 1]), 2 * row["sd"])
    d, line = by_gid(slope, "best-fit")[0].get_xydata().T
    lengths = [fit.values[n] for n in ("lambda_J", "lambda_phi", "lambda_sf_F", "lambda_sf_N", "D_ratio")]
    kappa = mtjfit.physics.kappa(d, *lengths)
    np.testing.assert_allclose(line, np.abs(kappa) * fit.values["a1"])
    np.testing.assert_allclose(by_gid(ratio, "best-fit")[0].get_xydata().T, [d, kappa.imag / kappa.real])


def test_points_stand_at_the_fitted_thickness() -> None:
    study = make_study(thickness=Parameter("thickness", AboutNominal(0.3), "device"))
    fit = mtjfit.fit(study)
    drawn = [points.lines[0].get_xdata()[0] for points in bars(plot_combinations(fit).axes[0], "device")]
    np.testing.assert_allclose(drawn, [fit.values[f"thickness[{name}]"] for name in study.devices])
    assert not np.allclose(drawn, study.thicknesses, atol=1e-3)


def test_one_thickness_has_points_but_no_line() -> None:
    fig = plot_combinations(fitted(("A",)))
    assert [len(bars(ax, "device")) for ax in fig.axes] == [1, 1, 1]
    assert not by_gid(fig, "best-fit")
    assert any("A" in text and "0.8 nm" in text for text in texts(fig))


@pytest.mark.slow
def test_rank_plot_shows_the_ensemble_that_differs() -> None:
    posterior = posterior_of(fitted())
    np.testing.assert_allclose(rank_fractions(posterior, "lambda_J").mean(axis=1), 1.0)
    assert np.abs(rank_fractions(posterior, "lambda_J") - 1).max() < 0.6
    moved = replace(posterior, chain=posterior.chain.copy())
    moved.chain[2, ..., 0] *= 1.1
    assert rank_fractions(moved, "lambda_J")[2, -1] > 2.5
    fig = plot_trace(moved)
    stairs = next(ax for ax in fig.axes if ax.get_title() == r"$\lambda_J$").patches[2]
    np.testing.assert_allclose(stairs.get_data().values, rank_fractions(moved, "lambda_J")[2])
    steps, middle = fig.axes[0].lines[2].get_xydata().T
    np.testing.assert_allclose(steps[:3], [0, 3, 6])
    below = posterior.log_likelihood - posterior.log_likelihood.max()
    np.testing.assert_allclose(middle, np.median(below[2], axis=1), atol=1e-9)


def test_a_run_that_did_not_converge_says_so() -> None:
    fit = fitted(("A",))
    bad = posterior_of(fit, converged=False)
    marked = (plot_torque(fit, bad), plot_corner(bad, ["lambda_J", "a1"]), plot_trace(bad))
    for fig in (*marked, *figures()):
        assert any("NOT CONVERGED" in text for text in texts(fig)) == (fig in marked)


@pytest.mark.slow
def test_only_data_that_were_not_measured_are_marked() -> None:
    for fig in figures(SIMULATED):
        said = " ".join(t.get_text() for k in range(4) for t in reversed(by_gid(fig, f"watermark-{k}")))
        assert said == "SIMULATED, not measured: made for $a$ test, 5 % noise"
        assert [t.get_text() for t in by_gid(fig, "watermark")] == ["SIMULATED"]
    for fig in figures():
        assert not any("SIMULATED" in text for text in texts(fig))
        assert not by_gid(fig, "watermark")


def test_watermark_is_drawn_in_ink() -> None:
    with style():
        fig = Figure(figsize=(3, 2))
    blank = render(fig, "png")
    assert watermark(fig, fitted(origin=SIMULATED).study) > 0.1
    assert render(fig, "png") != blank


def test_nothing_is_cut_off_and_a_cut_would_be_seen() -> None:
    for fig in (*figures(SIMULATED), plot_corner(posterior_of(fitted()))):
        assert_nothing_cut_off(fig)
    fig = plot_combinations(fitted(("A",)))
    fig.text(0.99, 0.5, "far too long for the margin")
    with pytest.raises(AssertionError, match="cut off at the right"):
        assert_nothing_cut_off(fig)


HOSTILE = ("$x_1$", "_a_b", "<&>东\n%\\$^{")


@pytest.mark.slow
def test_hostile_names_are_shown_as_they_are() -> None:
    fit = mtjfit.fit(make_study(HOSTILE, a1=Parameter("a1", Normal(0.0, 1.0), "device")))
    posterior = posterior_of(fit)
    torque, corner = plot_torque(fit), plot_corner(posterior, ["a1[$x_1$]", "a1[_a_b]"])
    for fig in (torque, corner, plot_combinations(fitted(("$x_1$",))), plot_trace(posterior)):
        assert ElementTree.fromstring(render(fig, "svg")).tag.endswith("svg")  # noqa: S314 - our own file
    legend = [text.get_text() for text in torque.legends[0].get_texts()]
    assert (len(legend), legend[1]) == (4, "1.7 nm (_a_b)")


def test_literal_means_what_matplotlib_draws() -> None:
    """The glyphs of an escaped name are those of the name without any parsing."""

    def pixels(text: str, **kwargs: Any) -> np.ndarray:
        with style():
            fig = Figure(figsize=(2, 0.5), dpi=100)
            fig.text(0.05, 0.4, text, **kwargs)
            canvas = FigureCanvasAgg(fig)
            canvas.draw()
        return np.asarray(canvas.buffer_rgba())[..., 0]

    for name in ("$x_1$", "_a_b", r"a\$b^{", "50 %", "$"):
        np.testing.assert_array_equal(pixels(literal(name)), pixels(name, parse_math=False))
    assert not np.array_equal(pixels("$x_1$"), pixels("$x_1$", parse_math=False))


@pytest.mark.parametrize("format", slow_after(1, ["svg", "pdf", "png"]))
def test_saved_files_are_the_same_every_time(format: str, tmp_path: Path) -> None:
    def small() -> NotebookFigure:
        fig = NotebookFigure(figsize=(2, 1), layout="constrained")
        watermark(fig, fitted(origin=SIMULATED).study)
        fig.subplots().set_clip_on(True)  # clip paths have names that matplotlib draws by lot
        return fig

    first = save(small(), tmp_path / f"a.{format}").read_bytes()
    again = small()
    assert save(again, tmp_path / f"b.{format.upper()}").read_bytes() == first == render(again, format)


@pytest.mark.slow
def test_figures_are_the_same_every_time() -> None:
    fit = fitted(("A",))
    first = render(plot_torque(fit, posterior_of(fit)), "svg")
    assert render(plot_torque(fit, posterior_of(fit)), "svg") == first
    assert render(plot_torque(fit), "svg") != first
    laid_out = plot_combinations(fit)
    assert render(laid_out, "svg") == render(laid_out, "svg") == render(plot_combinations(fit), "svg")


def test_other_formats_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="svg, pdf, png, not 'exe'"):
        save(Figure(), tmp_path / "figure.exe")
    assert not list(tmp_path.iterdir())


def test_laying_out_needs_no_axes() -> None:
    with style():
        fig = NotebookFigure(figsize=(1, 1), layout="constrained")
        fig.text(0.5, 0.5, "nothing to draw")
    assert render(fig, "svg").count(b"<g id=") >= 2  # without the warning of an empty grid


def test_figures_leave_no_global_state(monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's settings neither change nor act, and no figure stays open in pyplot."""
    from matplotlib import pyplot

    open_before, before = pyplot.get_fignums(), dict(matplotlib.rcParams)
    render(plot_corner(posterior_of(fitted()), ["a1", "b2"]), "svg")
    assert dict(matplotlib.rcParams) == before
    assert pyplot.get_fignums() == open_before
    expected = render(plot_combinations(fitted()), "svg")
    with matplotlib.rc_context({"font.size": 30.0, "lines.linewidth": 9.0, "svg.fonttype": "none"}):
        assert render(plot_combinations(fitted()), "svg") == expected


def shown(fig: Figure) -> tuple[int, int]:
    """Width and height in pixels of the picture that a notebook asks a figure for."""
    picture = fig._repr_png_()  # type: ignore[attr-defined]
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    return struct.unpack(">II", picture[16:24])


def test_every_figure_shows_itself_in_a_notebook() -> None:
    """At 150 dots per inch, in ink; and what is saved afterwards is what would have been saved before."""
    assert all(isinstance(fig, NotebookFigure) for fig in figures())
    assert shown(figures()[3]) == tuple(int(150 * inches) for inches in figures()[3].get_size_inches())
    blank = NotebookFigure(figsize=(2, 1))
    assert shown(blank) == (300, 150)
    before = blank._repr_png_()
    blank.text(0.5, 0.5, "ink")
    assert blank._repr_png_() != before
    seen, unseen = plot_combinations(fitted(("A",))), plot_combinations(fitted(("A",)))
    shown(seen)
    assert render(seen, "svg") == render(unseen, "svg")


def breaches(folder: Path) -> list[str]:
    """Files that make a figure of matplotlib's own, which shows nothing in a notebook, or import pyplot, which keeps
    figures open and wants a screen; corner's own import is not ours."""
    trees = {path.name: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.py"))}
    nodes = [(name, node) for name, tree in trees.items() for node in ast.walk(tree)]
    made = [(name, ast.unparse(node.func)) for name, node in nodes if isinstance(node, ast.Call)]
    imported = [(name, ast.unparse(node)) for name, node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]
    return [name for name, call in made if call.split(".")[-1] in ("Figure", "figure", "subplots")
            and not call.startswith("fig.")] + [name for name, text in imported if "pyplot" in text]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("sabotage", slow_after(1, [
    "fig = Figure()", "fig = matplotlib.figure.Figure()", "fig, ax = plt.subplots()", "import matplotlib.pyplot as plt",
    "def f():\n    from matplotlib import pyplot", "from pylab import pyplot",
]))  # fmt: skip
def test_every_figure_shows_itself_and_none_needs_pyplot(sabotage: str, tmp_path: Path) -> None:
    assert set(breaches(Path(mtjfit.plot.__file__).parent)) == {"windows.py"}  # imports it when a window is asked for
    (tmp_path / "bad.py").write_text(sabotage, encoding="utf-8")
    assert breaches(tmp_path) == ["bad.py"]


@pytest.mark.slow
def test_the_package_imports_no_matplotlib_and_shows_figures_without_pyplot() -> None:
    code = (
        "import sys, mtjfit, mtjfit.cli; print('matplotlib' in sys.modules, 'corner' in sys.modules)\n"
        "from mtjfit.plot.style import NotebookFigure; picture = NotebookFigure()._repr_png_()\n"
        "print(len(picture) > 100, 'matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False", "True", "False"]
