"""Sweeps up and down: told apart, averaged as declared, compared, and shown."""

from __future__ import annotations

from pathlib import Path
from time import process_time

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sweeping import FIELD, HEAD, noisy, text_of, written

from mtjfit.errors import DataError
from mtjfit.spectra import analyse, load_spectra
from mtjfit.spectra.page import spectra_document, spectra_says, sweeps_table
from mtjfit.spectra.plot import plot_sweeps
from mtjfit.spectra.sweeps import legs

UP = noisy(FIELD, 1, centre=48.0)
DOWN = noisy(FIELD, 2, centre=52.0)
BOTH = np.concatenate([FIELD, FIELD[::-1]])


def both(down: np.ndarray = DOWN) -> str:
    return text_of(BOTH, np.concatenate([UP, down[::-1]]))


def analysed(folder: Path, content: str, sweeps: str = ""):
    head = HEAD.replace("[[files]]", f'sweeps = "{sweeps}"\n[[files]]') if sweeps else HEAD
    return analyse(load_spectra(written(folder, {"a.txt": content}, head)))


@pytest.mark.parametrize("sweeps", ["", "separate"])
def test_a_sweep_that_turns_round_is_two_spectra(tmp_path: Path, sweeps: str):
    result = analysed(tmp_path, both(), sweeps)
    assert [fit.spectrum.sweep for fit in result.fits] == ["up", "down"]
    assert_allclose([fit.centre[0] for fit in result.fits], [0.048, 0.052], atol=1e-4)
    assert_allclose([fit.half_width[0] for fit in result.fits], 0.003, rtol=0.02)
    assert_allclose([fit.s[0] for fit in result.fits], 1e-5, rtol=0.02)
    assert result.study.rows.read == result.study.rows.used == BOTH.size
    told = [notice for notice in result.notices if "turns round" in notice]
    assert len(told) == (0 if sweeps else 1)
    assert all(each.startswith("a.txt:103: ") for each in told)


def test_one_notice_for_many_files(tmp_path: Path):
    files = {f"{k}.txt": text_of(BOTH, noisy(BOTH, k)) for k in range(5)}
    (notice,) = load_spectra(written(tmp_path, files)).notices
    assert notice.startswith("0.txt:103 and 4 more: the abscissa turns round")


def test_hysteresis_is_shown_in_the_table_the_notices_and_the_figure(tmp_path: Path):
    result = analysed(tmp_path, both(), "separate")
    (one,) = result.hysteresis
    assert_allclose(one.difference[0], -0.004, atol=5 * one.errors[0])
    assert one.p < 1e-10
    assert any("sweeps up and down differ" in notice for notice in result.notices)
    table = sweeps_table(result)
    assert len(table.rows) == 1
    assert table.rows[0][1] == "up − down"
    assert len(plot_sweeps(result, "A1").axes) == 5
    assert spectra_document(result, "")["sweeps"][0]["first"] == "up"
    with pytest.raises(KeyError):
        plot_sweeps(result, "B2")


def test_sweeps_that_agree_do_not_differ(tmp_path: Path):
    found = [analysed(tmp_path, text_of(BOTH, noisy(BOTH, seed)), "separate").hysteresis[0].p for seed in range(20)]
    assert min(found) > 1e-4
    assert np.mean(np.array(found) < 0.2) < 0.5


def test_an_offset_between_sweeps_differs(tmp_path: Path):
    down = noisy(FIELD, 2, centre=48.0) + 1.0
    (one,) = analysed(tmp_path, both(down), "separate").hysteresis
    assert one.p < 1e-10
    assert_allclose(one.difference[4], -1e-6, rtol=0.05)
    assert abs(one.difference[0]) < 5 * one.errors[0]


def test_sweeps_over_a_part_of_the_line_are_not_compared(tmp_path: Path):
    part = FIELD[::-1][:30]
    content = text_of(np.concatenate([FIELD, part]), np.concatenate([UP, noisy(part, 7, centre=48.0)]))
    assert not analysed(tmp_path, content).hysteresis


def test_averages_are_means_and_flagged_where_sweeps_differ(tmp_path: Path):
    alike = noisy(FIELD, 2, centre=48.0) + 1.0
    (fit,) = analysed(tmp_path, both(alike), "average").fits
    assert_allclose(fit.spectrum.voltage, 1e-6 * (UP + alike) / 2, rtol=1e-6, atol=1e-13)
    assert [each.sweep for each in fit.spectrum.parts] == ["up", "down"]
    assert_allclose(fit.noise, 0.05e-6 / np.sqrt(2), rtol=0.3)
    result = analysed(tmp_path, both(), "average")
    assert result.study.rows.used == BOTH.size
    assert any("its sweeps up and down differ" in flag for flag in result.fits[0].flags)


def test_means_need_the_same_abscissas(tmp_path: Path):
    content = text_of(np.concatenate([FIELD, FIELD[-2::-2]]), np.concatenate([UP, DOWN[-2::-2]]))
    with pytest.raises(DataError, match=r'no mean; set sweeps = "separate"'):
        analysed(tmp_path, content, "average")
    assert len(analysed(tmp_path, content, "separate").fits) == 2


def test_a_short_sweep_is_refused_with_its_line(tmp_path: Path):
    content = text_of(np.concatenate([FIELD, FIELD[::-20]]), np.concatenate([UP, DOWN[::-20]]))
    with pytest.raises(DataError, match=r"a\.txt:103: begins a sweep down of 6 points; 10 are needed"):
        analysed(tmp_path, content)


def test_rows_in_no_order_are_one_sweep_and_said(tmp_path: Path):
    order = np.random.default_rng(5).permutation(FIELD.size)
    result = analysed(tmp_path, text_of(FIELD[order], UP[order]))
    assert len(result.fits) == 1
    assert any("no order" in notice for notice in result.notices)
    with pytest.raises(DataError, match="no order"):
        analysed(tmp_path, text_of(FIELD[order], UP[order]), "separate")


def test_readback_noise_of_the_abscissa_is_no_turn():
    x = np.linspace(0, 100, 401) + 0.3 * np.random.default_rng(1).standard_normal(401)
    assert [leg.name for leg in legs(x, 10)] == [""]


def test_repeated_sweeps_one_way_are_told_apart():
    x = np.concatenate([FIELD, FIELD, FIELD])
    assert [(leg.start, leg.name) for leg in legs(x, 10)] == [(0, "up 1"), (101, "up 2"), (202, "up 3")]


def test_twenty_thousand_sweeps_are_named_in_one_pass():
    began = process_time()
    names = [leg.name for leg in legs(np.tile([0.0, 1.0, 2.0, 3.0, 3.0, 2.0, 1.0, 0.0], 10_000), 6)]
    assert process_time() - began < 5.0
    assert names[-2:] == ["up 10000", "down 10000"]


def test_the_way_back_at_the_end_belongs_to_the_sweep():
    assert [leg.name for leg in legs(np.append(FIELD, 0.0), 10)] == [""]


def test_sweeps_through_zero_are_split_by_sign_and_direction(tmp_path: Path):
    x = np.linspace(-100, 100, 202)
    v = noisy(np.abs(x), 3)
    content = text_of(np.concatenate([x, x[::-1]]), np.concatenate([v, v[::-1]]))
    study = load_spectra(written(tmp_path, {"a.txt": content}))
    assert [(each.sweep, each.sign) for each in study.spectra] == [("up", 1), ("up", -1), ("down", 1), ("down", -1)]
    assert sum(each.x.size for each in study.spectra) == study.rows.used == 404


def test_rows_are_said(tmp_path: Path):
    assert "202 rows of 1 file: 202 fitted." in spectra_says(analysed(tmp_path, both()))
