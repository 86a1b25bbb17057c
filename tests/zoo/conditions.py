"""Designs in which devices were measured under several conditions."""

import numpy as np

CONDITIONS = "conditions"
_SCOPES = ("shared", "group", "device", "curve")


def measure_again(plan):
    """Measure each device under one to three conditions, and let a condition, a device or a curve own amplitudes."""
    rng, J = plan.rng, plan.J
    counts = rng.integers(1, 4, J)
    counts[rng.integers(J)] = 2
    plan.of = np.repeat(np.arange(J), counts)
    plan.condition = [f"c{k}" if n > 1 else "" for n in counts for k in range(n)]
    plan.thicknesses = plan.thicknesses[plan.of]
    plan.bias = [plan.bias[j] * rng.uniform(0.7, 1.0) for j in plan.of]
    plan.quantity = [plan.quantity[j] for j in plan.of]
    plan.factors = {}
    if "angle" in plan.curves:
        plan.curves["angle"] = rng.uniform(20.0, 160.0, plan.of.size)
    for name in plan.amplitudes:
        scope = "shared" if plan.priors[name].truncated else str(rng.choice(_SCOPES))
        plan.scopes[name] = scope
        owner = {"shared": [0] * plan.of.size, "group": plan.condition, "device": plan.of.tolist(),
                 "curve": list(range(plan.of.size))}[scope]  # fmt: skip
        spread = 0.0 if scope == "shared" else 0.2
        own = {each: 1 + spread * rng.standard_normal() for each in dict.fromkeys(owner)}
        plan.factors[name] = np.array([own[each] for each in owner])
