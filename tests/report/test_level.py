"""Intervals and bands of another level: all of them have it, and every header, caption and column says so."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from sketches import sketch

import mtjfit
from mtjfit.cli import Steps, cli
from mtjfit.infer.level import Level
from mtjfit.plot import plot_torque, plot_transfer
from mtjfit.report import Findings, findings, report_html, report_posterior, result_files
from mtjfit.results import latex_parameters, posterior_table, predictive_bands

pytestmark = pytest.mark.usefixtures("quick_fits")

NAMED = re.compile(r"\b(?:90|95|97\.5) ?(?:%|~)|\bq(?:05|95|025|975)\b")
"""Levels that are those of no interval at 80 %, but for limits of 90 %."""


@pytest.fixture(scope="module")
def eighty(finished) -> Findings:
    return findings(finished.fit, finished.posterior, {}, level=0.8)


def quantile(values: np.ndarray, share: float) -> float:
    """The value below which a share of the draws lies, by counting."""
    ordered = np.sort(values)
    place = share * (len(ordered) - 1)
    below = int(place)
    return float(ordered[below] + (place - below) * (ordered[min(below + 1, len(ordered) - 1)] - ordered[below]))


@pytest.mark.slow
def test_the_table_of_numbers_names_the_quantiles_that_it_holds(finished, eighty: Findings) -> None:
    usual = findings(finished.fit, finished.posterior, {})
    ends = {"q10": 0.1, "q50": 0.5, "q90": 0.9}, {"q05": 0.05, "q50": 0.5, "q95": 0.95}
    for found, shares in zip((eighty, usual), ends, strict=True):
        table = pd.read_csv(io.BytesIO(result_files(found)["summary.csv"]), index_col=0)
        assert [name for name in table if re.fullmatch(r"q\d+", name)] == list(shares)
        for name in table.index:
            for column, share in shares.items():
                expected = quantile(finished.posterior.draws[name].to_numpy(), share)
                assert table.loc[name, column] == pytest.approx(expected, rel=1e-9)


def test_no_section_that_follows_the_level_names_another(eighty: Findings) -> None:
    of_level = [
        section for section in eighty.sections if section.id in ("fit", "values", "priors", "diffusion", "consequences")
    ]
    assert len(of_level) == 5
    for section in of_level:
        for table in section.tables.values():
            words = " ".join([table.title, *table.header, table.note])
            assert not NAMED.search(words), words
        for name, content in section.files.items():
            assert not NAMED.search(content.decode().partition("\n")[0]), name
    assert "80 %" in posterior_table(eighty.posterior).header[1]
    assert (
        "Intervals are central, 80 %; a parameter that the data bound on one side only is given as a 90 % limit."
        in eighty.methods
    )
    assert r"medians and 80~\% intervals; limits at 90~\%." in latex_parameters(eighty.posterior)
    page = report_html(eighty, sketch(eighty))
    assert "80 %" in page
    assert "(medians and 90 % intervals" not in page


@pytest.mark.slow
def test_sabotage_the_usual_page_names_the_usual_levels(finished) -> None:
    usual = findings(finished.fit, finished.posterior, {})
    assert any(NAMED.search(" ".join([*t.header, t.note])) for s in usual.sections for t in s.tables.values())
    assert "q05" in result_files(usual)["summary.csv"].decode()


def words_of(figure) -> str:
    return " ".join(text.get_text() for text in figure.findobj(match=lambda each: hasattr(each, "get_text")))


def test_bands_hold_the_share_and_their_figures_say_so(finished) -> None:
    posterior = replace(finished.posterior, level=0.8)
    curve = posterior.study.curves[0]
    for with_noise, name in ((False, "model"), (True, "new points")):
        band = predictive_bands(posterior, curve, curve.bias, with_noise=with_noise)
        wide = predictive_bands(finished.posterior, curve, curve.bias, with_noise=with_noise)
        assert band.level == Level(0.8), name
        assert np.all(band.par.high - band.par.low < wide.par.high - wide.par.low)
        np.testing.assert_allclose(band.par.median, wide.par.median, rtol=1e-12)
    table = posterior.curve(curve.name, level=0.8)
    band = predictive_bands(posterior, curve, curve.bias, with_noise=False)
    np.testing.assert_allclose(table["par_low"], band.par.low, rtol=1e-9)
    torque, transfer = plot_torque(finished.fit, posterior), plot_transfer(posterior, finished.fit)
    assert "80 % predictive band" in words_of(torque)
    assert "band: 80 % of points" in words_of(torque)
    assert "posterior, 68 and 80 %" in words_of(transfer)
    assert {"band-80", "band-68"} == {each.get_gid() for ax in transfer.axes for each in ax.collections
                                      if str(each.get_gid()).startswith("band")}  # fmt: skip
    assert "95 %" not in words_of(torque) + words_of(transfer)


def test_a_narrow_level_has_one_band(finished) -> None:
    figure = plot_transfer(replace(finished.posterior, level=0.5), finished.fit)
    gids = {each.get_gid() for ax in figure.axes for each in ax.collections}
    assert "band-50" in gids
    assert "band-68" not in gids


def test_combinations_alone_have_the_level_too(one_thickness_fit) -> None:
    usual = findings(one_thickness_fit, None, {}).summary
    summary = findings(one_thickness_fit, None, {}, level=0.68).summary
    reach = (summary["q84"] - summary["q50"]) / summary["sd"]
    np.testing.assert_allclose(reach, 0.994458, rtol=1e-5)
    np.testing.assert_allclose((usual["q95"] - usual["q50"]) / usual["sd"], 1.644854, rtol=1e-5)
    assert "q95" not in summary


@pytest.mark.parametrize("share", [0.0, 1.0, float("nan"), -0.5, 0.49, 0.9995, 90.0, float("inf")])
def test_nonsense_is_refused_with_advice_before_anything_is_written(finished, share: float, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"from 0\.5 to 0\.999, such as 0\.9"):
        replace(finished.posterior, level=share)
    with pytest.raises(ValueError, match="is no level"):
        report_posterior(finished.posterior, tmp_path / "new", level=share)
    result = CliRunner().invoke(cli, ["report", str(finished.folder), "-o", str(tmp_path / "new"), f"--level={share}"])
    assert result.exit_code == 2
    assert "Invalid value for '--level'" in result.stderr
    assert not (tmp_path / "new").exists()


@pytest.mark.slow
def test_the_command_changes_the_page_and_not_the_draws(finished, tmp_path: Path) -> None:
    steps = Steps(lambda study: finished.fit, mtjfit.sample, sketch)
    for name, more in (("a", ["--level", "0.8"]), ("b", [])):
        result = CliRunner().invoke(
            cli, ["report", str(finished.folder), "-o", str(tmp_path / name), "-q", *more], obj=steps
        )
        assert result.exit_code == 0, result.output
    changed, usual = (tmp_path / name for name in "ab")
    assert (usual / "summary.csv").read_bytes() == (finished.folder / "summary.csv").read_bytes()
    assert (changed / "draws.npz").read_bytes() == (usual / "draws.npz").read_bytes()
    assert (changed / "summary.csv").read_text().startswith("parameter,mean,sd,q10,q50,q90,")
    assert CliRunner().invoke(cli, ["report", str(changed), "-q"], obj=steps).exit_code == 0  # back to the usual ones
    assert (changed / "summary.csv").read_bytes() == (usual / "summary.csv").read_bytes()


@pytest.mark.parametrize(
    ("share", "named"),
    [
        (0.9, "q05 q95"),
        (0.95, "q025 q975"),
        (0.68, "q16 q84"),
        (0.8, "q10 q90"),
        (0.999, "q0005 q9995"),
        (0.5, "q25 q75"),
    ],
)
def test_columns_are_named_by_their_probabilities(share: float, named: str) -> None:
    low, high = named.split()
    names = [low, "q50", high]
    assert list(Level(share).names) == names
    for name, probability in zip(names, Level(share).quantiles, strict=True):
        assert float(f"0.{name[1:]}") == probability
