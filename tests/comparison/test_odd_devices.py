"""The odd device and only it, in series drawn at random from a forward model of their own; none where none is odd.

Measured at seeds that are not those of the fast tests, see `RATES`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest
from odd_series import FAULTS, Series, odd_series
from scipy.stats import binom

import mtjfit
from mtjfit.comparison import Change, DeviceTests, Refits, compare_devices, find_odd_devices, repeats
from mtjfit.study import Study

VISIBLE = 4.0  # standard errors


def odd_of(study: Study) -> tuple[str, ...]:
    return tuple(one.device for one in find_odd_devices(mtjfit.fit(study)))


def odd_repeats(study: Study) -> tuple[str, ...]:
    names = repeats(study, np.random.default_rng(0)).loc[0, "odd"]
    return tuple(names.split(", ")) if names else ()


def visible(fault: str, seeds: Sequence[int], **options: bool) -> Iterator[Series]:
    """Those whose odd device is visible."""
    made = (odd_series(seed, fault, **options) for seed in seeds)
    return (one for one in made if one.visible >= VISIBLE)


@pytest.mark.parametrize("fault", FAULTS)
def test_the_odd_device_and_only_it_is_found_with_its_kind(fault: str) -> None:
    one = next(visible(fault, range(200, 240)))
    (found,) = find_odd_devices(mtjfit.fit(one.study))
    assert (found.device, found.kind) == (one.odd, fault)
    assert found.p_value < 0.05
    without = mtjfit.fit(one.study.replace(curves=tuple(c for c in one.study.curves if c.device != one.odd)))
    for name, (value, sd) in found.lengths_without.items():
        if sd is not None:
            assert value == pytest.approx(without.values[name], abs=0.1 * sd)
    assert found.lengths_with != found.lengths_without
