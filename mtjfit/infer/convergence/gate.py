"""The convergence gate: has a run converged, and if not, why.

No gate can see a mode that no walker has ever visited. If all ensembles are in the same one of two modes, every
criterion here holds, as does every other that uses the draws alone. Two things protect against it: annealing from the
whole prior (`mtjfit.infer.ensembles.anneal`), and a second, independent exploration
(`mtjfit.infer.convergence.crosscheck`). "Converged" therefore means that no check failed.

False alarms, measured at 55 τ, hardly more than the least length, in two to six dimensions: of 1260 good runs with at
least 14 walkers (independent draws; AR(1) of τ = 9; jumps on a Gaussian and on a banana; differential evolution with
stretches) ``steady`` refused 20, and no other check refused any. With six walkers in each ensemble nested R-hat refused
5 of 200. A refused run continues and is judged again a quarter later.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtri

from mtjfit.arrays import FloatArray
from mtjfit.cards import REFUSED, Card, ShownAsCard
from mtjfit.infer.convergence.diagnostics import (
    autocorrelation_time,
    ess,
    ess_tail,
    even_steps,
    longest_standstill,
    normal_scores,
    split_r_hat,
    split_superchain_r_hat,
)

MIN_LENGTH = 50.0  # autocorrelation times in each ensemble: below it τ itself is underestimated
MAX_TAU_CHANGE = 0.30  # from the first half to the whole; 5 to 10 % by chance at 50 τ, and more if walkers slow down
MAX_DRIFT, DRIFT_ERRORS = 0.1, 4.5  # sd of the scores, or standard errors (7e-6): a remainder of the start
MAX_R_HAT = 1.01  # Vehtari et al. (2021)
MAX_NESTED_R_HAT = 1.005  # means of ensembles scatter by 0.1 sd, so that of four together is known to 0.05 sd
MIN_TAIL_ESS = 400.0  # a 5 % quantile of a normal is then known to 0.1 sd
MIN_ACCEPTANCE = 0.01  # a walker then moves a few times in 50 τ of the others; healthy ones accept 5 % or more
MAX_STANDSTILL = 1 / 3  # of the run, so 17 τ or more; detects walkers that stop for good before the last third
MAX_LOG_DEFICIT = 20.0  # a walker whose median log density is e⁻²⁰ below the others' sits where no mass is
WALL, MAX_AT_WALL = 7.5 / 8, 1e-3  # of the reach of a score, beyond which flat priors have no digits left
EDGE, MAX_AT_EDGE = float(ndtri(0.98)), 0.2  # ten times what the prior puts there
HALF = 0.5  # of the variance of the prior: left by a normal likelihood as wide as the prior
_SIDES = ((-1, "lower"), (1, "upper"))


@dataclass(frozen=True)
class Chains(ShownAsCard):
    """Draws after warm-up, before thinning.

    Attributes
    ----------
    theta : ndarray, shape (n_ensembles, n_steps, n_walkers, n_parameters)
        Coordinates.
    log_posterior : ndarray, shape (n_ensembles, n_steps, n_walkers)
    acceptance : ndarray, shape (n_ensembles, n_walkers)
        Accepted fraction of the proposals of each walker.
    """

    names: tuple[str, ...]
    theta: FloatArray
    log_posterior: FloatArray
    acceptance: FloatArray

    def superchains(self, k: int) -> FloatArray:
        """One parameter, shape (n_ensembles, n_walkers, n_steps)."""
        return self.theta[..., k].swapaxes(1, 2)

    def parameter(self, k: int) -> FloatArray:
        """One parameter as chains of single walkers, shape (n_ensembles · n_walkers, n_steps)."""
        return self.superchains(k).reshape(-1, self.theta.shape[1])


@dataclass(frozen=True)
class Check:
    """One criterion of a verdict, with the value found and the one required in a sentence."""

    name: str
    ok: bool
    says: str


@dataclass(frozen=True)
class Note:
    """A remark that does not affect convergence."""

    name: str
    says: str


@dataclass(frozen=True)
class Verdict(ShownAsCard):
    """Verdict of the gate.

    Attributes
    ----------
    tau : dict of str to float
        Autocorrelation time of each parameter in steps.
    r_hat, ess : float
        Largest rank R-hat and smallest bulk ESS of all parameters; NaN where they were not computed.
    """

    checks: tuple[Check, ...]
    tau: dict[str, float]
    notes: tuple[Note, ...] = ()
    r_hat: float = np.nan
    ess: float = np.nan

    @property
    def converged(self) -> bool:
        """True only if every check holds."""
        return all(check.ok for check in self.checks)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Objections to convergence; empty if converged."""
        return tuple(check.says for check in self.checks if not check.ok)

    @property
    def refusal(self) -> str:
        """What stands above numbers of a refused run, with the reasons; empty if converged."""
        return "" if self.converged else f"{REFUSED}: {'; '.join(self.reasons)}"

    def as_card(self, title: str, word: str, facts: Mapping[str, str] | None = None) -> Card:
        """Every check with its reason; NOT and the word stand above what was refused."""
        refused = "" if self.converged else f"NOT {word}: " + "; ".join(self.reasons)
        rows = [["✓" if check.ok else "✗ NO", check.name, check.says] for check in self.checks]
        notes = [note.says for note in self.notes]
        return Card(title, [refused], facts or {}, header=("", "check", "found"), rows=rows, notes=notes)

    def as_text(self, word: str) -> str:
        """The word, or NOT and the word, then every check and note on a line."""
        lines = (f"  {'✓' if check.ok else '✗'} {check.says}" for check in self.checks)
        head = word if self.converged else f"NOT {word}"
        return "\n".join((head, *lines, *(f"  – {note.says}" for note in self.notes)))

    def _card(self) -> Card:
        return self.as_card("Verdict: converged" if self.converged else "Verdict", "CONVERGED")

    def __str__(self) -> str:
        return self.as_text("CONVERGED")


def _walkers(chains: Chains) -> list[Check]:
    n_dead = int(np.sum(~np.isfinite(chains.log_posterior).all(axis=1)))
    moved = np.any(chains.theta[:, 1:] != chains.theta[:, :-1], axis=-1).swapaxes(1, 2)
    still = longest_standstill(moved.reshape(-1, moved.shape[-1])) > MAX_STANDSTILL * chains.theta.shape[1]
    n_stuck = int(np.sum((chains.acceptance.ravel() < MIN_ACCEPTANCE) | still))
    medians = np.median(chains.log_posterior, axis=1)
    alive = medians[np.isfinite(medians)]
    typical = np.median(alive) if alive.size else np.inf
    n_lost = int(np.sum(~(medians >= typical - MAX_LOG_DEFICIT)))  # NaN is lost, too
    total = chains.acceptance.size
    stuck = (
        f"{n_stuck} of {total} walkers accepted less than 1 % of their proposals or stood still for a third of the run"
    )
    return [
        Check("finite", n_dead == 0, f"{n_dead} of {total} walkers met a log density that is not finite"),
        Check("moving", n_stuck == 0, stuck),
        Check("together", n_lost == 0, f"{n_lost} of {total} walkers sit where the posterior has no mass"),
    ]


@dataclass(frozen=True)
class _Measured:
    """Diagnostics of one parameter; `drift` in sd of the scores."""

    tau: float
    tau_change: float
    bulk: float
    tail: float
    r_hat: float
    nested: float
    drift: float
    drift_allowed: float


def _measured(x: FloatArray) -> _Measured:
    """Diagnostics of draws of shape (n_ensembles, n_walkers, n_steps)."""
    n_steps, third = x.shape[-1], x.shape[-1] // 3
    walkers, both = x.reshape(-1, n_steps), normal_scores(even_steps(x))
    tau = autocorrelation_time(walkers)
    bulk = ess(both[0].reshape(walkers.shape[0], -1))  # ess_bulk, without ranking the draws once more
    return _Measured(
        tau=tau,
        tau_change=abs(autocorrelation_time(walkers[:, : n_steps // 2]) / tau - 1),
        bulk=bulk,
        tail=ess_tail(walkers),
        r_hat=max(split_r_hat(scores.swapaxes(1, 2).reshape(x.shape[0], -1)) for scores in both),
        nested=max(split_superchain_r_hat(scores) for scores in both),
        drift=max(abs(float(s[..., -third:].mean() - s[..., :third].mean())) for s in both),
        drift_allowed=max(MAX_DRIFT, DRIFT_ERRORS * float(np.sqrt(6 / bulk))),
    )


def judge(chains: Chains, target_ess: float) -> Verdict:
    """Apply every criterion to chains from independent ensembles; `target_ess` is the bulk ESS required of each.

    Examples
    --------
    >>> theta = np.random.default_rng(0).standard_normal((4, 200, 32, 1))
    >>> chains = Chains(("x",), theta, -0.5 * theta[..., 0] ** 2, np.ones((4, 32)))
    >>> judge(chains, target_ess=2000).converged
    True
    """
    checks = _walkers(chains)
    n_ensembles, n_steps = chains.theta.shape[:2]
    many = n_ensembles >= 4
    checks.append(Check("ensembles", many, f"{n_ensembles} independent ensembles (4 or more are compared)"))
    if n_steps < 8:
        checks.append(Check("length", False, f"only {n_steps} steps after warm-up"))
        return Verdict(tuple(checks), {})
    found = {name: _measured(chains.superchains(k)) for k, name in enumerate(chains.names)}

    def worst(of: Callable[[_Measured], float]) -> tuple[str, _Measured]:
        """The parameter with the largest value; one that is not finite is worst."""
        name = max(found, key=lambda name: of(found[name]) if np.isfinite(of(found[name])) else np.inf)
        return name, found[name]

    def add(check: str, ok: bool, says: str) -> None:
        checks.append(Check(check, bool(ok), says))

    name, m = worst(lambda m: m.tau)
    says = f"{n_steps} steps are {n_steps / m.tau:.0f} autocorrelation times of {name} (τ = {m.tau:.0f}, 50 needed)"
    add("length", n_steps >= MIN_LENGTH * m.tau, says)
    name, m = worst(lambda m: m.tau_change)
    says = f"τ of {name} changed by {100 * m.tau_change:.0f} % from the first half to the whole run (30 % allowed)"
    add("steady", m.tau_change <= MAX_TAU_CHANGE, says)
    name, m = worst(lambda m: m.drift / m.drift_allowed)
    says = f"first and last third of {name} are {m.drift:.2f} sd apart ({m.drift_allowed:.2f} allowed)"
    add("drift", m.drift <= m.drift_allowed, says)
    name, m = worst(lambda m: m.r_hat)
    r_hat = m.r_hat
    add("r_hat", r_hat <= MAX_R_HAT, f"largest rank R-hat between ensembles {r_hat:.3f}, {name} (1.01 allowed)")
    name, m = worst(lambda m: m.nested)
    says = f"largest nested R-hat of ensembles and their walkers {m.nested:.4f}, {name} (1.005 allowed)"
    add("nested_r_hat", m.nested <= MAX_NESTED_R_HAT, says)
    name, m = worst(lambda m: -m.bulk)
    bulk = m.bulk
    add("ess_bulk", bulk >= target_ess, f"smallest bulk ESS of the chains {bulk:.0f}, {name} ({target_ess:.0f} wanted)")
    name, m = worst(lambda m: -m.tail)
    says = f"smallest tail ESS {m.tail:.0f}, {name} ({MIN_TAIL_ESS:.0f} wanted)"
    add("ess_tail", m.tail >= MIN_TAIL_ESS, says)
    return Verdict(tuple(checks), {name: measured.tau for name, measured in found.items()}, r_hat=r_hat, ess=bulk)


def about_priors(verdict: Verdict, chains: Chains, reach: FloatArray) -> Verdict:
    """The verdict with checks and notes on the influence of the priors.

    Check ``"wall"``: scores have ends, and a posterior that reaches one was cut there. The notes concern data and
    priors, not the sampler. ``"edge"``: a fifth of the draws or more are in the outermost 2 % of the prior, so the data
    pull towards values that the prior hardly allows. ``"prior-dominated"``: the variance of the score is more than half
    that of its prior, so the prior is more informative than the data.

    `chains` are in normal scores, so the prior of each coordinate is the standard normal distribution; `reach` is the
    largest distance of each score from zero, below and above, shape (2, n_parameters) or (n_parameters,).
    """
    z = {name: chains.theta[..., k].ravel() for k, name in enumerate(chains.names)}
    ends = WALL * np.broadcast_to(reach, (2, len(chains.names)))
    beyond = [
        (name, float(np.mean((x < -low) | (x > high)))) for (name, x), low, high in zip(z.items(), *ends, strict=True)
    ]
    cut = ", ".join(f"{name} ({100 * share:.0f} % of the draws)" for name, share in beyond if share > MAX_AT_WALL)
    says = f"the posterior is cut off at the end of its prior: {cut}" if cut else "no prior cut the draws"
    edges = [(name, side, float(np.mean(sign * x > EDGE))) for name, x in z.items() for sign, side in _SIDES]
    piled = [f"{name} ({100 * share:.0f} % in its {side} 2 %)" for name, side, share in edges if share > MAX_AT_EDGE]
    spread = {name: float(np.std(x)) for name, x in z.items()}
    vague = [f"{name} (sd {sd:.2f} of its prior's)" for name, sd in spread.items() if sd**2 > HALF]
    notes = []
    if piled:
        notes.append(Note("edge", "draws pile up at the edge of the prior: " + ", ".join(piled)))
    if vague:
        notes.append(Note("prior-dominated", "the prior is more informative than the data: " + ", ".join(vague)))
    return replace(verdict, checks=(*verdict.checks, Check("wall", not cut, says)), notes=(*verdict.notes, *notes))
