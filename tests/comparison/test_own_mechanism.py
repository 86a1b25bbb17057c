"""A model of one's own beside the mechanisms of Eq. 12."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from model_studies import simulated
from reference_forward import kappa
from shortcuts import slow_after

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


@pytest.mark.slow
@pytest.mark.parametrize(("phi", "F"), slow_after(1, [(1.0, 1.0), (1.3, 1.0), (1.0, 0.1)]))
def test_an_own_model_with_free_lengths_has_the_posterior_of_its_twin(phi: float, F: float) -> None:
    """Eq. 12 written anew, explored on its own: ln Z and the medians of both lengths.

    Sabotage: a wrong λ_φ moves its median alone, because its prior is flat in ln λ; a wrong λ_sf^F moves ln Z.

    ln Z within 4 joint errors, false alarm 6e-5; medians of 1000 draws within 5 errors, 1e-6 for both.
    """

    @own_model(name="twin", version="1")
    def twin(d: Any, lambda_J: Any, lambda_phi: Any, lambda_sf_F: Any, lambda_sf_N: Any) -> Any:
        return kappa(d, lambda_J, phi * lambda_phi, F * lambda_sf_F, lambda_sf_N)  # D_ratio is 1

    study = simulated(lambda_sf_F=Fixed(10.0), lambda_sf_N=Fixed(2.0), noise=0.01)
    asked = {"names": ["diffusion"], "widths": (), "n_simulations": 5, "progress": False}
    diffusion, mine = compare_mechanisms(study, others=[study.with_model(twin)], **asked).results
    assert diffusion.settled
    assert mine.settled
    error = np.hypot(mine.evidence.error, diffusion.evidence.error)
    assert error < 0.1
    same = [abs(mine.evidence.value - diffusion.evidence.value) < 4 * error]
    for name in ("lambda_J", "lambda_phi"):
        a, b = np.log(mine.draws[name]), np.log(diffusion.draws[name])
        same.append(abs(a.median() - b.median()) < 5 * 1.25 * a.std() * np.sqrt(2 / 1000))
    if F == 1.0:
        assert same == [True, True, phi == 1.0]
    else:
        assert not same[0]
