"""Sampling the hierarchical posterior of a stack, by the sampler, the gate and the cross-check of a study."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from mtjfit.arrays import FloatArray
from mtjfit.cards import Card, ShownAsCard
from mtjfit.errors import MtjfitError
from mtjfit.infer.convergence.gate import Verdict
from mtjfit.infer.ensembles.ensemble import Stream, stream
from mtjfit.infer.ensembles.run import Run
from mtjfit.infer.evidence import Evidence
from mtjfit.infer.posterior import determined_sides, draws_summary, summary_header, summary_rows
from mtjfit.infer.sampling import checked_verdict, kept_draws, run_model
from mtjfit.infer.store.fingerprint import MODEL_VERSION
from mtjfit.study import Sampling
from mtjfit.wafer.stack.posterior import WaferPosterior
from mtjfit.wafer.stack.share import shared

_LOADING = 0.3  # parameters that a direction is named by
_STEP = 0.3  # of description_changes, in standard deviations of the posterior
_DEVICE_DRAWS = 200  # of each device, for its mean and sd: the sd is then known to 5 %
_MOSTLY = 0.5  # of a variance


@dataclass(frozen=True)
class OpenDirection:
    """One combination of parameters that the data leave to the priors."""

    loadings: tuple[tuple[str, float], ...]  # those that make most of it, in prior standard deviations, largest first

    def __str__(self) -> str:
        moved = ", ".join(f"{name} {'up' if weight > 0 else 'down'}" for name, weight in self.loadings)
        return f"the priors know more than the data of: {moved}"


def observed_information(
    log_likelihood: Callable[[FloatArray], FloatArray], z: FloatArray, root: FloatArray
) -> FloatArray:
    """−∂²ln L/∂z² at points z of shape (n, size) by central differences, shape (n, size, size).

    Steps are taken along the columns of `root`, one of the posterior's covariance: none is too long or too short.
    """
    size = z.shape[1]
    i, j = np.triu_indices(size, 1)
    unit = np.eye(size)
    steps = np.concatenate([unit, unit[i] + unit[j]])
    steps = _STEP * np.concatenate([np.zeros((1, size)), steps, -steps])
    found = []
    for point in z:
        f = log_likelihood(point + steps @ root.T)
        both = f[1 : 1 + size + i.size] + f[1 + size + i.size :] - 2 * f[0]
        H = np.diag(both[:size])
        H[i, j] = H[j, i] = 0.5 * (both[size:] - both[i] - both[j])
        inverse = np.linalg.inv(root)
        found.append(-(inverse.T @ H @ inverse) / _STEP**2)
    return np.array(found)


def from_priors(H: FloatArray) -> FloatArray:
    """Share of the variance of each score that lies along directions of which the priors know more, shape (size,).

    H is the information of the data at some draws, shape (n, size, size).
    """
    known, vectors = np.linalg.eigh(H)
    parts = vectors**2 / (1 + np.maximum(known, 0.0))[:, None, :]
    return np.asarray(np.sum(np.where(known[:, None, :] < 1, parts, 0.0), axis=(0, 2)) / np.sum(parts, axis=(0, 2)))


def open_directions(H: FloatArray, names: tuple[str, ...]) -> tuple[OpenDirection, ...]:
    """The directions of which the priors know more at half of the draws or more, the most open one first.

    Examples
    --------
    >>> print(*open_directions(np.diag([0.1, 100.0])[None], ("lambda_sf_F", "a1")))
    the priors know more than the data of: lambda_sf_F up
    """
    known, vectors = np.linalg.eigh(H)
    projector = np.einsum("nik,nk,njk->ij", vectors, (known < 1).astype(float), vectors) / len(H)
    share, directions = np.linalg.eigh(projector)
    found = []
    for k in np.flatnonzero(share >= 0.5)[::-1]:
        v = directions[:, k] * np.sign(directions[np.argmax(np.abs(directions[:, k])), k])
        order = [i for i in np.argsort(-np.abs(v)) if abs(v[i]) > _LOADING]
        found.append(OpenDirection(tuple((names[i], float(v[i])) for i in order)))
    return tuple(found)


@dataclass(frozen=True, eq=False)
class StackPosterior(ShownAsCard):
    """Draws from the posterior of one stack.

    Attributes
    ----------
    verdict : Verdict
        Answer of the convergence gate: look at it before anything else.
    z, log_likelihood : ndarray, shapes (n_ensembles, n_kept, n_walkers, size), (n_ensembles, n_kept, n_walkers)
        Thinned draws of the coordinates, normal scores of the priors.
    evidence : Evidence or None
        None where the run did not converge.
    looked_at : int
        Draws at which the information of the data is computed.
    """

    model: WaferPosterior
    verdict: Verdict
    z: FloatArray
    log_likelihood: FloatArray
    seed: int
    evidence: Evidence | None
    looked_at: int = 9

    @property
    def names(self) -> tuple[str, ...]:
        """Sampled parameters."""
        return self.model.names

    @cached_property
    def chain(self) -> FloatArray:
        """Draws in natural units, shape (n_ensembles, n_kept, n_walkers, size)."""
        return self.model.scores.values(self._flat).reshape(self.z.shape)

    @property
    def _flat(self) -> FloatArray:
        return self.z.reshape(-1, self.z.shape[-1])

    @cached_property
    def draws(self) -> pd.DataFrame:
        """All draws, one row each, columns by parameter."""
        return pd.DataFrame(self.chain.reshape(-1, len(self.names)), columns=list(self.names))

    def determined(self, name: str) -> str:
        """``"yes"``, ``"lower limit"``, ``"upper limit"``, ``"no"`` or ``"with priors"``: how the data bound it.

        The first four as of `Posterior.determined`. ``"with priors"``: the data narrow the parameter, but more than
        half of the variance left lies along directions of which the priors know more than the data
        (`open_directions`), so that its error is one of the priors of the others. A stack of one nominal thickness
        has such directions: a change of thickness over the wafer turns the phase of κ by an amount that the lengths
        decide, and only their priors fix how much thickness that is.
        """
        return self._determined[name]

    @cached_property
    def _determined(self) -> dict[str, str]:
        share = from_priors(self._information)
        found = {}
        for k, (name, prior) in enumerate(self.model.priors.items()):
            found[name] = determined_sides(prior.cdf(self.draws[name].to_numpy()))
            if found[name] == "yes" and share[k] > _MOSTLY:
                found[name] = "with priors"
        return found

    @cached_property
    def open_directions(self) -> tuple[OpenDirection, ...]:
        """Combinations of parameters of which the priors know more than the data."""
        return open_directions(self._information, self.names)

    @cached_property
    def _information(self) -> FloatArray:
        """Of the data, at some of the draws."""
        root = np.linalg.cholesky(np.atleast_2d(np.cov(self._flat.T)))
        return observed_information(self.model.log_likelihood, self._some(self.looked_at), root)

    def _some(self, n: int) -> FloatArray:
        """At most n of all draws, spread evenly over them."""
        z = self._flat
        return np.asarray(z[np.linspace(0, len(z) - 1, n).astype(int)])

    @cached_property
    def _summary(self) -> pd.DataFrame:
        table = draws_summary(self.names, self.chain, self.model.unit_of, self.determined)
        table.loc[table["determined"] != "yes", ["mean", "sd"]] = np.nan
        return table.assign(from_priors=from_priors(self._information))

    def summary(self) -> pd.DataFrame:
        """Table by parameter.

        Columns are mean, sd (NaN where `determined` is not ``"yes"``: no error bar without a measurement), q05, q50,
        q95, ess, r_hat, unit, determined, and from_priors: the share of the variance that lies along directions of
        which the priors know more than the data.
        """
        return self._summary.copy()

    def devices(self, n_draws: int = _DEVICE_DRAWS) -> pd.DataFrame:
        """Posterior mean and sd of the thickness and amplitudes of each device.

        Columns are device, wafer, x, y (mm), thickness_nominal (nm), and for each of thickness and the amplitudes that
        differ between devices its mean and ``…_sd``, from `n_draws` draws.
        """
        devices, rows = self.model.devices, self._some(min(n_draws, len(self._flat)))
        table = {name: getattr(devices, name) for name in ("device", "wafer", "x", "y")}
        table["thickness_nominal"] = devices.thickness
        for name, drawn in self.model.draw_devices(rows, stream(self.seed, Stream.DRAW_BACK)).items():
            table |= {name: drawn.mean(axis=0), f"{name}_sd": drawn.std(axis=0, ddof=1)}
        return pd.DataFrame(table)

    def _card(self) -> Card:
        """The summary in a notebook, marked where the run did not converge."""
        return Card(
            "Posterior of a stack", marks=[self.verdict.refusal],
            facts={"devices": f"{self.model.devices.n}", "draws": f"{len(self.draws)}"},
            header=summary_header(), rows=summary_rows(self.summary()),
            notes=[str(one) for one in self.open_directions],
        )  # fmt: skip


def describe_stack(model: WaferPosterior, seed: int) -> dict[str, str]:
    """All that the chain of a stack depends on, in words that its journal compares."""
    data, sha256 = model.devices.data, hashlib.sha256()
    arrays = [getattr(data, each.name) for each in fields(data)]
    for array in (*arrays, model.devices.thickness, model.devices.x, model.devices.y):
        sha256.update(np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"))).tobytes())
    found = {"model version": str(MODEL_VERSION), "devices": f"{model.devices.n}, sha256 {sha256.hexdigest()}"}
    found["wafers"] = ", ".join(model.devices.wafer) if model.hierarchy.each == "wafer" else ""
    found["quantity"] = f"{model.devices.quantity} per {model.devices.per}, {model.devices.unit}"
    found |= {f"parameters.{name}": repr(one) for name, one in model.parameters.items()}
    hierarchy = model.hierarchy
    smooth = {name: (shapes, hierarchy.sd_of(name)) for name, shapes in hierarchy.smooth.items()}
    found["smooth"] = f"{smooth}, {hierarchy.each}, radius {model.coordinates.radius!r}"
    found["thickness_scatter"] = repr(hierarchy.thickness_scatter)
    return found | {"sampling.seed": str(int(seed))}


def sample_stack(
    model: WaferPosterior,
    sampling: Sampling | None = None,
    *,
    journal: str | Path | None = None,
    progress: bool = True,
    workers: int | None = None,
    scheduler: str = "",
    run: Callable[..., Run] = run_model,
) -> StackPosterior:
    """Posterior of the parameters that the devices of a stack share; those of single devices are integrated out.

    A run that did not converge is returned too: see `.verdict`. The numbers are the same to the last bit, whoever
    computes the likelihood, and also after a run was killed and resumed.

    Parameters
    ----------
    journal : str or Path, optional
        Folder to save every block in; a run that it holds is resumed.
    progress : bool
        Show a bar with the remaining time on a terminal.
    workers : int, optional
        Processes that share the likelihood; 1 for this one alone. Default: as many as there are processors, and no more
        than one for 100 devices. A script that uses more than one needs ``if __name__ == "__main__":``.
    scheduler : str, optional
        Address of a dask scheduler whose workers share it instead (``pip install 'mtjfit[cluster]'``): for more than
        some 10 000 devices, on a network that is trusted.
    run : callable
        The sampler, with the arguments of `mtjfit.infer.sampling.run_model`.

    Raises
    ------
    MtjfitError
        Every parameter is fixed; the journal is of another stack, in use, damaged, or cannot be written; there is no
        scheduler or worker, or they were lost; or a process did not start.
    ConfigError
        dask.distributed is missing.
    ValueError
        Both `workers` and `scheduler` are given, or fewer than one worker.
    """
    if not model.size:
        raise MtjfitError("every parameter of the stack is fixed: there is nothing to sample")
    wish = sampling or Sampling()
    with shared(model, workers, scheduler) as target:
        found = run(target, wish, wish.seed, describe_stack(model, wish.seed), journal, progress=progress)
        verdict = checked_verdict(target, found.chains, found.verdict)
    _, z, log_likelihood = kept_draws(model, found.chains)
    return StackPosterior(model, verdict, z, log_likelihood, wish.seed, found.evidence)
