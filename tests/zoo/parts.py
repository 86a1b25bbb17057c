"""Designs of which one component was measured, or both at different biases."""

import numpy as np

CHOICES = {
    "only-par": ((0,), 0.0), "only-perp": ((1,), 0.0), "either": ((0, 1, 2), 0.0), "two-grids": ((2,), 0.4),
    "parts": ((0, 1, 2, 2), 0.4),
}  # fmt: skip
"""Components that a device may have (in-plane, out-of-plane, both), and the share of their values that is missing."""

UNDER = ("", "", "fitted-noise", "jitter", "student-fixed", "student-fit", "rho", "covariance", "bias-errors",
         "scatter", "own-amplitudes", "dead-layer", "angles", "masks", "half-normal")  # fmt: skip
"""Kinds of designs that these may be at the same time."""


def leave_out(plan, kind):
    """Choose what is not measured."""
    choices, plan.holes = CHOICES[kind]
    chosen = plan.rng.choice(choices, size=plan.J)
    plan.parts = np.array([[c != 1, c != 0] for c in chosen])


def what_was_measured(has, V, par, perp, extra):
    """Without the values for which `has`, shape (2, n), is false; points with neither are gone."""
    rows = has.any(axis=0)
    both, flags = np.tile(rows, 2), has[:, rows]
    kept = dict(extra) | {"used_values": flags}
    for name, mine in (("sigma_par", flags[0]), ("sigma_perp", flags[1])):
        if name in extra:
            kept[name] = np.where(mine, extra[name][rows], np.nan)
    if "rho" in extra:
        kept["rho"] = extra["rho"][rows]
    if "covariance" in extra:
        kept["covariance"] = extra["covariance"][np.ix_(both, both)]
    par, perp = np.where(flags, np.stack([par, perp])[:, rows], np.nan)
    return V[rows], par, perp, kept
