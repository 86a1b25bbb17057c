"""What the answer hangs on, in words: numbers that a study takes as known, and what becomes of the lengths without."""

from __future__ import annotations

import math

from mtjfit.data import pretty
from mtjfit.html import Section
from mtjfit.infer import FitResult
from mtjfit.infer.assumptions import MOVES, Assumption
from mtjfit.infer.causes import P_BAD
from mtjfit.plain import plain
from mtjfit.text import Table, number, p_text, value_with_error

_UNTOLD = "the data cannot tell"
_SLIGHTLY = 0.1  # of its errors


def assumed_text(study_unit: str, one: Assumption) -> str:
    """The assumption as an equation.

    >>> from mtjfit.infer.assumptions import Assumption
    >>> one = Assumption("dead_layer", 0.0, "fixed", 0.2, 0.1, 4.0, 0.02, 0.06, {}, {}, {}, 400.0)
    >>> assumed_text("nm", one), assumed_text("nm/V", one)
    ('dead_layer = 0', 'dead_layer = 0')
    """
    unit = f" {study_unit}" if study_unit and one.assumed != 0 and math.isfinite(one.assumed) else ""
    return f"{one.name} = {number(one.assumed)}{unit}"


def _equation(fit: FitResult, one: Assumption) -> str:
    return assumed_text(pretty(fit.study.unit_of(one.name)), one)


def _found(fit: FitResult, one: Assumption) -> str:
    """Value with its error in the fit in which the number is free."""
    if math.isnan(one.sd):
        return "not determined, but not as assumed" if one.is_refuted else _UNTOLD
    return f"{value_with_error(one.value, one.sd)} {pretty(fit.study.unit_of(one.name))}".rstrip()


def consequence(one: Assumption) -> str:
    """What becomes of the lengths if the number is free.

    >>> one = Assumption("a2", 0.0, "amplitude", 0.3, 0.2, 2.0, 0.1, 0.3, {"lambda_J": (1.0, 0.1),
    ...                  "lambda_phi": (1.3, 0.1)}, {"lambda_J": (1.25, 0.2)}, {"lambda_sf_F": "upper limit"}, 400.0)
    >>> consequence(one)
    'lambda_phi is then not determined; lambda_sf_F has then no upper limit; lambda_J 1.25 ± 0.20 in place of 1.00 ± \
0.10 (+2.5 of its errors)'
    """
    parts = []
    if one.undetermined:
        parts.append(f"{', '.join(one.undetermined)} {_is(len(one.undetermined))} then not determined")
    parts += [f"{name} has then {'no limit' if which == 'yes' else f'no {which}'}"
              for name, which in one.limits_lost.items()]  # fmt: skip
    parts += [
        f"{name} {value_with_error(*one.after[name])} in place of {value_with_error(*one.before[name])} "
        f"({move:+.1f} of its errors)"
        for name, move in one.moves.items()
        if abs(move) >= MOVES
    ]
    if parts:
        return "; ".join(parts)
    largest = max(one.moves.items(), key=lambda each: abs(each[1]), default=None)
    if largest is None:
        return ""
    if abs(largest[1]) < _SLIGHTLY:
        return "no length moves by a tenth of its errors"
    return f"no length moves by more than {abs(largest[1]):.1f} of its errors ({largest[0]})"


def _is(n: int) -> str:
    return "is" if n == 1 else "are"


def _worth_saying(one: Assumption) -> bool:
    """False where neither the data nor the lengths have anything to do with the number."""
    return not math.isnan(one.sd) or one.matters or one.is_refuted


def assumptions_table(fit: FitResult) -> Table:
    """Every number that the study takes as known: what the data say of it, and what becomes of the lengths."""
    rows = []
    for one in fit.assumptions:
        if _worth_saying(one):
            how = "not declared" if one.kind == "amplitude" or one.name not in fit.study.parameters else "fixed"
            p = "" if math.isnan(one.p_value) else p_text(one.p_value)
            rows.append((f"{_equation(fit, one)} ({how})", _found(fit, one), p, consequence(one)))
    note = (
        "Each number in turn is one parameter more of the best fit. p: of as large a fall of χ² by chance if the "
        "number is as assumed. Lengths with their linearised errors."
    )
    return Table("What the answer hangs on", ("assumed", "if free", "p", "lengths"), tuple(rows), note)


def contradicted(fit: FitResult) -> str:
    """The assumption whose freeing improves the fit most, if the data contradict any; else empty.

    Empty, too, where the model does not describe the data: p-values mean nothing then (see `FitResult.causes`).
    """
    if fit.p_value < P_BAD:
        return ""
    refuted = sorted((one for one in fit.assumptions if one.is_refuted), key=lambda one: -one.improvement)
    if not refuted:
        return ""
    one, *others = refuted
    less = f" (with {', '.join(other.name for other in others)} it falls less)" if others else ""
    falls = f"χ² falls by {number(one.improvement, 3)} if it is free{less}"
    free = "" if math.isnan(one.sd) else f"free it is {_found(fit, one)}, "
    then = f"; {consequence(one)}" if one.matters else ""
    return f"the data contradict {_equation(fit, one)}: {free}{p_text(one.p_holm)} among all assumptions; {falls}{then}"


def _costs(one: Assumption) -> tuple[int, int, float]:
    """Lengths and limits that are lost, and the largest move of a length, if the number is free."""
    return len(one.undetermined), len(one.limits_lost), max((abs(move) for move in one.moves.values()), default=0.0)


def hangs_on(fit: FitResult) -> tuple[str, ...]:
    """The assumptions that the data do not contradict and lengths hang on, a sentence each, what costs most first.

    Not D_ratio where λ_sf^N is free: only their product enters.
    """
    said = []
    for one in sorted(fit.assumptions, key=_costs, reverse=True):
        if one.matters and not one.is_refuted and not _is_convention(one):
            tested = _UNTOLD if math.isnan(one.sd) else f"free it is {_found(fit, one)}, {p_text(one.p_value)}"
            said.append(f"the answer hangs on {_equation(fit, one)} ({tested}): {consequence(one)}")
    return tuple(said)


def nothing_hangs(fit: FitResult) -> str:
    """That no length hangs on an assumption, but λ_sf^N on D_ratio where only their product enters."""
    product = [f"; {_equation(fit, one)} only says how lambda_sf_N follows from Lambda"
               for one in fit.assumptions if one.matters and _is_convention(one)]  # fmt: skip
    return f"no length moves by {MOVES:g} of its errors if a number that the study takes as known is free" + "".join(
        product
    )


def _is_convention(one: Assumption) -> bool:
    return one.name == "D_ratio" and math.isnan(one.p_value)


def assumptions_section(fit: FitResult) -> Section | None:
    """The section of the report; None where there is nothing to say."""
    table = assumptions_table(fit)
    if not table.rows:
        return None
    says = [each for each in (contradicted(fit), *hangs_on(fit)) if each] or [nothing_hangs(fit)]
    if fit.p_value < P_BAD:
        says = ["the model does not describe these data; what it takes as known cannot be judged"]
    sentences = tuple(f"{each[0].upper()}{each[1:]}." for each in says)
    return Section("assumptions", table.title, sentences, tables={"assumptions": table}, record=record(fit))


def record(fit: FitResult) -> dict[str, object]:
    """The same for ``result.json``."""
    names = ("name", "assumed", "kind", "value", "sd", "improvement", "chi2", "p_value", "p_holm", "moves",
             "undetermined", "limits_lost", "is_refuted", "matters")  # fmt: skip
    return {"assumptions": [{name: plain(getattr(one, name)) for name in names} for one in fit.assumptions]}
