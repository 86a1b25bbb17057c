"""mtjfit against the reference on designs whose seeds were chosen before anything was tuned on them."""

import numpy as np
import pytest
from designs import design
from parts import CHOICES
from reference import reference

import mtjfit

SEEDS = range(9000, 9040)
OF_PARTS = [(seed, kind) for kind in CHOICES for seed in range(9100, 9104)]
LEVELS = {"q05": 0.05, "q50": 0.5, "q95": 0.95}
NATS = 0.05

# False alarms of a right sampler: with an ESS of 2 000 the limit of 0.02 plus three errors is 4.8 errors at the median
# (2e-6) and 7 at the ends. A design has about eight parameters, so the 60 together fail by chance once in 1 300 times;
# with an ESS of 8 000, never. ln Z, with errors of 0.01: 8 errors. A sampler that is off by exactly 0.02 is caught when
# the error happens to be three times larger than usual only; the benchmark counts what lies beyond three errors of 0.


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("seed", "kind"), [*((seed, None) for seed in SEEDS), *OF_PARTS])
def test_what_converged_is_right(seed, kind):
    one = design(seed, kind)
    posterior = mtjfit.sample(one.study, seed=1, progress=False)
    if not posterior.verdict.converged:
        assert posterior.verdict.reasons, "a run that did not converge says why"
        return
    right = reference(one.study, seed)
    assert right.agrees, f"{one.kind}: the reference itself is in doubt"
    table = posterior.summary()
    for name in (name for name in table.index if name in right.table):
        for column, p in LEVELS.items():
            q, ess = float(table.loc[name, column]), float(table.loc[name, "ess"])
            error = np.hypot(np.sqrt(p * (1 - p) / ess), float(right.cdf_error(name, q)))
            difference = abs(float(right.cdf(name, q)) - p)
            assert difference <= 0.02 + 3 * error, f"{one.kind} {name} {column}: |F - p| = {difference:.3f}"
    log_z, error = posterior.evidence.value, np.hypot(posterior.evidence.error, right.error)
    assert abs(log_z - right.log_z) <= NATS + 3 * error, f"{one.kind}: ln Z {log_z:.3f} for {right.log_z:.3f}"
