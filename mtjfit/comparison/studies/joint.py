"""Joint posterior of several studies that share lengths, each with its own amplitudes and noise.

Amplitudes, thicknesses and noise belong to each study, so that data per area and per volume, torque and torkance, in
any unit, constrain the same lengths without being converted into each other: ln L of all is the sum of their ln L.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from mtjfit.arrays import FloatArray, IntArray
from mtjfit.cards import ShownAsCard
from mtjfit.errors import ConfigError, Problem
from mtjfit.infer.convergence.diagnostics import thinning
from mtjfit.infer.convergence.gate import Chains, Verdict, about_priors
from mtjfit.infer.ensembles.run import run_ensembles
from mtjfit.infer.evidence import Evidence
from mtjfit.model.marginal import MarginalPosterior
from mtjfit.model.noise_models import make_posterior
from mtjfit.model.straight import Frame
from mtjfit.study import Correlated, Prior, Study
from mtjfit.study.correlated import JointScores
from mtjfit.study.prior import LN_2PI


@dataclass(frozen=True, eq=False)
class JointPosterior:
    """Prior and likelihood of several studies by label, vectorised over rows of coordinates; see `joint_posterior`.

    `shared` lengths are one number for all studies.
    """

    models: Mapping[str, MarginalPosterior]
    shared: tuple[str, ...]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Coordinates: the shared lengths, then the parameters of single studies, as ``a1 (label)``."""
        own = [f"{name} ({label})" for label, m in self.models.items() for name in m.names if name not in self.shared]
        return (*self.shared, *own)

    @property
    def size(self) -> int:
        """Dimension of the coordinates."""
        return len(self.names)

    @cached_property
    def reach(self) -> FloatArray:
        """Largest distance from zero of each coordinate, below and above, shape (2, size)."""
        found = np.empty((2, self.size))
        for label, model in self.models.items():
            found[:, self.columns(label)] = model.reach
        return found

    def columns(self, label: str) -> list[int]:
        """Places of the coordinates of one study, in its own order."""
        return [
            self.names.index(name if name in self.shared else f"{name} ({label})") for name in self.models[label].names
        ]

    def log_likelihood(self, z: FloatArray) -> FloatArray:
        """Sum of the ln L of all studies, shape (n,), for normal scores of shape (n, size)."""
        z = np.atleast_2d(z)
        each = [model.log_likelihood(z[:, self.columns(label)]) for label, model in self.models.items()]
        return np.asarray(np.sum(each, axis=0))

    def log_prior(self, z: FloatArray) -> FloatArray:
        """Log prior density of coordinates, shape (n,): normal, with the correlations that priors declare."""
        z = np.atleast_2d(z)
        parts = [model.log_prior(z[:, self.columns(label)]) for label, model in self.models.items()]
        inside = np.all(np.isfinite(parts), axis=0)
        apart = self._joint.apart(z)
        height = self._joint.log_height - 0.5 * self.size * LN_2PI
        return np.where(inside, height - 0.5 * np.sum(apart * apart, axis=-1), -np.inf)

    @cached_property
    def _joint(self) -> JointScores:
        priors: dict[str, Prior] = {}
        for label, model in self.models.items():
            each = zip(self.columns(label), model.scores.priors, strict=True)
            priors |= {self.names[column]: prior for column, prior in each}
        return JointScores.of({name: priors[name] for name in self.names})

    def log_posterior(self, z: FloatArray) -> FloatArray:
        """Log prior + log likelihood, shape (n,)."""
        z = np.atleast_2d(z)
        result = self.log_prior(z)
        inside = np.isfinite(result)
        if inside.any():
            result[inside] += self.log_likelihood(z[inside])
        return result

    def prior_transform(self, u: FloatArray) -> FloatArray:
        """Uniform numbers of shape (..., size) to coordinates drawn from the prior."""
        z = np.empty(np.shape(u))
        for label, model in self.models.items():
            z[..., self.columns(label)] = model.prior_transform(np.asarray(u)[..., self.columns(label)])
        return z

    @cached_property
    def straightened(self) -> IntArray:
        """Coordinates that are almost normal given all others: sampled amplitudes of each study."""
        each = (np.array(self.columns(label))[model.straightened] for label, model in self.models.items())
        return np.concatenate(list(each)).astype(np.intp)

    def frame(self, z: FloatArray) -> Frame:
        """Conditional distribution of the `straightened` coordinates; those of different studies are independent."""
        each = [model.frame(z[:, self.columns(label)]) for label, model in self.models.items()]
        size = self.straightened.size
        information, start = np.zeros((z.shape[0], size, size)), 0
        for frame in each:
            block = slice(start, start + frame.columns.size)
            information[:, block, block] = frame.information
            start = block.stop
        return Frame(self.straightened, information, np.concatenate([frame.pull for frame in each], axis=1))

    def draw(self, z: FloatArray, rng: np.random.Generator) -> dict[str, pd.DataFrame]:
        """Every parameter of each study in natural units, one draw for each row of `z`, by label."""
        return {label: pd.DataFrame(model.draw(z[:, self.columns(label)], rng)) for label, model in self.models.items()}


def lengths_of(studies: Mapping[str, Study]) -> tuple[str, ...]:
    """Parameters of κ that any of the studies may have, in the order of tables."""
    return tuple(dict.fromkeys(n for study in studies.values() for n in (*study.model.parameters, "dead_layer")))


def joint_posterior(studies: Mapping[str, Study], shared: Sequence[str] | None = None) -> JointPosterior:
    """Join studies, two or more by label, in one posterior, or refuse them with all reasons in a `ConfigError`.

    `shared` lengths are the same in all; each needs the same prior everywhere, or the same fixed value. Default: all
    lengths of the free layer and, where all studies declare it, what lies behind it.
    """
    common = (name for name in lengths_of(studies) if all(name in study.parameters for study in studies.values()))
    chosen = tuple(common if shared is None else shared)
    problems = list(_problems(studies, chosen))
    if problems:
        raise ConfigError(problems)
    models = {label: make_posterior(study) for label, study in studies.items()}
    sampled = tuple(name for name in chosen if any(name in model.names for model in models.values()))
    return JointPosterior(models, sampled)


def _problems(studies: Mapping[str, Study], shared: Sequence[str]) -> Iterator[Problem]:
    if len(studies) < 2:
        yield Problem("studies", f"there are {len(studies)}", "give two or more")
        return
    first_label, first = next(iter(studies.items()))
    if not shared:
        yield Problem("studies", "have no length in common", "declare the same lengths in all")
    for name in shared:
        if name not in lengths_of(studies):
            todo = f"choose among {', '.join(lengths_of(studies))}"
            yield Problem(f"shared {name}", "is no length", todo)
            continue
        for label, study in studies.items():
            where = f"{label}: parameters.{name}"
            if name not in study.parameters:
                yield Problem(where, "is missing, but is to be shared", "declare it, or do not share it")
            elif study.parameters[name].scope != "shared":
                yield Problem(where, f'has scope = "{study.parameters[name].scope}"', "share it within the study first")
            elif name in first.parameters and study.parameters[name].prior != first.parameters[name].prior:
                what = f"has the prior {study.parameters[name].prior.describe()}, but in {first_label} "
                what += first.parameters[name].prior.describe()
                yield Problem(where, what, "one number has one prior: declare the same in all, or do not share it")
    for label, study in studies.items():
        for name, one in study.parameters.items():
            if isinstance(one.prior, Correlated) and name not in shared:
                what = f"has the prior {one.prior.describe()}, but is not shared"
                yield Problem(f"{label}: parameters.{name}", what, "share it, or give it a prior without correlation")
    if shared and all(first.parameters[n].is_fixed for n in shared if n in first.parameters):
        yield Problem("studies", "share only lengths that are fixed", "free a length, or compare the devices instead")


@dataclass(frozen=True, eq=False)
class Sampled(ShownAsCard):
    """Draws of one posterior, joint or single, with their likelihood, (n_draws,), and evidence.

    The evidence is NaN where the run did not converge.
    """

    chains: Chains
    log_likelihood: FloatArray
    verdict: Verdict
    evidence: Evidence

    @property
    def z(self) -> FloatArray:
        """At most ten thousand evenly spaced draws of the coordinates, shape (n, size)."""
        flat = self.chains.theta.reshape(-1, self.chains.theta.shape[-1])
        return flat[:: thinning(len(flat))]


def sampled(
    model: JointPosterior | MarginalPosterior, seed: int, *, target_ess: float = 2000, progress: bool = True
) -> Sampled:
    """Sample a posterior whose coordinates are normal scores, one thickness with free lengths included."""
    run = run_ensembles(model, model.names, seed=seed, target_ess=target_ess, progress=progress)
    flat = run.chains.theta.reshape(-1, model.size)
    log_likelihood = run.chains.log_posterior.ravel() - model.log_prior(flat)
    evidence = run.evidence or Evidence(float("nan"), float("inf"), "none")
    return Sampled(run.chains, log_likelihood, about_priors(run.verdict, run.chains, model.reach), evidence)
