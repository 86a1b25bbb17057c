"""Odd devices, one after the other: the worst is taken out, and the others are fitted and tested again.

A good device beside an odd one is judged by a fit that the odd one has spoilt. So only the worst of each round counts;
those that are left are judged without it. At the end each of those taken out is tested once more against the clean
rest, and comes back if it was others that made it look odd. Fewer than half of the devices are called odd: of two camps
of one size nobody can say which is right.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mtjfit.cards import ShownAsCard
from mtjfit.comparison.devices.freedoms import AMPLITUDE, REVERSED, THICKNESS, DeviceTests
from mtjfit.comparison.devices.refit import Refit, Refits
from mtjfit.infer import FitResult, Posterior
from mtjfit.model.identifiability import determined_table
from mtjfit.multiple_tests import FALSE_ALARM
from mtjfit.study import ParameterName
from mtjfit.text import number, value_with_error

_RIVAL = 20.0  # times larger p of a device that explains the data nearly as well

LogP = Callable[[frozenset[str], str], float]
Lengths = Mapping[str, tuple[float, float | None]]
"""Best value and error of each free length; None where the data determine no error."""


@dataclass(frozen=True)
class OddDevice(ShownAsCard):
    """A device that the others, without those that are odd, contradict.

    Attributes
    ----------
    p_value : float
        Corrected for the number of devices and for all freedoms that were tried.
    kind : str
        What explains it: ``"amplitude factor"``, ``"thickness"``, ``"T_perp reversed"``, or ``"not of this kind"``.
    value, sd : float
        The factor; the thickness in nm; −1 and 0; NaN if nothing explains it.
    nominal : float
        Its declared thickness in nm.
    rivals : tuple of str
        Devices that may be the odd one in its place: the data tell them apart by less than 1 in 20.
    lengths_with, lengths_without : dict of str to (float, float or None)
        Lengths and their errors with it and without it; those odd before it are out in both.
    """

    device: str
    p_value: float
    kind: str
    value: float
    sd: float
    nominal: float
    rivals: tuple[str, ...]
    lengths_with: Lengths
    lengths_without: Lengths

    @property
    def why(self) -> str:
        """What is odd about it, in a few words."""
        return why_odd(self.kind, self.value, self.sd, self.nominal)


def why_odd(kind: str, value: float, sd: float, nominal: float) -> str:
    """What explains an odd device, in a few words; empty if nothing does."""
    if kind == AMPLITUDE:
        return f"both torques are {value_with_error(value, sd)} times as large as the others predict"
    if kind == THICKNESS:
        return f"fits a thickness of {value_with_error(value, sd)} nm, declared {number(nominal)} nm"
    return "fits with T_perp of the other sign" if kind == REVERSED else ""


def take_out(names: Sequence[str], log_p: LogP, at_least: LogP, tests: int) -> tuple[str, ...]:
    """Names of the odd ones in the order in which they are taken out.

    `log_p(out, name)` tests one against all that are neither it nor out, and is never below the cheaper `at_least`. p
    counts times the number of those that are in, or of all `tests` where the test is one of more.
    """
    limit, out = float(np.log(FALSE_ALARM)), list[str]()
    more = tests - len(names)
    while len(out) < max(1, (len(names) - 1) // 2):
        left = [name for name in names if name not in out]
        lowest, worst = limit - np.log(len(left) + more), ""
        for name in sorted(left, key=lambda each: at_least(frozenset(out), each)):
            if at_least(frozenset(out), name) < lowest and (found := log_p(frozenset(out), name)) < lowest:
                lowest, worst = found, name
        if not worst:
            break
        out.append(worst)
    for name in tuple(out):
        if log_p(frozenset(out) - {name}, name) + np.log(tests) >= limit:
            out = [one for one in out if one != name]
    return tuple(out)


def find_odd_devices(found: FitResult | Posterior | DeviceTests) -> tuple[OddDevice, ...]:
    """Odd devices of a study in the order in which they are taken out; empty if all agree.

    By least squares from a warm start, without sampling, in a second or two for ten devices. Priors of lengths do not
    count. Where no device is odd, one is found in at most 5 % of studies. Amplitudes that scatter, or of which every
    device has its own, explain whatever an amplitude factor would.

    Examples
    --------
    >>> from mtjfit.data import dataset
    >>> from mtjfit.infer import fit
    >>> from mtjfit.study import load_study
    >>> find_odd_devices(fit(load_study(dataset("thickness-series").study_file)))
    ()
    """
    tests = found if isinstance(found, DeviceTests) else DeviceTests(Refits.of(found))
    names = tuple(tests.refits.devices)
    if len(names) < 2:
        return ()
    order = take_out(names, lambda out, name: tests.judged(out, name).log_p_any, tests.at_least, len(names))
    rows, before = [], frozenset[str]()
    lengths = _lengths(tests.refits.without(before)) if order else {}
    for name in order:
        one, others = tests.judged(set(order), name), frozenset(order) - {name}
        rivals = tuple(
            other
            for other in names
            if other not in order
            and tests.at_least(others, other) < one.log_p_any + np.log(_RIVAL)
            and tests.judged(others, other).log_p_any < one.log_p_any + np.log(_RIVAL)
        )
        before |= {name}
        with_it, lengths = lengths, _lengths(tests.refits.without(before))
        p, best = min(1.0, float(np.exp(one.log_p_any)) * len(names)), one.best
        nominal = tests.refits.nominal(name)
        rows.append(OddDevice(name, p, best.kind, best.value, best.sd, nominal, rivals, with_it, lengths))
    return tuple(rows)


def _lengths(found: Refit) -> Lengths:
    table, _ = determined_table(found.model, found.values, found.amplitudes)
    return {
        str(name): (float(row["value"]), abs(float(row["value"])) * float(row["relative_error"])
                    if row["determined"] else None)
        for name, row in table.iterrows()
        if ParameterName(str(name)).shapes_kappa
    }  # fmt: skip


def lengths_text(lengths: Lengths) -> str:
    """All of them in one line."""
    said = [
        f"{name} {value_with_error(value, sd) if sd is not None else 'not determined'}"
        for name, (value, sd) in lengths.items()
    ]
    return ", ".join(said)
