"""The convergence gate: it says yes or no, and why."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtjfit.data import FloatArray
from mtjfit.infer.diagnostics import autocorrelation_time, ess_bulk, ess_tail, r_hat

__all__ = ["Chains", "Check", "Verdict", "judge"]

MIN_LENGTH = 50.0  # autocorrelation times in each ensemble: below it τ itself is underestimated
MAX_TAU_DRIFT = 0.30  # relative change of τ from the first half to the whole; noise alone gives 0.05–0.1 here
MAX_R_HAT = 1.01
MIN_TAIL_ESS = 400.0
MIN_ACCEPTANCE = 0.01
MAX_LOG_DEFICIT = 20.0  # a walker whose median log density is e⁻²⁰ below the others' sits where no mass is


@dataclass(frozen=True)
class Chains:
    """Draws after warm-up, before thinning.

    Attributes
    ----------
    names : tuple of str
    theta : ndarray, shape (n_ensembles, n_steps, n_walkers, n_parameters)
        Coordinates.
    log_posterior : ndarray, shape (n_ensembles, n_steps, n_walkers)
    acceptance : ndarray, shape (n_ensembles, n_walkers)
        Fraction of accepted proposals of each walker after warm-up.
    """

    names: tuple[str, ...]
    theta: FloatArray
    log_posterior: FloatArray
    acceptance: FloatArray

    def parameter(self, k: int) -> FloatArray:
        """One parameter as chains of single walkers, shape (n_ensembles · n_walkers, n_steps)."""
        return self.theta[..., k].swapaxes(1, 2).reshape(-1, self.theta.shape[1])

    def by_ensemble(self, k: int) -> FloatArray:
        """One parameter as one chain for each ensemble, shape (n_ensembles, n_steps · n_walkers)."""
        return self.theta[..., k].reshape(self.theta.shape[0], -1)


@dataclass(frozen=True)
class Check:
    """One criterion of the gate: what was found, what is demanded, and one sentence about it."""

    name: str
    ok: bool
    says: str


@dataclass(frozen=True)
class Verdict:
    """Answer of the gate.

    Attributes
    ----------
    checks : tuple of Check
    tau : dict of str to float
        Autocorrelation time of each parameter in steps.
    """

    checks: tuple[Check, ...]
    tau: dict[str, float]

    @property
    def converged(self) -> bool:
        """True only if every check holds."""
        return all(check.ok for check in self.checks)

    @property
    def reasons(self) -> tuple[str, ...]:
        """What speaks against convergence; empty if converged."""
        return tuple(check.says for check in self.checks if not check.ok)

    def __str__(self) -> str:
        head = "CONVERGED" if self.converged else "NOT CONVERGED"
        lines = (f"  {'✓' if check.ok else '✗'} {check.says}" for check in self.checks)
        return "\n".join((head, *lines))


def _worst(values: dict[str, float], *, largest: bool) -> tuple[str, float]:
    """Name and value of the worst entry; NaN is the worst of all."""
    for name, value in values.items():
        if not np.isfinite(value):
            return name, value
    pick = max if largest else min
    name = pick(values, key=lambda key: values[key])
    return name, values[name]


def _walkers(chains: Chains) -> list[Check]:
    n_dead = int(np.sum(~np.isfinite(chains.log_posterior).all(axis=1)))
    n_stuck = int(np.sum(chains.acceptance < MIN_ACCEPTANCE))
    medians = np.median(chains.log_posterior, axis=1)
    alive = medians[np.isfinite(medians)]
    typical = np.median(alive) if alive.size else np.inf
    n_lost = int(np.sum(~(medians >= typical - MAX_LOG_DEFICIT)))  # NaN is lost, too
    total = chains.acceptance.size
    return [
        Check("finite", n_dead == 0, f"{n_dead} of {total} walkers met a log density that is not finite"),
        Check("moving", n_stuck == 0, f"{n_stuck} of {total} walkers accepted less than 1 % of their proposals"),
        Check("together", n_lost == 0, f"{n_lost} of {total} walkers sit where the posterior has no mass"),
    ]


def judge(chains: Chains, target_ess: float) -> Verdict:
    """Apply every criterion to chains from independent ensembles.

    Parameters
    ----------
    chains : Chains
        After warm-up.
    target_ess : float
        Bulk ESS demanded of every parameter.

    Returns
    -------
    Verdict
    """
    checks = _walkers(chains)
    n_ensembles, n_steps = chains.theta.shape[:2]
    many = n_ensembles >= 4
    checks.append(Check("ensembles", many, f"{n_ensembles} independent ensembles (4 or more are compared)"))
    if n_steps < 8:
        checks.append(Check("length", False, f"only {n_steps} steps after warm-up"))
        return Verdict(tuple(checks), {})
    tau, drift, bulk, tail, rank = {}, {}, {}, {}, {}
    for k, name in enumerate(chains.names):
        walkers = chains.parameter(k)
        tau[name] = autocorrelation_time(walkers)
        drift[name] = abs(autocorrelation_time(walkers[:, : n_steps // 2]) / tau[name] - 1)
        bulk[name], tail[name] = ess_bulk(walkers), ess_tail(walkers)
        rank[name] = r_hat(chains.by_ensemble(k))
    name, value = _worst(tau, largest=True)
    long_enough = bool(n_steps >= MIN_LENGTH * value)
    says = f"{n_steps} steps are {n_steps / value:.0f} autocorrelation times of {name} (τ = {value:.0f}, 50 needed)"
    checks.append(Check("length", long_enough, says))
    name, value = _worst(drift, largest=True)
    steady = bool(value <= MAX_TAU_DRIFT)
    says = f"τ of {name} changed by {value:.0%} from the first half to the whole run (30 % allowed)"
    checks.append(Check("steady", steady, says))
    name, value = _worst(rank, largest=True)
    agree = bool(value <= MAX_R_HAT)
    checks.append(Check("r_hat", agree, f"largest rank R-hat between ensembles {value:.3f}, {name} (1.01 allowed)"))
    name, value = _worst(bulk, largest=False)
    enough = bool(value >= target_ess)
    checks.append(Check("ess_bulk", enough, f"smallest bulk ESS {value:.0f}, {name} ({target_ess:.0f} wanted)"))
    name, value = _worst(tail, largest=False)
    enough = bool(value >= MIN_TAIL_ESS)
    checks.append(Check("ess_tail", enough, f"smallest tail ESS {value:.0f}, {name} ({MIN_TAIL_ESS:.0f} wanted)"))
    return Verdict(tuple(checks), tau)
