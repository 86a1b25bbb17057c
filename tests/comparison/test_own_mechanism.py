"""A model of one's own beside the mechanisms of Eq. 12."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mtjfit
from mtjfit.comparison import compare_mechanisms
from mtjfit.errors import ConfigError, MtjfitError
from mtjfit.study import Fixed, Parameter, own_model


def test_an_own_model_beside_the_mechanisms() -> None:
    """A constant κ by another name has the evidence of the ballistic mechanism, which has b1 = 0, too."""

    @own_model(name="constant", version="1")
    def constant(d: Any) -> Any:
        return np.ones_like(d) + 0j

    study = mtjfit.load_study(mtjfit.dataset("thickness-series").study_file)
    study = study.replace(parameters={**study.parameters, "thickness": Parameter("thickness", Fixed(0.0), "device")})
    own = study.with_model(constant)
    asked = {"names": ["ballistic"], "widths": (), "n_simulations": 5, "progress": False}
    found = compare_mechanisms(study, others=[own], **asked)
    ballistic, mine = found.results
    assert mine.name == "constant"
    assert mine.evidence.value == pytest.approx(ballistic.evidence.value, abs=1e-3)
    for other, says in ((study, "has no model of its own"), (own.replace(curves=own.curves[1:]), "holds other data")):
        with pytest.raises(ConfigError, match=says):
            compare_mechanisms(study, others=[other], **asked)
    with pytest.raises(MtjfitError, match=r"limits of Eq\. 12"):
        mtjfit.compare(own)
