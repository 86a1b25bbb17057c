"""Rank of a design whatever its noise, and the directions that it cannot determine, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mtjfit.arrays import FloatArray
from mtjfit.cards import ShownAsCard
from mtjfit.model.device_combinations import terms_of, terms_seen
from mtjfit.model.jacobian import Jacobian, jacobian, relative_errors
from mtjfit.model.layout import even_points
from mtjfit.model.likelihood import FullPosterior
from mtjfit.physics import wave_numbers
from mtjfit.study import ParameterName

_DRAWS = 32
_ROUNDING = 1e-13  # error of a column of exact derivatives over its norm
_RANK_TOLERANCE = 1e3  # times that error
_TAKES_PART = 1e-3


@dataclass(frozen=True)
class Structure(ShownAsCard):
    """Rank of the model for a design, whatever the noise: thicknesses taken as known."""

    rank: int
    n_parameters: int
    null_directions: tuple[str, ...]  # changes of parameters that no measurement of this design can see, in words


@dataclass(frozen=True)
class Unseen:
    """Changes of the parameters that leave every measured value as it is, for a reason that has a name."""

    vectors: FloatArray  # in relative changes: the columns of the model's `Jacobian`, shape (n, n_model)
    words: str


def _scaled(matrix: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Columns of unit norm, and by what they were divided; zero columns stay."""
    norms = np.linalg.norm(matrix, axis=0)
    safe = np.where(norms > 0, norms, 1.0)
    return matrix / safe, safe


def _null_space(matrix: FloatArray, error: float = _ROUNDING) -> tuple[int, FloatArray]:
    """Rank and an orthonormal basis of the null space, for columns scaled to unit norm, right to `error`."""
    scaled, _ = _scaled(matrix)
    _, s, vt = np.linalg.svd(scaled, full_matrices=True)
    rank = int(np.sum(s > _RANK_TOLERANCE * error * max(float(s.max(initial=0.0)), 1e-300)))
    return rank, np.asarray(vt[rank:])


def _orthonormal(vectors: FloatArray) -> FloatArray:
    """Rows that span the same space."""
    if vectors.shape[0] == 0:
        return vectors
    _, s, vt = np.linalg.svd(vectors, full_matrices=False)
    return np.asarray(vt[s > 1e-9 * s[0]]) if s[0] > 0 else vectors[:0]


def _by_product(model: FullPosterior, names: tuple[str, ...]) -> FloatArray:
    """Changes of λ_sf^N and D_ratio that leave D_ratio · λ_sf^N of every device as it is."""
    index = [model.layout.index.get(name) for name in ("lambda_sf_N", "D_ratio")]
    serves = np.zeros((len(model.study.curves), len(names)))
    for places in index:
        if places is not None:
            for j in np.flatnonzero(places >= 0):
                serves[j, names.index(model.layout.entries[places[j]].name)] = 1.0
    taking_part = np.any(serves > 0, axis=0)
    _, null = _null_space(serves[:, taking_part])
    out = np.zeros((null.shape[0], len(names)))
    out[:, taking_part] = null / _scaled(serves[:, taking_part])[1]
    return out


def _by_common_factor(model: FullPosterior, J: Jacobian, values: FloatArray, amplitudes: FloatArray) -> FloatArray:
    """Changes at constant 1/λ_φ² + 1/λ_sf², with J0 divided by the factor by which κ then grows.

    κ = q0² G(q², d, Λ) with q² = q0² + 1/λ_sf² (Eq. 8, 12): q² stays, q0² grows by ε, and every κ by 1 + ε/q0².
    """
    layout, linear, names = model.layout, model.amplitudes, J.names[: J.n_model]
    index = [layout.index[name] for name in ("lambda_phi", "lambda_sf_F")]
    lengths = [layout.by_device(name, values) for name in ("lambda_J", "lambda_phi", "lambda_sf_F")]
    q0_squared = np.broadcast_to(wave_numbers(*lengths)[0], index[0].shape)
    phi, sf = (np.broadcast_to(length, index[0].shape) for length in lengths[1:])
    per_term = linear.of_terms(amplitudes)
    found = []
    for pair in np.unique(np.stack(index, axis=1), axis=0):
        if np.any(pair < 0):
            continue
        v = np.zeros(len(names))
        for j in np.flatnonzero((index[0] == pair[0]) & (index[1] == pair[1])):
            v[names.index(layout.entries[pair[0]].name)] = -0.5 * phi[j] ** 2
            v[names.index(layout.entries[pair[1]].name)] = 0.5 * sf[j] ** 2
            for power in np.unique(linear.power):
                terms = np.flatnonzero(linear.power == power)
                change = -np.sum(per_term[j, terms] * linear.phase[terms]) / q0_squared[j]
                for t in terms[linear.column[j, terms] >= 0]:
                    k = names.index(linear.names[linear.column[j, t]])
                    v[k] = (change * np.conj(linear.phase[t])).real / J.scale[k]
        found.append(v)
    return np.array(found).reshape(len(found), len(names))


def unseen(model: FullPosterior, J: Jacobian, values: FloatArray, amplitudes: FloatArray) -> tuple[Unseen, ...]:
    """Changes that no measured value shows at a point, as far as they have a name; each is tested on the Jacobian."""
    names = J.names[: J.n_model]
    scaled, norms = _scaled(J.model)
    largest = max(float(np.linalg.norm(scaled, ord=2)) if scaled.size else 0.0, 1e-300)
    silent = np.flatnonzero(np.linalg.norm(J.model, axis=0) == 0)
    ones = np.eye(len(names))
    candidates = [
        Unseen(ones[silent], f"{', '.join(names[k] for k in silent)}: no measured value depends on it"),
        *(_of_eq12(model, J, values, amplitudes) if model.study.model.is_eq12 else ()),
    ]
    kept = []
    for one in candidates:
        weights = one.vectors * norms
        size = np.linalg.norm(weights, axis=1)
        holds = np.linalg.norm(weights @ scaled.T, axis=1) <= 1e-9 * largest * size
        if holds.any():
            kept.append(Unseen(one.vectors[holds], one.words))
    return tuple(kept)


def _of_eq12(model: FullPosterior, J: Jacobian, values: FloatArray, amplitudes: FloatArray) -> tuple[Unseen, ...]:
    """What Eq. 12 leaves unseen in designs of some kinds."""
    names = J.names[: J.n_model]
    taking_up = ", ".join(sorted({name.base for name in model.amplitudes.names}))
    return (
        Unseen(_by_product(model, names), "lambda_sf_N and D_ratio enter only as Lambda = D_ratio · lambda_sf_N"),
        Unseen(
            _by_common_factor(model, J, values, amplitudes),
            "lambda_phi and lambda_sf_F enter only as 1/lambda_phi² + 1/lambda_sf_F²: what would tell them apart is "
            f"one complex factor of all torques, which {taking_up} take up",
        ),
    )


def _listed(names: Sequence[str], own: set[str]) -> str:
    """Names in one phrase; those that every device has for itself are named once."""
    bases = (ParameterName(name).base for name in names)
    shown = [f"{base} of each device" if base in own else name for base, name in zip(bases, names, strict=True)]
    return ", ".join(dict.fromkeys(shown))


def _seen(model: FullPosterior) -> str:
    """Numbers that a single device determines, in words."""
    terms = terms_of(model, terms_seen(model, 0))
    if terms.phase_determined:
        return ", ".join(["arg κ", *(f"|κ|·{name}" for name in terms.names)])
    powers: dict[str, list[str]] = {}
    for name in sorted(terms.names):
        powers.setdefault(name[1:], []).append(name if name[0] == "a" else f"i {name}")
    return ", ".join(f"κ·({' + '.join(each)})" for each in powers.values())


def _rest_in_words(model: FullPosterior, names: Sequence[str], basis: FloatArray, rest: int) -> str:
    """Unseen directions without a name: the parameters that take part, and what is determined instead."""
    taking_part = [name for k, name in enumerate(names) if np.max(basis[:, k]) > _TAKES_PART]
    own = {name for name, each in model.study.parameters.items() if each.is_own}
    n = model.study.n_thicknesses
    where = "one thickness" if n == 1 else f"{n} thicknesses"
    number = "1 combination" if rest == 1 else f"{rest} independent combinations"
    return (
        f"with {where}, {number} of {_listed(taking_part, own)} cannot be seen in any measured value: "
        f"these tell {_seen(model)} of each thickness and nothing else"
    )


def prior_points(model: FullPosterior, n: int) -> list[tuple[FloatArray, FloatArray]]:
    """Natural values and amplitudes at `n` points, always the same, that fill the central 90 % of every prior.

    Thicknesses are nominal.
    """
    size, free = model.layout.size, len(model.amplitudes.names)
    u = 0.05 + 0.9 * even_points(size + free, n)
    for k, entry in enumerate(model.layout.entries):
        if entry.name.is_thickness:
            u[:, k] = 0.5
    values = model.layout.values(model.prior_transform(u[:, :size]))
    columns = [prior.quantile(u[:, size + k]) for k, prior in enumerate(model.amplitudes.priors)]
    amplitudes = np.stack(columns, axis=-1) if columns else np.zeros((n, 0))
    return list(zip(values, amplitudes, strict=True))


def _error_of(J: Jacobian, slope_error: float) -> float:
    """Error of the columns over their norms; differences are wrong by a share of the model, not of a small column."""
    norms = np.linalg.norm(J.model, axis=0)
    norms = norms[norms > 0]
    return _ROUNDING if slope_error == 0 or norms.size == 0 else float(slope_error * norms.max() / norms.min())


def structure(model: FullPosterior) -> Structure:
    """Structural rank: the largest rank of the Jacobian over points that fill the prior.

    Examples
    --------
    >>> from mtjfit.data import dataset
    >>> from mtjfit.study import load_study
    >>> found = structure(FullPosterior(load_study(dataset("thickness-series").study_file)))
    >>> found.rank, found.n_parameters, found.null_directions
    (6, 6, ())
    """
    found: list[tuple[int, FloatArray, tuple[Unseen, ...], FloatArray]] = []
    names: tuple[str, ...] = ()
    for values, amplitudes in prior_points(model, _DRAWS):
        J = jacobian(model, values, amplitudes)
        names = J.names[: J.n_model]
        rank, basis = _null_space(J.model, _error_of(J, model.study.model.slope_error))
        found.append((rank, basis, unseen(model, J, values, amplitudes), _scaled(J.model)[1]))
    rank = max(each[0] for each in found)
    found = [each for each in found if each[0] == rank]
    named = {one.words: one for one in found[0][2]}
    named = {words: one for words, one in named.items() if all(words in {o.words for o in each[2]} for each in found)}
    parts, taken = [], 0
    for _, basis, each, norms in found:
        vectors = [one.vectors * norms for one in each if one.words in named]
        known = _orthonormal(np.concatenate([np.zeros((0, len(names))), *vectors]))
        taken = known.shape[0]
        rest = basis - (basis @ known.T) @ known
        # a parameter takes part in what cannot be seen if it does so anywhere
        parts.append(np.max(np.abs(rest), axis=0, initial=0.0))
    words = list(named)
    if len(names) - rank > taken:
        words.append(_rest_in_words(model, names, np.array(parts), len(names) - rank - taken))
    return Structure(rank, len(names), tuple(words))


GRADES = (0.1, 0.3, 1.0)
"""Relative errors that a parameter can be known to."""

_POINTS = 128
_NOTHING = 1e6  # a larger relative error is none


def grade(error: float) -> str:
    """The best of `GRADES` that a relative error reaches, in words; "prior only" if none.

    Examples
    --------
    >>> grade(0.07), grade(0.9), grade(5.0)
    ('10 %', '100 %', 'prior only')
    """
    reached = [f"{100 * each:.0f} %" for each in GRADES if error <= each]
    return reached[0] if reached else "prior only"


def expected_errors(model: FullPosterior, n: int = _POINTS) -> pd.DataFrame:
    """Linearised relative errors at `n` points, a power of two, over the central 90 % of every prior; no value is used.

    Bias points, errors of the data, thicknesses with their errors and priors are; where noise scales are fitted, those
    of the prior. Where the model is not linear within its errors this is the better case. By parameter (lengths,
    amplitudes, and Lambda where D_ratio and lambda_sf_N are shared and free): median, low and high (deciles) of the
    error over the prior; within_10, within_30, within_100: share of the prior in which it is that many per cent or
    less.

    Examples
    --------
    >>> from mtjfit.data import dataset
    >>> from mtjfit.study import load_study
    >>> study = load_study(dataset("thickness-series").study_file)
    >>> table = expected_errors(FullPosterior(study))
    >>> bool(table.loc["lambda_J", "median"] < table.loc["lambda_sf_F", "median"])
    True
    """
    rows: list[FloatArray] = []
    names: tuple[str, ...] = ()
    for values, amplitudes in prior_points(model, n):
        J = jacobian(model, values, amplitudes)
        names = J.names[: J.n_model]
        errors = relative_errors(J.matrix)[0][: J.n_model]
        if {"lambda_sf_N", "D_ratio"} <= set(names):  # both columns are the one of Λ
            alone = relative_errors(np.delete(J.matrix, names.index("D_ratio"), axis=1))[0]
            names, errors = (*names, "Lambda"), np.append(errors, alone[names.index("lambda_sf_N")])
        rows.append(np.where(errors > _NOTHING, np.inf, errors))
    found = np.array(rows)
    # of the sorted values themselves: between a number and infinity there is nothing to interpolate
    low, median, high = np.quantile(found, [0.1, 0.5, 0.9], axis=0, method="inverted_cdf")
    columns = {"median": median, "low": low, "high": high}
    columns |= {f"within_{100 * each:.0f}": np.mean(found <= each, axis=0) for each in GRADES}
    return pd.DataFrame(columns, index=pd.Index(names, name="parameter"))
