"""A run derives each number, table and sentence once."""

from __future__ import annotations

import cProfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import mtjfit
from mtjfit.cli import Steps, run_study
from mtjfit.results import checks, learned

PACKAGE = str(Path(mtjfit.__file__).parent)
ONCE = {
    *("chi2_of_draws", "checks", "learned", "not_determined", "model_test", "methods", "summary_table"),
    *("posterior_table", "prior_table", "device_combinations_table", "masks_table", "directions_table"),
    *("report_html", "result_document", "result_files", "kappa_in_words", "latex_parameters"),
    *("narrowing", "joint_gain", "sensitivity", "narrowing_sentence", "sensitivity_sentence", "narrowing_table"),
    *("sensitivity_table", "consequences", "consequences_table", "quantities_table", "outliers_table"),
}
TWICE = {
    *("header_fields", "notices"),  # printed before the sampling starts, and on the page
    *("compare_devices", "outliers", "repeats"),  # each device alone, and with the common lengths
}


def called(work: Callable[[], object]) -> Counter[str]:
    """How often functions of the package are called."""
    profile = cProfile.Profile()
    profile.runcall(work)
    found: Counter[str] = Counter()
    for entry in profile.getstats():
        if not isinstance(entry.code, str) and entry.code.co_filename.startswith(PACKAGE):
            found[entry.code.co_name] += entry.callcount
    return found


def too_often(calls: Counter[str]) -> dict[str, int]:
    most = dict.fromkeys(ONCE, 1) | dict.fromkeys(TWICE, 2)
    return {name: calls[name] for name, n in most.items() if calls[name] > n}


def test_a_run_derives_everything_once(finished, tmp_path: Path):
    steps = Steps(lambda study: finished.fit, lambda study, **_: finished.posterior, lambda *_, **__: ())
    calls = called(lambda: run_study(finished.fit.study, tmp_path / "out", steps=steps))
    assert too_often(calls) == {}
    assert {name for name in ("chi2_of_draws", "learned", "posterior_table") if calls[name] != 1} == set()


def test_sabotage_what_is_derived_twice_is_seen(one_thickness_fit):
    fit = one_thickness_fit
    seen = too_often(called(lambda: [(checks(fit, None, None), learned(fit, None)) for _ in range(2)]))
    assert seen == {"checks": 2, "learned": 2}
