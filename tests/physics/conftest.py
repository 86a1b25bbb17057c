"""Fixtures of the physics tests. The helpers lie beside the tests, in physics_reference and physics_collocation."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture
def loud():
    """Floating-point errors, underflow excepted, raise: a formula must not rely on numpy swallowing them."""
    with np.errstate(all="raise", under="ignore"):
        yield
