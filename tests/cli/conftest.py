"""A run inside a test draws alone: loading what draws takes a helper as long as most of these tests last."""

import pytest


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mtjfit.report.figures.n_processors", lambda: 1)
