"""A posterior as ArviZ knows it: draws, priors, data, predictions and the log-likelihood of every value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm
from scipy.stats import t as student_t

from mtjfit.arrays import FloatArray, IntArray
from mtjfit.data import COMPONENTS
from mtjfit.errors import MtjfitError
from mtjfit.infer.posterior import Posterior, chains_of
from mtjfit.infer.simulate import DeviceModel, draw_truth, drawn_values, free_names
from mtjfit.study import DOF, ParameterName, Study
from mtjfit.version import __version__

if TYPE_CHECKING:
    import xarray

_INSTALL = 'to_arviz needs xarray; install ArviZ with it: python -m pip install "mtjfit[arviz]"'
_MOST = 20_000_000
"""Numbers in the table of log-likelihoods: 160 MB."""
_TRUTHS, _PREDICTED = 400, 200
_BLOCK = 4096  # draws that are evaluated at a time


def data_tree(posterior: Posterior, thin: int = 1) -> Any:
    """See `Posterior.to_arviz`."""
    try:
        import xarray
    except ImportError:
        raise MtjfitError(_INSTALL) from None
    study = posterior.study
    _refuse_too_many(posterior, thin)
    chain = _chains(posterior.chain[:, ::thin])
    at = {"chain": np.arange(chain.shape[0]), "draw": np.arange(chain.shape[1]) * thin}
    groups = {"/": xarray.Dataset(attrs=_about(posterior)), "posterior": _parameters(posterior, chain, at),
              "sample_stats": _statistics(posterior, at, thin)}  # fmt: skip
    values = {name: chain[..., k] for k, name in enumerate(posterior.names)}
    unknown = dict.fromkeys(free_names(study), np.nan)  # noise of a component that was not measured
    if not _correlated(study):
        flat = _log_likelihood(study, unknown, {name: each.ravel() for name, each in values.items()})
        groups["log_likelihood"] = _of_values(study, flat.reshape(*chain.shape[:2], -1), at)
        groups["log_likelihood"].attrs["density"] = f"of each value in {study.curves[0].unit}"
    rng = np.random.default_rng(0)
    truths = [draw_truth(study, rng) for _ in range(_TRUTHS)]
    once = {"chain": np.arange(1), "draw": np.arange(_TRUTHS)}
    prior = np.array([[_derived(study, name, truth) for name in posterior.names] for truth in truths])
    groups["prior"] = _parameters(posterior, prior[None], once)
    predicted = np.array([_drawn(study, truth, rng) for truth in truths[:_PREDICTED]])
    groups["prior_predictive"] = _of_values(study, predicted[None], {**once, "draw": once["draw"][:_PREDICTED]})
    step = max(1, -(-chain[..., 0].size // _PREDICTED))
    few = {"chain": at["chain"], "draw": at["draw"][::step]}
    drawn = {name: each[:, ::step].ravel() for name, each in values.items()}
    predicted = np.array([_drawn(study, truth, rng) for truth in _rows(drawn, unknown)])
    groups["posterior_predictive"] = _of_values(study, predicted.reshape(len(few["chain"]), len(few["draw"]), -1), few)
    groups["observed_data"] = _of_values(study, _in_use(study, (np.stack([c.par, c.perp]) for c in study.curves)), {})
    return _for_arviz(xarray.DataTree.from_dict(groups))


def _refuse_too_many(posterior: Posterior, thin: int) -> None:
    n_ensembles, n_kept, n_walkers, _ = posterior.chain.shape
    if thin < 1:
        raise ValueError(f"thin is {thin}: give a whole number from 1")
    if _correlated(posterior.study):
        return
    row = n_ensembles * n_walkers * posterior.study.n_values
    if len(range(0, n_kept, thin)) * row > _MOST:
        enough = -(-n_kept // max(_MOST // row, 1))
        what = f"log-likelihoods of {n_kept * n_ensembles * n_walkers} draws of {posterior.study.n_values} values"
        raise MtjfitError(f"{what} need more than {8e-6 * _MOST:.0f} MB: give thin={enough} to keep fewer draws")


def _for_arviz(tree: xarray.DataTree) -> Any:
    """The tree itself; for ArviZ before 1.0, which does not know it, its InferenceData."""
    try:
        old = int(version("arviz").split(".")[0]) < 1
    except PackageNotFoundError:
        return tree
    if not old:
        return tree
    import arviz

    return arviz.InferenceData.from_datatree(tree)


def _correlated(study: Study) -> bool:
    """Whether errors of different values depend on each other, so that the likelihood is no product over values."""
    return any(curve.is_correlated for curve in study.curves)


def _chains(kept: FloatArray) -> FloatArray:
    """Each walker a chain, shape (n_ensembles · n_walkers, n_kept, ...), from (n_ensembles, n_kept, n_walkers, ...)."""
    moved = np.swapaxes(kept, 1, 2)
    return np.asarray(moved.reshape(-1, *moved.shape[2:]))


def _about(posterior: Posterior) -> dict[str, object]:
    study = posterior.study
    about: dict[str, object] = {
        "study": study.name, "origin": study.label or "measured", "inference_library": "mtjfit",
        "inference_library_version": __version__, "converged": int(posterior.verdict.converged),
        "verdict": posterior.verdict.refusal or "CONVERGED",
        "fixed": ", ".join(f"{name} = {value:g}" for name, value in posterior.fixed.items()),
    }  # fmt: skip
    if posterior.evidence is not None:
        about |= {"log_evidence": posterior.evidence.value, "log_evidence_error": posterior.evidence.error}
    if _correlated(study):
        about["log_likelihood"] = "left out: errors of different values are correlated"
    return about


def _parameters(posterior: Posterior, values: FloatArray, at: Mapping[str, IntArray]) -> xarray.Dataset:
    """One variable for each parameter, for those of single devices or groups with a dimension for these."""
    import xarray

    study, found, coords = posterior.study, {}, dict[str, Any](at)
    for base, places in _by_base(posterior.names).items():
        attrs = {"units": study.unit_of(base)}
        if None in places:
            found[base] = xarray.Variable(("chain", "draw"), values[..., places.pop(None)], attrs)
        if places:
            owners, dim = [str(each) for each in places], _dimension(study, base, tuple(map(str, places)))
            coords[dim] = owners
            name = f"{base}_own" if base in found else base
            found[name] = xarray.Variable(("chain", "draw", dim), values[..., list(places.values())], attrs)
    return xarray.Dataset(found, coords, attrs={"verdict": posterior.verdict.refusal or "CONVERGED"})


def _by_base(names: tuple[str, ...]) -> dict[str, dict[str | None, int]]:
    """Places of the numbers of each declared parameter by the device or group that has them."""
    found: dict[str, dict[str | None, int]] = {}
    for k, name in enumerate(map(ParameterName, names)):
        found.setdefault(name.base, {})[name.owner] = k
    return found


def _dimension(study: Study, base: str, owners: tuple[str, ...]) -> str:
    """Dimension of numbers that these own; one of its own where only some of the devices or groups have one."""
    of = {"device": tuple(dict.fromkeys(curve.device for curve in study.curves)), "group": study.groups,
          "curve": study.devices}  # fmt: skip
    return next((name for name, all_of_them in of.items() if owners == all_of_them), f"{base}_of")


def _statistics(posterior: Posterior, at: Mapping[str, IntArray], thin: int) -> xarray.Dataset:
    import xarray

    chains, marginal = chains_of(posterior)[1].log_posterior, posterior.log_likelihood
    n_ensembles, _, n_walkers = marginal.shape
    place = {"ensemble": ("chain", np.repeat(np.arange(n_ensembles), n_walkers)),
             "walker": ("chain", np.tile(np.arange(n_walkers), n_ensembles))}  # fmt: skip
    each = {"lp": chains, "log_likelihood_marginal": marginal}
    return xarray.Dataset(
        {name: (("chain", "draw"), _chains(values[:, ::thin])) for name, values in each.items()}, {**at, **place},
        attrs={"lp": "log density of the sampled coordinates, amplitudes integrated out"},
    )  # fmt: skip


def _of_values(study: Study, values: FloatArray, at: Mapping[str, IntArray]) -> xarray.Dataset:
    """Numbers of shape (..., n_values), one for each value in use, in the unit of the first curve."""
    import xarray

    parts = [(curve, c, curve.used_values[c]) for curve in study.curves for c in range(2)]
    said = {
        "device": np.concatenate([np.repeat(curve.device, there.sum()) for curve, _, there in parts]),
        "condition": np.concatenate([np.repeat(curve.condition, there.sum()) for curve, _, there in parts]),
        "component": np.concatenate([np.repeat(COMPONENTS[c], there.sum()) for _, c, there in parts]),
    }  # fmt: skip
    bias = np.concatenate([curve.bias[there] for curve, _, there in parts])
    coords = {**at, **{name: ("value", each) for name, each in said.items()}}
    coords["bias"] = ("value", bias, {"units": "V"})
    first = study.curves[0]
    return xarray.Dataset({first.quantity: ((*at, "value"), values, {"units": first.unit})}, coords)


def _in_use(study: Study, values: Iterable[FloatArray]) -> FloatArray:
    """The values in use, shape (n_values,), in the unit of the first curve, from those of each curve, (2, n_bias)."""
    pairs = zip(study.curves, values, strict=True)
    return np.concatenate([study.scale_of(curve) * each[curve.used_values] for curve, each in pairs])


def _drawn(study: Study, truth: Mapping[str, float], rng: np.random.Generator) -> FloatArray:
    return _in_use(study, (drawn_values(DeviceModel(study, curve, truth), rng) for curve in study.curves))


def _rows(values: Mapping[str, FloatArray], unknown: Mapping[str, float]) -> Iterator[dict[str, float]]:
    """Each draw as a truth."""
    for row in zip(*values.values(), strict=True):
        yield {**unknown, **dict(zip(values, map(float, row), strict=True))}


def _derived(study: Study, name: str, truth: Mapping[str, float]) -> float:
    """A number of a truth; Λ from its factors, free or not."""
    if name in truth or ParameterName(name).base != "Lambda":
        return truth[name]
    product = 1.0
    for factor in ("lambda_sf_N", "D_ratio"):
        value, own = study.parameters[factor].value, ParameterName(name).of(factor)
        product *= value if value is not None else truth.get(own, truth.get(factor, np.nan))
    return product


def _log_likelihood(study: Study, unknown: Mapping[str, float], values: Mapping[str, FloatArray]) -> FloatArray:
    """ln p of each value in use given all parameters, amplitudes included, shape (n_draws, n_values)."""
    n = next(iter(values.values())).size
    found = np.empty((n, study.n_values))
    for start in range(0, n, _BLOCK):
        some = slice(start, start + _BLOCK)
        block: dict[str, ArrayLike] = {**unknown, **{name: each[some] for name, each in values.items()}}
        place = 0
        for curve in study.curves:
            device, scale = DeviceModel(study, curve, block), study.scale_of(curve)
            T = device.torque(curve.bias)
            for c, model in enumerate((T.real, T.imag)):
                there = curve.used_values[c]
                sigma = np.hypot(device.sigma[c], device.jitter[c])
                away = (scale * curve.component(c)[0] - model) / sigma
                nu = device[DOF][..., None] if device.declares(DOF) else None
                log_p = (norm.logpdf(away) if nu is None else student_t.logpdf(away, nu)) - np.log(sigma)
                found[some, place : place + there.sum()] = np.broadcast_to(log_p, (*T.shape[:-1], there.size))[:, there]
                place += int(there.sum())
    return found
