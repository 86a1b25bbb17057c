"""A line that nobody declared is named with its place; ripples and coloured noise are no lines."""

from __future__ import annotations

import numpy as np
from odd_backgrounds import drawn, line

from mtjfit.data.curve import Origin
from mtjfit.spectra import LineModel, LineOptions, SpectraDevice, SpectraResult, SpectraStudy, Spectrum, analyse
from mtjfit.spectra.page import flagged_table, spectra_says

T = np.linspace(-1.0, 1.0, 121)


def fitted(voltages: list[np.ndarray], modes: int = 1) -> SpectraResult:
    """Spectra of one device between 4 and 6 GHz."""
    spectra = tuple(Spectrum("A1", 0.01 * k, "frequency", 1e9 * (5 + T), 1e-6 * y) for k, y in enumerate(voltages))
    options = LineOptions(LineModel(modes))
    return analyse(SpectraStudy("a", "frequency", "N m/V", Origin(), spectra, options, {"A1": SpectraDevice("A1")}))


def noisy(seed: int, *more: tuple[float, float, float]) -> np.ndarray:
    """A line at 4.9 GHz in units of the noise, and more of them: centre, half width, height."""
    y = line(T, -0.1, 0.07, 100.0, -40.0, None) + np.random.default_rng(seed).standard_normal(T.size)
    return y + sum((line(T, *each, 0.0, None) for each in more), np.zeros(T.size))


def test_a_second_line_is_named_with_its_place_and_the_advice_works():
    """A line twenty times the noise had been called correlated noise."""
    voltages = [noisy(0), noisy(1, (0.5, 0.07, 20.0))]
    result = fitted(voltages)
    (odd,) = result.flagged
    (flag,) = odd.flags
    assert flag.startswith("a second line is left at 5.498 GHz (σ = 0.065 GHz): mask it, or set modes = 2 (p = ")
    assert not fitted(voltages, 2).fits[1].flags


def test_a_third_line_is_another_one():
    (fit,) = fitted([noisy(2, (0.5, 0.07, 60.0), (-0.7, 0.05, 15.0))], 2).fits
    assert any(flag.startswith("another line is left at 4.3") and "modes = 3" in flag for flag in fit.flags)


def test_ripples_and_coloured_noise_are_no_lines():
    for kind in ("ripple", "1/f", "drift"):
        flags = [
            flag for fit in analyse(drawn(np.random.default_rng(3), kind, widest=0.12)[0]).fits for flag in fit.flags
        ]
        assert len(flags) > 15
        assert not any("line is left" in flag for flag in flags)


def test_lines_at_a_limit_are_not_counted_with_the_tests_of_residuals():
    """A line of 1.5 points in σ is flagged whatever its residuals show, which is no matter of chance."""
    narrow = [
        line(T, 0.1, 0.025, 100.0, 0.0, None) + np.random.default_rng(k).standard_normal(T.size) for k in range(3)
    ]
    result = fitted([*narrow, noisy(5, (0.5, 0.07, 20.0))])
    assert spectra_says(result)[0] == (
        "4 spectra of 1 device, 4 of them flagged; 1 by tests of residuals, where 0.04 are expected by chance."
    )
    assert flagged_table(result).title == "Flagged spectra"
