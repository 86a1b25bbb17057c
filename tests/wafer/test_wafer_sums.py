"""Sufficient statistics of chunks against the points themselves, and devices that determine little or nothing."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from wafer_cases import simulated_wafer, wafer_study

from mtjfit.model import MarginalPosterior
from mtjfit.wafer import FLAGS, Chunk, compressed, flag_names, reduce_chunk

# sums


def test_sums_give_the_chi_square_of_the_points(tmp_path: Path) -> None:
    """For any coefficients: rss + |R c − z|² is the sum over the points, and Σ ln σ theirs."""
    wafer, study = (simulated_wafer(20, uneven=True), wafer_study(tmp_path))
    chunk, rng = wafer.chunk(), np.random.default_rng(0)
    data = compressed(reduce_chunk(study, chunk).sums, study)
    for j, curve in enumerate(wafer.curves()):
        c = rng.standard_normal(4)
        V = np.stack([curve.bias, curve.bias**2], axis=-1)
        away = [(curve.par - V @ c[:2]) / curve.sigma_par, (curve.perp - V @ c[2:]) / curve.sigma_perp]
        square = data.rss[j].sum() + np.sum((data.R[j] @ c - data.z[j]) ** 2)
        assert square == pytest.approx(sum(part @ part for part in away), rel=1e-12)
        assert data.n[j].tolist() == [curve.bias.size] * 2
        logs = np.log(curve.sigma_par).sum() + np.log(curve.sigma_perp).sum()
        assert data.log_sigma[j] == pytest.approx(logs, rel=1e-12)
    with pytest.raises(ValueError, match="are not those of this study"):
        compressed(np.zeros((2, 3)), study)


def test_sums_make_the_likelihood_of_a_study(tmp_path: Path) -> None:
    """The model's own likelihood, with its statistics taken from the sums."""
    wafer, study = (simulated_wafer(4, uneven=True), wafer_study(tmp_path))
    whole = study.study_template.study(wafer.curves())
    model, other = MarginalPosterior(whole), MarginalPosterior(whole)
    other.__dict__["data"] = compressed(reduce_chunk(study, wafer.chunk()).sums, study)
    theta = model.prior_transform(np.random.default_rng(1).uniform(0.2, 0.8, (5, model.layout.size)))
    np.testing.assert_allclose(other.log_likelihood(theta), model.log_likelihood(theta), rtol=1e-10)


# what cannot be determined, and what is odd


def changed(chunk: Chunk, j: int, **values: Callable[[np.ndarray], np.ndarray]) -> Chunk:
    rows = slice(int(chunk.start[j]), int(chunk.start[j + 1]))
    new = {name: np.array(getattr(chunk, name)) for name in values}
    for name, change in values.items():
        new[name][rows] = change(new[name][rows])
    return replace(chunk, **new)


def test_flags(tmp_path: Path) -> None:
    wafer, study = (simulated_wafer(8), wafer_study(tmp_path))
    chunk = wafer.chunk()
    chunk = changed(chunk, 1, perp=lambda v: v + 0.2 * chunk.bias[:41])  # T_perp linear beyond what κ allows
    chunk = changed(chunk, 2, par=lambda v: v + 0.2 * np.cos(20 * chunk.bias[:41]))
    chunk = changed(chunk, 3, par=lambda v: 0.001 * v, perp=lambda v: 0.001 * v)
    chunk = changed(chunk, 4, bias=lambda v: 0.3 + 0 * v)
    reduced = reduce_chunk(study, chunk)
    flags = [set(flag_names(mask)) for mask in reduced.flags.tolist()]
    assert flags[0] == flags[5] == set()
    assert "misfit_constraint" in flags[1]
    assert "misfit_scatter" in flags[2]
    assert "no_slope" in flags[3]
    assert {"not_determined"} <= flags[4]
    assert np.isnan([reduced.values[name][4] for name in ("slope_ratio", "b2/a1", "par·V^1", "p_value")]).all()
    alone = reduce_chunk(study, chunk.devices(5, 8))
    assert alone.values["slope_ratio"].tobytes() == reduced.values["slope_ratio"][5:].tobytes()


def test_too_few_points_to_estimate_errors_from(tmp_path: Path) -> None:
    wafer, study = simulated_wafer(3, n_bias=2, bias=(-0.4, 0.5)), wafer_study(tmp_path, sigma="fit")
    reduced = reduce_chunk(study, wafer.chunk(sigma=False))
    assert reduced.flags.tolist() == [FLAGS["few_points"] | FLAGS["not_determined"]] * 3
    assert np.isnan(reduced.values["|kappa|·a1"]).all()
    known = reduce_chunk(wafer_study(tmp_path), wafer.chunk())
    assert known.flags.tolist() == [FLAGS["few_points"]] * 3
    assert np.isfinite(known.values["b2/a1"]).all()
    assert np.isnan(known.values["scatter_p_value"]).all()


@pytest.mark.parametrize("factor", [1e-300, 1e-160, 1e160, 1e300])
def test_absurd_numbers_of_one_device_warn_nobody_and_change_no_other(factor: float, tmp_path: Path) -> None:
    wafer, study = (simulated_wafer(6), wafer_study(tmp_path))
    chunk, whole = wafer.chunk(), reduce_chunk(study, wafer.chunk())
    for name in ("par", "sigma_par", "bias"):
        reduced = reduce_chunk(study, changed(chunk, 2, **{name: lambda v: v * factor}))
        kept = [0, 1, 3, 4, 5]
        assert all(reduced.values[n][kept].tobytes() == v[kept].tobytes() for n, v in whole.values.items())


def test_exact_data_are_fitted_exactly(tmp_path: Path) -> None:
    """Without noise, phase and amplitudes are those of Eq. 12 to rounding, also for κ along the axes."""
    wafer = simulated_wafer(40, noise=1e-9, seed=2)
    values = reduce_chunk(wafer_study(tmp_path), wafer.chunk()).values
    for name in ("slope_ratio", "|kappa|·a1", "b2/a1"):
        np.testing.assert_allclose(values[name], wafer.truth[name], rtol=2e-7)


def test_nothing_at_all(tmp_path: Path) -> None:
    wafer, study = (simulated_wafer(3), wafer_study(tmp_path))
    reduced = reduce_chunk(study, wafer.chunk().devices(1, 1))
    assert reduced.device == ()
    assert reduced.sums.shape == (0, 15)
    assert all(values.shape == (0,) for values in reduced.values.values())


def test_everything_can_be_sent_to_a_worker(tmp_path: Path) -> None:
    wafer, study = (simulated_wafer(5), wafer_study(tmp_path))
    sent, chunk = pickle.loads(pickle.dumps((study, wafer.chunk())))  # noqa: S301
    mine, theirs = reduce_chunk(study, wafer.chunk()), pickle.loads(pickle.dumps(reduce_chunk(sent, chunk)))  # noqa: S301
    assert sent.fingerprint() == study.fingerprint()
    assert all(theirs.values[name].tobytes() == values.tobytes() for name, values in mine.values.items())
