"""Tables and sentences: prior and posterior of each parameter, and posteriors under other priors.

Of posteriors that have converged; `found` is that of `narrowing` or of `sensitivity`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from mtjfit.data import pretty
from mtjfit.infer import Posterior
from mtjfit.infer.level import Level
from mtjfit.infer.posterior import FROM_PRIOR
from mtjfit.prior_influence.information import JointGain
from mtjfit.prior_influence.reweighting import alternatives, reweighted
from mtjfit.results.tables import interval
from mtjfit.study import ParameterName, is_amplitude
from mtjfit.text import Table, number

MOVED = 0.3
"""A median or limit that another prior moves by more than this many sd depends on the prior."""
_MOSTLY_DATA = 1.0  # bits; a normal posterior is then a third as wide as its prior
_FACTOR = 3.0  # between the ends of an interval, above which they have digits of their own
NOT_CONVERGED = "NOT CONVERGED: nothing can be said of these draws."
_WORDS = {
    "wider": "priors 1.4 times as wide",
    "other scale": "priors on the other scale (flat in a length where they were flat in its logarithm)",
}
_ENDS = ("lower limit", "median", "upper limit")


def bits(gain: float, error: float = 0.0) -> str:
    """A gain in bits for a table: two decimals, or one where its error is larger than 0.05."""
    return f"{gain:.{2 if error <= 0.05 else 1}f}"


def _median(row: pd.Series, level: Level, kind: str = "") -> str:
    """Median and interval; of one that spans a factor, two digits of each end."""
    low, middle, high = (float(row[f"{kind}{q}"]) for q in level.names)
    if kind or (low > 0 and high > _FACTOR * low):
        return f"{number(middle, 2)} ({number(low, 2)} to {number(high, 2)})"
    return interval(low, middle, high)


def narrowing_table(posterior: Posterior, found: pd.DataFrame, joint: JointGain) -> Table:
    """Each parameter before and after the data, with its gain in bits."""
    level = posterior.interval
    medians = f"prior median ({level})", f"posterior median ({level})"
    header = ("parameter", *medians, "unit", "shrinkage", "bits", "decided by")
    title = "Prior against posterior"
    rows = []
    for name, row in found.iterrows():
        if _is_copy(posterior, str(name)):
            continue
        gain, error = float(row["gain_bits"]), float(row["gain_error"])
        share = max(float(row["shrinkage"]), 0.0)
        shrinkage = "> 99.9 %" if share > 0.999 else f"{100 * share:.{1 if share > 0.9 else 0}f} %"
        by = "the prior alone" if row["from_prior"] else "prior and data" if gain < _MOSTLY_DATA else "mostly the data"
        if gain >= _MOSTLY_DATA and posterior.determined(str(name)) in ("lower limit", "upper limit"):
            by = "the data on one side, the prior on the other"
        before, after = _median(row, level, "prior_"), _median(row, level)
        unit = pretty(posterior.study.unit_of(str(name)))
        rows.append((str(name), before, after, unit, shrinkage, bits(gain, error), by))
    note = (
        "Shrinkage: 1 − sd(posterior)/sd(prior) in the coordinate in which the prior is a standard normal. "
        f"Bits: what the data add about this parameter, to ± {number(float(found['gain_error'].max()), 1)}; "
        f"one halves its range, below {FROM_PRIOR:g}, and where the data set no limit, it comes from the prior alone. "
    )
    return Table(title, header, tuple(rows), note + joint_sentence(joint))


def joint_sentence(joint: JointGain) -> str:
    """Bits about all parameters together; empty if none was sampled."""
    if not joint.names:
        return ""
    if not joint.reliable:
        return "Bits about all together cannot be given: the evidence is not reliable."
    about = ", ".join(joint.names) if len(joint.names) <= 8 else f"{len(joint.names)} parameters"
    return f"About {about} together: {joint.bits:.1f} ± {number(max(joint.error, 0.01), 1)} bits."


def narrowing_sentence(posterior: Posterior, found: pd.DataFrame) -> str:
    """Bits about each length, and lengths that come from the prior alone; empty if no length is free."""
    wanted = [ParameterName(name).shapes_kappa and not _is_copy(posterior, str(name)) for name in found.index]
    lengths = found[wanted]
    if lengths.empty:
        return ""
    alone = [str(name) for name in lengths.index[lengths["from_prior"]]]
    known = lengths[~lengths["from_prior"]].sort_values("gain_bits", ascending=False, kind="stable")
    listed = [f"{name} {bits(float(row['gain_bits']), float(row['gain_error']))}" for name, row in known.iterrows()]
    parts = [f"Information from the data in bits: {', '.join(listed)}"] if listed else []
    if alone:
        parts.append(f"{', '.join(alone)} {'comes' if len(alone) == 1 else 'come'} from the prior alone")
    return f"{'; '.join(parts)}."


def sensitivity_table(posterior: Posterior, found: pd.DataFrame) -> Table:
    """Medians and intervals of lengths and shared amplitudes, as declared and under both other priors."""
    title = "Results under other priors"
    of = {str(name): part.set_index("parameter") for name, part in found.groupby("prior", sort=False)}
    level = posterior.interval
    summary = posterior.draws.quantile(list(level.quantiles)).set_axis(list(level.names))
    rows = []
    for name in dict.fromkeys(found["parameter"]):
        if _counts(str(name)) and not _is_copy(posterior, str(name)):
            others = [part.loc[name] for part in of.values()]
            cells = [f"{_median(row, level)}, {float(row['shift_q50']):+.1f} sd" if row["reliable"] else "sample again"
                     for row in others]  # fmt: skip
            rows.append((str(name), _median(summary[name], level), *cells))
    header = ("parameter", "as declared", *(f"{name} (k̂ {_k_hat(part['k_hat'].iloc[0])})" for name, part in of.items()))
    priors = [f"{one.name[0].upper()}{one.name[1:]}: {one.describe()}." for one in alternatives(posterior)]
    note = f"Median, {level} interval, and shift of the median in sd. k̂ above 0.7: no answer. " + " ".join(priors)
    return Table(title, header, tuple(rows), note)


def _is_copy(posterior: Posterior, name: str) -> bool:
    """True for a derived Λ that is one sampled parameter times a known number."""
    factors = (posterior.study.parameters.get(base) for base in ("lambda_sf_N", "D_ratio"))
    return name.startswith("Lambda") and name not in posterior.priors and any(f and f.is_fixed for f in factors)


def _counts(name: str) -> bool:
    """Lengths, and amplitudes that are not a device's own."""
    return ParameterName(name).shapes_kappa or is_amplitude(name)


def _k_hat(k_hat: float) -> str:
    return "∞" if k_hat == math.inf else "none" if k_hat == -math.inf else f"{k_hat:z.1f}"


def sensitivity_sentence(posterior: Posterior, found: pd.DataFrame) -> str:
    """Whether conclusions depend on the priors; empty if no prior has an alternative.

    Compared are medians of what the data determine, and limits of what they limit; of a parameter that they do not
    determine nothing was concluded.
    """
    said, calm = [], []
    for name, part in found.groupby("prior", sort=False):
        words, k_hat = _WORDS.get(str(name), str(name)), _k_hat(float(part["k_hat"].iloc[0]))
        concluded = [_concluded(posterior, row) for _, row in part.iterrows() if _counts(str(row["parameter"]))]
        shifts = [one for one in concluded if one is not None]
        if not all(part["reliable"]):
            said.append(_no_answer(posterior, str(name), words, k_hat))
        elif any(abs(shift) > MOVED for _, shift in shifts):
            moved = [what for what, shift in shifts if abs(shift) > MOVED]
            said.append(f"With {words}, k̂ = {k_hat}, {_listed(moved)}.")
        else:
            calm.append((words, k_hat))
    if calm:
        ways = " and with ".join(f"{words} (k̂ = {k_hat})" for words, k_hat in calm)
        start = "Conclusions do not depend on the priors: with" if not said else "With"
        said.insert(0, f"{start} {ways} every median and limit moves by less than {MOVED:g} sd.")
    return " ".join(said)


def _concluded(posterior: Posterior, row: pd.Series) -> tuple[str, float] | None:
    """Shift of the median or limit of a parameter in words and in sd; None where nothing was concluded."""
    name = str(row["parameter"])
    if _is_copy(posterior, name):
        return None
    what = {"yes": "median"}.get(posterior.determined(name), posterior.determined(name))
    if what not in _ENDS:
        return None
    level, end = posterior.interval, _ENDS.index(what)
    q = level.names[end]
    before = float(posterior.draws[name].quantile(level.quantiles[end]))
    unit, after = pretty(posterior.study.unit_of(name)), float(row[q])
    shift = float(row[f"shift_{q}"])
    moves = f"from {number(before, 3)} to {number(after, 3)} {unit}".rstrip()
    return f"the {what} of {name} moves by {shift:+.1f} sd ({moves})", shift


def _no_answer(posterior: Posterior, name: str, words: str, k_hat: str) -> str:
    for one in alternatives(posterior):
        outside = reweighted(posterior, one).outside if one.name == name else ()
        if outside:
            reach = "reaches the edge of its range" if len(outside) == 1 else "reach the edges of their ranges"
            why = f"{_listed(outside)} {reach}"
            again = {base: one.priors[base] for base in dict.fromkeys(ParameterName(name).base for name in outside)}
            priors = "; ".join(f"{base}: {prior.describe()}" for base, prior in again.items())
            return f"With {words} the result cannot be had from these draws, because {why}: sample again with {priors}."
    return f"With {words} the result cannot be had from these draws (k̂ = {k_hat}): sample again with those priors."


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
