"""What the figures say: numbers in lines, bands and contours, the marks on them, and that nothing is cut off."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.path import Path as Outline

import mtjfit
from mtjfit.data import Origin, TorqueCurve, conversion
from mtjfit.infer import Check, FitResult, Posterior, Verdict
from mtjfit.model.likelihood import MarginalPosterior
from mtjfit.physics import Interface, torkance
from mtjfit.plot import plot_combinations, plot_corner, plot_torque, plot_trace, render, save
from mtjfit.plot.style import literal, style, watermark
from mtjfit.plot.trace import rank_fractions
from mtjfit.results.predict import predictive_bands, torque_at
from mtjfit.study import Fixed, LogNormal, LogUniform, Normal, Parameter, Study

SIGMA = 0.0026
MEASURED, SIMULATED = Origin(), Origin("simulated", "made for $a$ test, 5 % noise")


def make_curve(j: int, name: str, d: float, *, origin: Origin = MEASURED, **changes: Any) -> TorqueCurve:
    V = np.linspace(-0.5, 0.5, 21)
    T = torkance(V, d, 1, 1, 10, 1, interface=Interface.of(a1=0.13, b2=0.08))
    rng = np.random.default_rng(j)
    values: dict[str, Any] = {
        "par": T.real + SIGMA * rng.standard_normal(21), "perp": T.imag + SIGMA * rng.standard_normal(21),
        "sigma_par": np.full(21, SIGMA), "sigma_perp": np.full(21, SIGMA), **changes,
    }  # fmt: skip
    return TorqueCurve(name, V, thickness=d, quantity="torkance", per="device", unit="hbar/2e/kohm", origin=origin,
                       **values)  # fmt: skip


def parameters(**changes: Any) -> dict[str, Parameter]:
    length = LogUniform(0.1, 100.0)
    priors: dict[str, Any] = {
        "lambda_J": length, "lambda_phi": length, "lambda_sf_F": LogNormal(10.0, 2.0), "lambda_sf_N": length,
        "D_ratio": Fixed(1.0), "thickness": Parameter("thickness", Fixed(0.0), "device"), "a1": Normal(0.0, 1.0),
        "b2": Normal(0.0, 1.0), **changes,
    }  # fmt: skip
    return {n: p if isinstance(p, Parameter) else Parameter(n, p) for n, p in priors.items() if p is not None}


def make_study(
    names: Iterable[str] = ("A", "B", "C"), *, origin: Origin = MEASURED, curve: Any = None, **changes: Any
) -> Study:
    curves = [make_curve(j, name, 0.8 + 0.9 * j, origin=origin, **(curve or {})) for j, name in enumerate(names)]
    return Study("made", tuple(curves), parameters(**changes))


@cache
def fitted(names: tuple[str, ...] = ("A", "B", "C"), origin: Origin = MEASURED) -> FitResult:
    return mtjfit.fit(make_study(names, origin=origin))


def posterior_of(fit: FitResult, *, converged: bool = True, width: float = 0.03) -> Posterior:
    """Draws about the best fit, λ_sf^F from its prior: what a sampler would give, without its seconds."""
    model, rng = MarginalPosterior(fit.study), np.random.default_rng(1)
    names = (*model.layout.names, *model.amplitudes.names)
    shape = (4, 100, 10)
    columns = [fit.values[name] * np.exp(width * rng.standard_normal(shape)) for name in names]
    columns[2] = model.layout.entries[2].prior.quantile(rng.random(shape))
    priors = {entry.name: entry.prior for entry in model.layout.entries}
    priors |= {n: fit.study.parameters[n.split("[")[0]].prior for n in model.amplitudes.names}
    verdict = Verdict((Check("made", converged, "made by hand"),), {})
    settings = {"thin": 3, "seed": 1}
    log_likelihood = rng.standard_normal(shape)
    return Posterior(fit.study, verdict, names, np.stack(columns, -1), log_likelihood, priors, settings)


def by_gid(holder: Figure | Axes, gid: str) -> list[Any]:
    return holder.findobj(lambda artist: artist.get_gid() == gid)


def bars(ax: Axes, gid: str) -> list[Any]:
    """Points with error bars."""
    return [container for container in ax.containers if container.lines[0].get_gid() == gid]


def texts(fig: Figure) -> list[str]:
    return [t.get_text() for t in fig.findobj(matplotlib.text.Text) if t.get_text() and t.get_visible()]


@cache
def figures(origin: Origin = MEASURED) -> tuple[Figure, ...]:
    """One of each, drawn once; tests only look."""
    fit = fitted(origin=origin)
    posterior = posterior_of(fit)
    few = ["lambda_J", "lambda_phi", "lambda_sf_F"]
    return plot_torque(fit, posterior), plot_corner(posterior, few), plot_combinations(fit), plot_trace(posterior)


def small_panels(fig: Figure) -> list[Axes]:
    """Panels of single devices: in-plane and out-of-plane in the order of thickness."""
    return [ax for ax in fig.axes if by_gid(ax, "best-fit") and len(by_gid(ax, "best-fit")) == 1]


# ---- torque


def test_torque_draws_the_data_the_fit_and_the_band() -> None:
    fit = fitted()
    posterior = posterior_of(fit)
    panels = small_panels(figures()[0])
    assert len(panels) == 6
    for k, curve in enumerate(fit.study.curves):
        for ax, component in zip(panels[2 * k : 2 * k + 2], ("par", "perp"), strict=True):
            (points,) = bars(ax, "data")
            segments = points.lines[2][0].get_segments()
            np.testing.assert_allclose(points.lines[0].get_xydata().T, [curve.bias, getattr(curve, component)])
            np.testing.assert_allclose(np.ptp([bar[:, 1] for bar in segments], axis=1), 2 * SIGMA)
            grid, line = by_gid(ax, "best-fit")[0].get_xydata().T
            T = torque_at(fit.study, fit.values, curve, grid)
            np.testing.assert_allclose(line, T.real if component == "par" else T.imag)
            (band,) = by_gid(ax, "band")
            q = getattr(predictive_bands(posterior, curve, grid, with_noise=True), component)
            drawn = band.get_paths()[0].vertices
            assert drawn[:, 1].max() == pytest.approx(q.q975.max())
            assert drawn[:, 1].min() == pytest.approx(q.q025.min())
            assert q.q975.max() - q.q025.max() > 3.5 * SIGMA  # with noise, not the model alone


def test_residuals_are_in_units_of_sigma() -> None:
    fit = fitted()
    drawn = np.concatenate([line.get_ydata() for line in by_gid(figures()[0], "residuals")])
    assert np.sum(drawn**2) == pytest.approx(fit.chi2, rel=1e-6)


def test_masked_points_are_hollow_and_the_others_are_not() -> None:
    study = make_study()
    study = study.replace(curves=tuple(c.mask(abs(c.bias) > 0.41, "window") for c in study.curves))
    fig = plot_torque(mtjfit.fit(study))
    (hollow,) = bars(small_panels(fig)[0], "masked")
    (full,) = bars(small_panels(fig)[0], "data")
    np.testing.assert_allclose(hollow.lines[0].get_xdata(), [-0.5, -0.45, 0.45, 0.5])
    assert hollow.lines[0].get_markerfacecolor() == "white"
    assert full.lines[0].get_markerfacecolor() not in ("white", "none")
    assert full.lines[0].get_xdata().size == 17
    assert "masked, not fitted" in texts(fig)
    assert "masked, not fitted" not in texts(figures()[0])


def test_fitted_errors_are_drawn_from_the_fitted_scale() -> None:
    noise = LogNormal(0.003, 3.0)
    fit = mtjfit.fit(make_study(curve={"sigma_par": None, "sigma_perp": None}, noise_par=noise, noise_perp=noise))
    fig = plot_torque(fit)
    (points,) = bars(small_panels(fig)[0], "data")
    lengths = np.ptp([bar[:, 1] for bar in points.lines[2][0].get_segments()], axis=1)
    np.testing.assert_allclose(lengths, 2 * fit.values["noise_par"])
    assert fit.values["noise_par"] == pytest.approx(SIGMA, rel=0.3)
    assert any("fitted from the scatter" in text for text in texts(fig))


def test_curves_in_other_units_are_drawn_in_that_of_the_first() -> None:
    study = fitted().study
    factor = conversion("hbar/2e/kohm", "aN m/V")
    changed = {c: getattr(study.curves[1], c) * factor for c in ("par", "perp", "sigma_par", "sigma_perp")}
    mixed = study.replace(curves=(study.curves[0], replace(study.curves[1], unit="aN m/V", **changed), study.curves[2]))
    (points,) = bars(small_panels(plot_torque(mtjfit.fit(mixed)))[2], "data")
    np.testing.assert_allclose(points.lines[0].get_ydata(), study.curves[1].par, rtol=1e-9)


def test_every_axis_names_its_unit() -> None:
    for ax in figures()[0].axes:
        assert re.search(r"kΩ⁻¹|sigma", ax.get_ylabel()), ax.get_ylabel()
    assert any("M × P" in text for text in texts(figures()[0]))


def test_fit_and_posterior_of_different_devices_are_refused() -> None:
    with pytest.raises(ValueError, match="different devices"):
        plot_torque(fitted(), posterior_of(fitted(("A", "B", "D"))))


@pytest.mark.parametrize(("n", "panels"), [(1, 4), (3, 14), (7, 30), (13, 6)])
def test_layout_follows_the_number_of_devices(n: int, panels: int) -> None:
    """Axes: two of all devices together, four of each device; beyond twelve two maps and two colour bars."""
    study = make_study([f"W{j:02d}" for j in range(n)], lambda_J=Fixed(1.0), lambda_phi=Fixed(1.0))
    fig = plot_torque(mtjfit.fit(study))
    assert len(fig.axes) == panels
    assert_nothing_cut_off(fig)


# ---- corner


def inside(outline: Outline, points: np.ndarray) -> float:
    """Share of points within closed contours (holes and islands counted by parity)."""
    count = sum(Outline(piece).contains_points(points).astype(int) for piece in outline.to_polygons())
    return float(np.mean(np.asarray(count) % 2))


def test_contours_hold_68_and_95_percent_of_the_draws() -> None:
    """Not the 39 % and 86 % of one and two sigma in two dimensions."""
    posterior = posterior_of(fitted())
    fig = figures()[1]
    drawn = fig.axes[3].collections[-1].get_paths()
    points = np.log10(posterior.draws[["lambda_J", "lambda_phi"]].to_numpy())
    shares = sorted(inside(path, points) for path in drawn)
    np.testing.assert_allclose(shares, [0.68, 0.95], atol=0.035)
    assert any("68 % and 95 % of the draws" in text for text in texts(fig))


def test_priors_hold_as_much_as_the_histogram() -> None:
    """λ_sf^F was drawn from its prior: histogram and prior curve coincide, in the same units."""
    posterior = posterior_of(fitted())
    ax = figures()[1].axes[8]
    (prior,) = by_gid(ax, "prior")
    x, y = prior.get_xydata().T
    counts, edges = np.histogram(
        np.log10(posterior.draws["lambda_sf_F"]), bins=30, range=ax.get_xlim()
    )  # corner's own thirty bins
    middle = (edges[1:] + edges[:-1]) / 2
    np.testing.assert_allclose(np.interp(middle, x, y), counts, atol=5 * np.sqrt(counts.max()))
    width = edges[1] - edges[0]
    assert np.trapezoid(y, x) / (4000 * width) == pytest.approx(1.0, abs=0.02)


def test_prior_of_lambda_product_is_normalised() -> None:
    study = make_study(D_ratio=LogNormal(1.0, 1.5))
    fit = mtjfit.fit(study)
    posterior = posterior_of(fit)
    rng = np.random.default_rng(4)
    product = posterior.priors["lambda_sf_N"].quantile(rng.random(4000)) * LogNormal(1.0, 1.5).quantile(
        rng.random(4000)
    )
    chain = np.concatenate([posterior.chain, product.reshape(4, 100, 10, 1)], axis=-1)
    posterior = replace(posterior, names=(*posterior.names, "Lambda"), chain=chain)
    ax = plot_corner(posterior, ["lambda_J", "Lambda"]).axes[3]
    (prior,) = by_gid(ax, "prior")
    x, y = prior.get_xydata().T
    width = (ax.get_xlim()[1] - ax.get_xlim()[0]) / 30
    assert np.trapezoid(y, x) / (4000 * width) == pytest.approx(1.0, abs=0.02)


def test_only_determined_parameters_have_an_interval() -> None:
    posterior = posterior_of(fitted())
    one, other = figures()[1].axes[0], figures()[1].axes[8]
    q05, q50, q95 = np.quantile(posterior.draws["lambda_J"], [0.05, 0.5, 0.95])
    assert f"{q50:.3f}\n[{q05:.3f}, {q95:.3f}]" in one.get_title()
    upright = [line.get_xdata()[0] for line in one.lines if len(line.get_xdata()) == 2]
    np.testing.assert_allclose(upright, np.log10([q05, q50, q95]))
    assert posterior.determined("lambda_sf_F") == "no"
    assert "not determined\nby the data" in other.get_title()
    assert not re.search(r"\d|±", other.get_title().split("\n", 1)[1])
    assert len(other.lines) == 1  # the prior


def test_axes_of_lengths_show_natural_values() -> None:
    ax = figures()[1].axes[8]
    shown = [label.get_text() for label in ax.get_xticklabels()]
    np.testing.assert_allclose(10 ** ax.get_xticks(), [float(text) for text in shown], rtol=1e-9)
    assert len(shown) >= 2
    low, high = 10 ** np.array(ax.get_xlim())
    assert all(low < float(text) < high for text in shown)


# ---- devices and trace


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
    np.testing.assert_allclose(line, np.abs(mtjfit.physics.kappa(d, *lengths)) * fit.values["a1"])
    d, line = by_gid(ratio, "best-fit")[0].get_xydata().T
    kappa = mtjfit.physics.kappa(d, *lengths)
    np.testing.assert_allclose(line, kappa.imag / kappa.real)


def test_points_stand_at_the_fitted_thickness() -> None:
    study = make_study(thickness=Parameter("thickness", mtjfit.study.AboutNominal(0.3), "device"))
    fit = mtjfit.fit(study)
    drawn = [points.lines[0].get_xdata()[0] for points in bars(plot_combinations(fit).axes[0], "device")]
    np.testing.assert_allclose(drawn, [fit.values[f"thickness[{name}]"] for name in study.devices])
    assert not np.allclose(drawn, study.thicknesses, atol=1e-3)


def test_one_thickness_has_points_but_no_line() -> None:
    fig = plot_combinations(fitted(("A",)))
    assert [len(bars(ax, "device")) for ax in fig.axes] == [1, 1, 1]
    assert not by_gid(fig, "best-fit")
    assert any("A" in text and "0.8 nm" in text for text in texts(fig))


def test_rank_plot_shows_the_ensemble_that_differs() -> None:
    posterior = posterior_of(fitted())
    np.testing.assert_allclose(rank_fractions(posterior, "lambda_J").mean(axis=1), 1.0)
    assert np.abs(rank_fractions(posterior, "lambda_J") - 1).max() < 0.6
    chain = posterior.chain.copy()
    chain[2, ..., 0] *= 1.1
    moved = replace(posterior, chain=chain)
    assert rank_fractions(moved, "lambda_J")[2, -1] > 2.5
    fig = plot_trace(moved)
    stairs = next(ax for ax in fig.axes if ax.get_title() == r"$\lambda_J$").patches[2]
    np.testing.assert_allclose(stairs.get_data().values, rank_fractions(moved, "lambda_J")[2])
    steps, middle = fig.axes[0].lines[2].get_xydata().T
    np.testing.assert_allclose(steps[:3], [0, 3, 6])
    np.testing.assert_allclose(middle, np.median(posterior.log_likelihood[2], axis=1))


def test_a_run_that_did_not_converge_says_so() -> None:
    fit = fitted(("A",))
    bad = posterior_of(fit, converged=False)
    for fig in (plot_torque(fit, bad), plot_corner(bad, ["lambda_J", "a1"]), plot_trace(bad)):
        assert any("NOT CONVERGED" in text for text in texts(fig))
    for fig in figures():
        assert not any("NOT CONVERGED" in text for text in texts(fig))


# ---- all figures


def test_only_data_that_were_not_measured_are_marked() -> None:
    for fig in figures(SIMULATED):
        shown = " ".join(t.get_text() for k in range(4) for t in reversed(by_gid(fig, f"watermark-{k}")))
        assert shown == "SIMULATED, not measured: made for $a$ test, 5 % noise"
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


def assert_nothing_cut_off(fig: Figure) -> None:
    with style():
        canvas = FigureCanvasAgg(fig)
        canvas.draw()
        ink = fig.get_tightbbox(canvas.get_renderer())
    (width, height), hair = fig.get_size_inches(), 0.01
    assert ink.x0 >= -hair, "cut off at the left"
    assert ink.x1 <= width + hair, "cut off at the right"
    assert ink.y0 >= -hair, "cut off at the bottom"
    assert ink.y1 <= height + hair, "cut off at the top"


def test_nothing_is_cut_off() -> None:
    for fig in (*figures(SIMULATED), plot_corner(posterior_of(fitted()))):
        assert_nothing_cut_off(fig)


def test_the_check_for_cuts_sees_a_cut() -> None:
    fig = plot_combinations(fitted(("A",)))
    fig.text(0.99, 0.5, "far too long for the margin")
    with pytest.raises(AssertionError, match="cut off at the right"):
        assert_nothing_cut_off(fig)


HOSTILE = ("$x_1$", "_a_b", "<&>东\n%\\$^{")


def test_hostile_names_are_shown_as_they_are() -> None:
    fit = mtjfit.fit(make_study(HOSTILE, a1=Parameter("a1", Normal(0.0, 1.0), "device")))
    posterior = posterior_of(fit)
    torque = plot_torque(fit)
    corner = plot_corner(posterior, ["a1[$x_1$]", "a1[_a_b]"])
    for fig in (torque, corner, plot_combinations(fitted(("$x_1$",))), plot_trace(posterior)):
        assert ElementTree.fromstring(render(fig, "svg")).tag.endswith("svg")  # noqa: S314 - our own file
    legend = torque.legends[0]
    assert len(legend.get_texts()) == 4
    assert legend.get_texts()[1].get_text() == "1.7 nm (_a_b)"


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


@pytest.mark.parametrize("format", ["svg", "pdf", "png"])
def test_saved_files_are_the_same_every_time(format: str, tmp_path: Path) -> None:
    fit = fitted(("A",))
    first = save(plot_torque(fit, posterior_of(fit)), tmp_path / f"a.{format}").read_bytes()
    fig = plot_torque(fit, posterior_of(fit))
    assert save(fig, tmp_path / f"b.{format.upper()}").read_bytes() == first
    if format == "svg":
        assert render(fig, format) == first
        assert render(plot_torque(fit), format) != first
        laid_out = plot_combinations(fit)
        assert render(laid_out, format) == render(laid_out, format) == render(plot_combinations(fit), format)


def test_other_formats_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="svg, pdf, png, not 'exe'"):
        save(Figure(), tmp_path / "figure.exe")
    assert not list(tmp_path.iterdir())


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


def test_importing_the_package_does_not_import_matplotlib() -> None:
    import subprocess

    code = "import sys, mtjfit, mtjfit.cli; print('matplotlib' in sys.modules, 'corner' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
