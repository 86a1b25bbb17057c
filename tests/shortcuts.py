"""Ways to save time in tests that are about something else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

import pytest

ONLY_INFER = """
import sys, types, mtjfit
sys.modules["mtjfit.infer"] = package = types.ModuleType("mtjfit.infer")
package.__path__ = [mtjfit.__path__[0] + "/infer"]
"""
"""First lines of a program that needs a single module of `mtjfit.infer`, and not the second that the others take."""


@contextmanager
def few_starts() -> Iterator[None]:
    """Fits from two starts, not eight: for tests of what is done with a fit. Those of fits prove the search."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(import_module("mtjfit.infer.optimum"), "_STARTS", 2)
        yield
