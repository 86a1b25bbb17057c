"""Patterns in the scatter of each device about its own polynomials: what they lack, drift, sweeps, runs.

χ² compares Eq. 12 with the declared powers of V, and where errors are fitted it compares with nothing else: a power
that is not declared goes into the errors. Each component of each device is therefore fitted by a free polynomial of
the declared powers, and its residuals are asked for

- one more power of V, of those from V⁰ to V³ that are not declared,
- a drift along the order of the points in the file, where the bias goes up and down,
- a difference between upward and downward sweeps, c₀ + c₁ V,
- single points far off (not where Student-t errors are declared, which allow for them),
- runs of one sign and correlated neighbours in the order of the bias.

All but the last are F tests of added columns, χ² tests where the errors are known, and exact for normal errors (that of
single points by Bonferroni's bound); the last are those of `mtjfit.model.residuals`. No length enters. p-values of one
kind are also combined over all devices (Fisher), those of single points excepted. All of them together are adjusted by
Holm's method. What is found is added to the polynomials, and the rest is tested again, so that one cause is named once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import combine_pvalues

from mtjfit.cards import ShownAsCard
from mtjfit.data import Component
from mtjfit.model.pattern_tests import FALSE_PATTERN, Kind, Part, parts_of
from mtjfit.multiple_tests import holm
from mtjfit.study import Study

_MOST_FOUND = 4


@dataclass(frozen=True)
class Pattern(ShownAsCard):
    """One pattern: in which component, of which device (empty: of all together), and its p-value.

    `p_holm` is adjusted for all tests of the study; `points` are devices and biases (V) of single points far off.
    """

    kind: Kind
    component: Component
    device: str
    p: float
    p_holm: float
    points: tuple[tuple[str, float], ...] = ()


def _tests(parts: Sequence[Part]) -> list[Pattern]:
    """All tests, single ones and those of all devices together, adjusted."""
    single = [Pattern(kind, part.component, part.device, p, 1.0) for part in parts for kind, p in part.p_values()]
    together: dict[tuple[Kind, Component], list[float]] = {}
    for each in single:
        together.setdefault((each.kind, each.component), []).append(max(each.p, 1e-300))
    pooled = [
        Pattern(kind, component, "", float(combine_pvalues(p).pvalue), 1.0)
        for (kind, component), p in together.items()
        if len(p) > 1 and kind != "points"
    ]
    found = pooled + single
    adjusted = holm([each.p for each in found])
    return [replace(each, p_holm=float(p)) for each, p in zip(found, adjusted, strict=True)]


def _with_points(found: Pattern, parts: Sequence[Part]) -> Pattern:
    """The pattern with all single points of its component, and of all devices where there is more than one."""
    mine = [part for part in parts if part.component == found.component]
    points = tuple((part.device, float(part.bias[k])) for part in mine for k in sorted(part.far_off))
    return replace(found, device=found.device if len({device for device, _ in points}) == 1 else "", points=points)


def find_patterns(study: Study) -> tuple[Pattern, ...]:
    """Patterns that the scatter of a study shows, the clearest first; none where it looks like noise.

    Of studies without any, a share of at most `FALSE_PATTERN` shows one, by Holm's method (the tests of runs and
    neighbours are approximate). With jitter or Student-t errors, and where errors are fitted, every component of every
    device has a scale of its own.

    Examples
    --------
    >>> from mtjfit.data import dataset
    >>> from mtjfit.study import load_study
    >>> find_patterns(load_study(dataset("thickness-series").study_file))
    ()
    """
    parts = parts_of(study)
    found: list[Pattern] = []
    while len(found) < _MOST_FOUND:
        tests = _tests(parts)
        clearest = min(tests, key=lambda each: (each.p_holm, each.p, each.device != ""), default=None)
        if clearest is None or clearest.p_holm >= FALSE_PATTERN:
            break
        if clearest.kind in ("runs", "neighbours"):
            found.append(clearest)
            break
        everywhere = clearest.device == "" or clearest.kind == "points"
        here = [
            part.component == clearest.component and (everywhere or part.device == clearest.device) for part in parts
        ]
        parts = [part.with_columns(clearest.kind) if one else part for part, one in zip(parts, here, strict=True)]
        found.append(_with_points(clearest, parts) if clearest.kind == "points" else clearest)
    return tuple(found)


def without_pattern(study: Study, kind: Kind) -> Study:
    """The study as it would be without one kind of pattern, of all devices and components.

    Points far off are masked; drift, differences of sweeps and powers of V are taken off by least squares. To see
    whether that explains a misfit, not to be fitted for results: the errors do not allow for what was taken off.
    """
    curves = {curve.name: curve for curve in study.curves}
    for part in parts_of(study):
        curve = curves[part.device]
        if kind == "points":
            off = np.isin(np.arange(curve.bias.size), part.rows[part.far_points()[0]])
            curves[part.device] = curve.mask(off, "far off the curve", part.component) if off.any() else curve
        elif kind in part.added:
            values = getattr(curve, part.component).copy()
            values[part.rows] -= part.share_of(kind) / study.scale_of(curve)
            curves[part.device] = replace(curve, **{part.component: values})
    return study.replace(curves=tuple(curves.values()))
