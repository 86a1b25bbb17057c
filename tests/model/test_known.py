"""What is derived from a study is built once, however many steps of an analysis ask for it."""

from __future__ import annotations

import pickle
import sys
from collections import Counter
from collections.abc import Callable
from inspect import unwrap
from types import FrameType
from typing import Any

import numpy as np
import pytest
from model_studies import FEW, simulated
from shortcuts import few_starts, slow_after

from mtjfit.infer import describe, fit, identify
from mtjfit.model import (
    amplitude_layout,
    full_posterior,
    least_squares_model,
    make_posterior,
    noise_of_points,
    once_per_study,
    with_own_amplitudes,
)  # fmt: skip
from mtjfit.model.compress import compress
from mtjfit.model.layout import layout
from mtjfit.study import Fixed, LogNormal, Study

BUILDERS = (layout, amplitude_layout, with_own_amplitudes, compress, noise_of_points, full_posterior, make_posterior)
STUDIES: dict[str, dict[str, Any]] = {
    "plain": {},
    "scatter": {"scatter_a1": LogNormal(0.05, 2.0)},
    "jitter": {"jitter_par": LogNormal(0.02, 2.0)},
    "Student": {"noise_dof": Fixed(4.0)},
}


def built(study: Study, analyse: Callable[[Study], None]) -> Counter[tuple[str, ...]]:
    """How often each builder ran for each study, told apart by content: of equal copies each would be a waste."""
    codes, calls = {unwrap(build).__code__: build.__name__ for build in BUILDERS}, Counter[tuple[str, ...]]()

    def count(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code in codes:
            calls[(codes[frame.f_code], *map(str, describe(frame.f_locals["study"], 1).items()))] += 1

    sys.setprofile(count)
    try:
        analyse(study)
    finally:
        sys.setprofile(None)
    return calls


def everything(study: Study) -> None:
    """A best fit, the marginal posterior, and profiles, as a report has them."""
    with few_starts():
        fit(study)
        model = make_posterior(study)
        model.log_posterior(np.zeros((1, model.size)))
        identify(study, search=FEW)


@pytest.mark.parametrize("declared", slow_after(1, STUDIES.values()), ids=list(STUDIES))
def test_an_analysis_builds_nothing_twice(declared: dict[str, Any]) -> None:
    known = {"lambda_phi": Fixed(1.2), "lambda_sf_F": Fixed(10.0), "lambda_sf_N": Fixed(2.0)}  # fewer profiles
    calls = built(simulated(**known | declared), everything)
    assert {name for name, *_ in calls} >= {"layout", "amplitude_layout", "compress", "full_posterior"}
    assert [(name, n) for (name, *_), n in calls.items() if n > 1] == []


def test_sabotage_a_second_build_is_noticed() -> None:
    def twice(study: Study) -> None:
        least_squares_model(study)
        unwrap(full_posterior)(study)

    assert max(built(simulated(), twice).values()) == 2


def test_copies_of_a_study_start_anew() -> None:
    study = simulated()
    assert layout(study) is layout(study)
    changed = study.replace(parameters=dict(study.parameters) | {"lambda_J": study.parameters["lambda_J"]})
    assert layout(changed) is not layout(study)
    assert len(pickle.dumps(study)) == len(pickle.dumps(simulated()))

    @once_per_study
    def failing(_: Study) -> None:
        raise ValueError("no")

    for _ in range(2):  # a failure is not kept
        with pytest.raises(ValueError, match="no"):
            failing(study)
