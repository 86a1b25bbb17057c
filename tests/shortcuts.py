"""Ways to save time in tests that are about something else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

import pytest


@contextmanager
def few_starts() -> Iterator[None]:
    """Fits from two starts, not eight: for tests of what is done with a fit. Those of fits prove the search."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(import_module("mtjfit.infer.optimum"), "_STARTS", 2)
        yield
