"""Identifiability of a study as sentences and tables."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence

import pandas as pd

from mtjfit.data import pretty
from mtjfit.infer import Identification
from mtjfit.infer.causes import P_BAD
from mtjfit.model import DeviceCombinations, structure
from mtjfit.model.descent import FARTHEST
from mtjfit.model.equivalent_noise import least_squares_model
from mtjfit.model.identifiability import Direction, Identifiability
from mtjfit.model.profile import Profile
from mtjfit.model.rank import GRADES, Structure, expected_errors
from mtjfit.plain import by_name, plain
from mtjfit.results.tables import interval
from mtjfit.study import ParameterName, Study, is_amplitude
from mtjfit.text import Table, number, p_text

_WIDTH = 100
_MOST_DEVICES = 6
_HARDLY, _NOTHING = 3.0, 1e6  # standard deviations of a logarithm: a factor of 20; no measured value shows it


def _range_end(found: Profile, above: bool, unit: str) -> str:
    """End of the prior, if an open end was followed up to there."""
    end = found.range[1 if above else 0]
    by_hand = not is_amplitude(ParameterName(found.name).base) and (end >= FARTHEST[1] if above else end <= FARTHEST[0])
    if not math.isfinite(end) or by_hand:
        return ""
    return f" {'up' if above else 'down'} to {number(end, 3)}{unit}, where its prior ends"


def interval_in_words(found: Profile, unit: str = "nm", level: float = 0.95) -> str:
    """One interval as a sentence; open ends are named.

    >>> import numpy as np
    >>> values, rise = np.array([4.0, 5.0, 10.0, 1e5]), np.array([8.0, 3.0, 0.0, 0.5])
    >>> interval_in_words(Profile("lambda_sf_F", 10.0, values, rise, (1e-3, 1e5), (1.0, 3.84), log=True))
    'lambda_sf_F > 4.8 nm at 95 %, no upper limit'
    """
    one, at = found.interval(level), f"at {100 * level:.0f} %"
    unit = f" {unit}" if unit else ""
    below, above = one.low not in (0.0, -math.inf), one.high != math.inf
    if below and above:
        return f"{found.name} = {interval(one.low, found.best, one.high)}{unit} {at}"
    if below:
        return f"{found.name} > {number(one.low, 2)}{unit} {at}, no upper limit{_range_end(found, True, unit)}"
    if above:
        return f"{found.name} < {number(one.high, 2)}{unit} {at}, no lower limit{_range_end(found, False, unit)}"
    return f"{found.name}: no limit {at}, neither lower nor upper"


def _ends(row: pd.Series, level: int) -> str:
    low, high = float(row[f"low_{level}"]), float(row[f"high_{level}"])
    if math.isnan(low):
        return ""
    below, above = low not in (0.0, -math.inf), high != math.inf
    if below and above:
        return interval(low, float(row["value"]), high).partition("(")[2].rstrip(")")
    return f"> {number(low, 3)}, open" if below else f"open, < {number(high, 3)}" if above else "open"


def known_to(error: float) -> str:
    """The standard deviation of a logarithm in words.

    >>> known_to(0.031), known_to(1.2), known_to(5.0), known_to(math.inf)
    ('3.1 %', 'a factor 3.3', 'hardly', 'not at all')
    """
    if error < 1:
        return f"{100 * error:.2g} %"
    return f"a factor {math.exp(error):.2g}" if error < _HARDLY else "hardly" if error < _NOTHING else "not at all"


def intervals_table(known: Identification) -> Table:
    """Parameters with their profile likelihood intervals and how well they are known."""
    rows = []
    for name, row in known.determined.iterrows():
        unit = pretty(known.study.unit_of(str(name)))
        linear = "" if not math.isnan(row["high_95"]) or row["known_to"] == "prior only" else "linearised"
        shown = f"± {known_to(float(row['relative_error']))}" if linear else _ends(row, 68)
        best = "" if row["known_to"] == "prior only" else number(float(row["value"]))  # any other would fit as well
        rows.append((str(name), best, shown, _ends(row, 95), unit, str(row["known_to"]), linear))
    header = ("parameter", "best fit", "68 %", "95 %", "unit", "known to", "")
    note = (
        "Intervals of the profile likelihood: all other parameters follow. No prior but the ends of its range is used; "
        "thicknesses follow within their declared errors."
    )
    return Table("Profile likelihood intervals", header, tuple(rows), note)


def directions_table(found: Sequence[Direction]) -> Table:
    """Combinations of parameters from the best known one to the least known one."""
    best_first = sorted(found, key=lambda one: one.factor_sd)  # not by sd, which is that of normalised weights
    rows = tuple((known_to(one.factor_sd), one.words) for one in best_first)
    note = (
        "Independent combinations at the best fit, small exponents left out. Thicknesses, and amplitudes that each "
        "device has for itself, follow."
    )
    return Table("Stiff and sloppy combinations", ("known to", "combination"), rows, note)


def expected_table(expected: pd.DataFrame) -> Table:
    """Relative errors over the prior."""
    rows = []
    for name, row in expected.iterrows():
        within = (f"{100 * row[f'within_{100 * each:.0f}']:.0f} %" for each in GRADES)
        rows.append((str(name), *(known_to(float(row[key])) for key in ("median", "low", "high")), *within))
    header = ("parameter", "median", "best tenth", "worst tenth", *(f"to {100 * each:.0f} %" for each in GRADES))
    note = (
        "Linearised errors if the truth were any point of the prior; the last columns say in which share of it. The "
        "measured values play no part."
    )
    return Table("Expected errors over the prior", header, tuple(rows), note)


def model_test(devices: Sequence[DeviceCombinations], amplitudes: Sequence[str], law: str = "Eq. 12") -> str:
    """The test of the model that needs no length, in a sentence or two; `amplitudes` are those that are declared.

    >>> one = DeviceCombinations("A", {}, {}, chi2=30.0, dof=1)
    >>> print(model_test([one], ["a1", "b2"]))
    Model test without lengths, (par·V)(par·V²) + (perp·V)(perp·V²) = 0 for each device: VIOLATED by A (p = 4.3e-08).
    It is not described by Eq. 12 with a1, b2 alone, whatever the lengths are.
    """
    declared = ", ".join(amplitudes)
    formula = "(par·V)(par·V²) + (perp·V)(perp·V²) = 0" if sorted(amplitudes) == ["a1", "b2"] else (
        f"the polynomials of T_par and T_perp come from one κ and {declared}"
    )  # fmt: skip
    asked = f"Model test without lengths, {formula} for each device:"
    tested = [one for one in devices if one.dof > 0]
    if not tested:
        return f"{asked} nothing is left to test."
    violating = [one for one in tested if one.p_value < P_BAD]
    if violating:
        listed = ", ".join(f"{one.device} ({p_text(one.p_value)})" for one in violating[:_MOST_DEVICES])
        more = f" and {len(violating) - _MOST_DEVICES} more" if len(violating) > _MOST_DEVICES else ""
        which = "It is" if len(violating) == 1 else "They are"
        return (
            f"{asked} VIOLATED by {listed}{more}.\n"
            f"{which} not described by {law} with {declared} alone, whatever the lengths are."
        )
    lowest = min(tested, key=lambda one: one.p_value)
    if len(tested) == 1:
        return f"{asked} holds ({p_text(lowest.p_value)})."
    return f"{asked} holds in all {len(tested)} (smallest {p_text(lowest.p_value)}, {lowest.device})."


def _rank(shape: Structure | Identifiability) -> str:
    lines = [f"{shape.rank} of {shape.n_parameters} parameters are determined by this design, thicknesses known"]
    return "\n".join(lines + _bullets(shape.null_directions))


def _bullets(sentences: Sequence[str]) -> list[str]:
    return [textwrap.fill(words, _WIDTH, initial_indent="  - ", subsequent_indent="    ") for words in sentences]


def _by_grade(known: Identification) -> list[str]:
    """Parameters by how well they are known, without thicknesses."""
    asked = known.determined.loc[[name for name in known.determined.index if not ParameterName(name).is_thickness]]
    words = {f"{100 * each:.0f} %": f"to better than {100 * each:.0f} %" for each in GRADES}
    words |= {"over 100 %": "both limits, but worse than 100 %", "lower limit": "a lower limit only",
              "upper limit": "an upper limit only", "prior only": "only by their priors"}  # fmt: skip
    found = {grade: [str(name) for name in asked.index[asked["known_to"] == grade]] for grade in words}
    return [f"{words[grade]}: {', '.join(names)}" for grade, names in found.items() if names]


def identify_text(known: Identification) -> str:
    """Result of `mtjfit.identify` as it is printed."""
    study = known.study
    open_ends = [
        interval_in_words(found, pretty(study.unit_of(name)))
        for name, found in known.profiles.items()
        if name in known.lengths
    ]
    parts = [
        _rank(known),
        str(intervals_table(known)),
        "\n".join(["Known", *_bullets(_by_grade(known))]),
        "\n".join(["Lengths", *_bullets(open_ends)]) if open_ends else "",
        str(directions_table(known.directions)) if known.directions else "",
        str(expected_table(known.expected)),
        model_test(known.fit.devices, study.amplitudes, study.model.law),
        "\n".join(f"note: {words}" for words in known.notes),
    ]
    return "\n\n".join(part for part in parts if part)


def design_text(study: Study) -> tuple[str, bool]:
    """Identifiability of a design whatever the measured values are, and whether any length is among it.

    False if lengths are free and no measurement of this design gives any of them an error.
    """
    model = least_squares_model(study)
    expected = expected_errors(model)
    lengths = expected[~expected.index.isin(model.amplitudes.names)]
    answered = lengths.empty or bool((lengths["low"] < math.inf).any())
    return f"{_rank(structure(model))}\n\n{expected_table(expected)}", answered


def identify_document(known: Identification) -> dict[str, object]:
    """The same as plain numbers and strings, for ``--json``; what is open, infinite or missing is null."""
    return {
        "program": "mtjfit",
        "kind": "identifiability",
        "rank": known.rank,
        "n_parameters": known.n_parameters,
        "null_directions": list(known.null_directions),
        "parameters": by_name(known.determined.drop(columns="determined")),
        "directions": [
            {"sd": plain(one.sd), "weights": dict(one.weights), "words": one.words} for one in known.directions
        ],
        "profiles": {
            name: {"values": found.values.tolist(), "rise": found.rise.tolist(), "thresholds": list(found.thresholds)}
            for name, found in known.profiles.items()
        },
        "expected": by_name(known.expected),
        "model_test": {
            one.device: {"chi2": plain(one.chi2), "dof": one.dof, "p": plain(one.p_value)} for one in known.fit.devices
        },
        "notes": list(known.notes),
    }
