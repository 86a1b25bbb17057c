"""``mtjfit compare A.toml B.toml``: what is refused before anything is sampled, what is printed and written."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

import mtjfit
from mtjfit.cli.main import cli
from mtjfit.comparison.studies.joint import Sampled, joint_posterior
from mtjfit.comparison.studies.tension import StudyComparison, Tension
from mtjfit.infer.convergence.gate import Chains, Check, Verdict
from mtjfit.infer.evidence import Evidence
from mtjfit.study import Study

SANKEY, KUBOTA, SERIES = (
    str(mtjfit.dataset(name).study_file) for name in ("sankey2008", "kubota2008", "thickness-series")
)


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(each) for each in ("compare", *arguments)])


def drawn(size: int, *, converged: bool = True) -> Sampled:
    theta = 0.1 * np.random.default_rng(size).standard_normal((4, 50, 10, size))
    chains = Chains(tuple("abcdefghij"[:size]), theta, np.zeros(theta.shape[:-1]), np.ones((4, 10)))
    verdict = Verdict((Check("x", converged, "made"),), {})
    return Sampled(chains, np.zeros(2000), verdict, Evidence(1.0, 0.1, "made"), 0)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[Mapping[str, Study]]:
    """A comparison without its seconds."""
    seen: list[Mapping[str, Study]] = []

    def compared(studies: Mapping[str, Study], shared: Any, *, seed: int, progress: bool) -> StudyComparison:
        seen.append(studies)
        model = joint_posterior(studies, shared)
        single = {label: drawn(each.size, converged=seed != 99) for label, each in model.models.items()}
        return StudyComparison(model, drawn(model.size), single, Tension(-9.0, 0.1, -8.0, 0.2, 2.0))

    monkeypatch.setattr("mtjfit.comparison.studies.tension.compare_studies", compared)
    return seen


def test_two_data_sets(tmp_path: Path, quick: list[Mapping[str, Study]]) -> None:
    out = tmp_path / "out"
    result = invoke(SANKEY, KUBOTA, "-o", out)
    assert result.exit_code == 0, result.output
    assert list(quick[0]) == ["sankey2008", "kubota2008"]
    for words in (
        "Data sets on one footing",
        "RECONSTRUCTION, not measured",
        "torque and torkance are each fitted as they were measured",
        "Common lengths",
        "The data sets disagree: p =",
    ):
        assert words in result.stdout, words
    assert sorted(each.name for each in out.iterdir()) == [
        "studies.json", "studies.png", "studies.svg", "studies.txt",
    ]  # fmt: skip
    document = json.loads((out / "studies.json").read_text(encoding="utf-8"))
    assert document["tension"]["log_S"] == -8.0
    assert "RECONSTRUCTION" in document["origin"]["sankey2008"]
    assert "The data sets disagree" in (out / "studies.txt").read_text(encoding="utf-8")


def test_one_that_does_not_converge_ends_with_5(quick: list[Mapping[str, Study]]) -> None:
    result = invoke(SANKEY, KUBOTA, "--seed", 99, "-q")
    assert result.exit_code == 5
    assert "NOT CONVERGED: sankey2008, kubota2008; nothing may be concluded." in result.output
    assert "Common lengths" not in result.output


def test_other_priors_are_refused_before_anything_is_sampled(tmp_path: Path, quick: list[Mapping[str, Study]]) -> None:
    text = Path(KUBOTA).read_text(encoding="utf-8").replace("low = 0.1, high = 100.0", "low = 0.2, high = 100.0")
    other = tmp_path / "study.toml"
    other.write_text(text.replace('file = "data.csv"', f'file = "{(Path(KUBOTA).parent / "data.csv").as_posix()}"'))
    out = tmp_path / "out"
    result = invoke(SANKEY, other, "-o", out)
    assert result.exit_code == 3
    assert result.output.count("has the prior log-uniform 0.2 to 100, but in") == 3
    assert quick == []
    assert not out.exists()
    shared = invoke(SANKEY, other, "--share", "lambda_sf_F", "-q")
    assert shared.exit_code == 0, shared.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((SANKEY, KUBOTA, "--mechanisms"), "are about one study"),
        ((SANKEY, KUBOTA, "--bias", "0.1"), "are about one study"),
        ((SANKEY,), "say what to compare"),
        ((SANKEY, SANKEY), "the same study is given twice"),
        ((SERIES, "--mechanisms", "--share", "lambda_J"), "--share is about several studies"),
        ((SERIES, "--mechanisms", "--bias", "0.1"), "--bias goes with --devices"),
        ((SERIES, "--devices", "--with", "a2"), "--with is about mechanisms"),
    ],
)
def test_what_does_not_go_together_is_said(arguments: tuple[str, ...], says: str) -> None:
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert says in result.output


def test_one_name_for_three_comparisons(quick: list[Mapping[str, Study]], monkeypatch: pytest.MonkeyPatch) -> None:
    studies = [mtjfit.load_study(each) for each in (SANKEY, KUBOTA)]
    module = sys.modules["mtjfit.comparison.table"]  # the attribute of this name is the function
    monkeypatch.setattr(module, "compare_studies", lambda given, seed, progress: list(given))
    monkeypatch.setattr(module, "compare_mechanisms", lambda study, seed, progress: study.name)
    assert mtjfit.compare(studies) == [study.name for study in studies]
    assert mtjfit.compare({"p": studies[0], "q": studies[1]}) == ["p", "q"]
    assert mtjfit.compare(studies[0]) == studies[0].name
    for wrong in ([studies[0], studies[0]], [], {"p": 1}, 3, "abc"):
        with pytest.raises(TypeError):
            mtjfit.compare(wrong)
