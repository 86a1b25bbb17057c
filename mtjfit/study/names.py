"""Patterns that many names of files, or of parts of a file, fit: what to read, and what the names say."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from glob import escape
from itertools import pairwise, takewhile

from mtjfit.data.components import COMPONENT_WORDS
from mtjfit.data.format import NamePattern
from mtjfit.errors import ConfigError, DataError

_LONGEST_CLASS = 40
_THINNEST, _THICKEST = 0.2, 50.0


@dataclass(frozen=True)
class NameFields:
    """A pattern of names, empty where they say nothing, and the values of its fields, one for each name."""

    pattern: str = ""
    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def thickness_unit(self) -> str:
        """The unit that stands behind the thickness; empty where there is none."""
        return NamePattern(self.pattern).units.get("thickness", "") if self.pattern else ""


def _words(words: Sequence[str]) -> str:
    longest_first = "|".join(sorted(map(re.escape, words), key=len, reverse=True))
    return rf"(?<![^\W_])(?P<value>{longest_first})(?![^\W_])"


_COMPONENT = re.compile(_words(tuple(COMPONENT_WORDS)), re.IGNORECASE)
_CONDITIONS = (
    re.compile(r"(?<![^\W_])(?P<value>[0-9]+(?:\.[0-9]+)?[ _]?K)(?![^\W_])"),
    re.compile(_words(("up", "down", "fwd", "bwd", "forward", "backward", "trace", "retrace", "inc", "dec")), re.I),
)
_THICKNESSES = (
    (re.compile(r"(?<![0-9.])(?<![0-9]p)(?P<value>[0-9]+(?:[.p][0-9]+)?)(?P<end>[ _]?(?:nm|angstrom))(?![^\W_])"), ""),
    (re.compile(r"(?<![^\W_])(?P<start>[tTd])(?P<value>[0-9]+(?:[.p][0-9]+)?)(?![^\W_]|[.][0-9])"), "bare"),
)


def name_fields(names: Sequence[str], wanted: Sequence[str] = ("device", "thickness", "component", "condition")
                ) -> NameFields:  # fmt: skip
    """What names say of those roles that are `wanted`, as a pattern that each of them fits in one way.

    A thickness has its unit behind it, or ``t`` or ``d`` before it and somewhere a decimal point. Components and
    conditions are taken only where they differ. The text that differs otherwise is the device; where only the
    thickness does, that. No pattern where a name would fit in no way, or in two.

    >>> found = name_fields(["s_A1_T2.0nm.txt", "s_B2_T1.5nm.txt"])
    >>> found.pattern, found.fields["device"]
    ('s_{device}_T{thickness:nm}.txt', ('A1', 'B2'))
    >>> name_fields(["A1_ip.csv", "A1_oop.csv", "B2_ip.csv", "B2_oop.csv"]).pattern
    '{device}_{component}.csv'
    """
    for spans in _attempts(names, wanted):
        pattern = _pattern(names, spans, "device" in wanted)
        if pattern is not None and (fields := _fields(pattern, names)) is not None:
            return NameFields(pattern, fields)
    return NameFields()


_Span = tuple[str, list[tuple[int, int]]]
"""A field as the pattern writes it, and where its value stands in each name."""


def _attempts(names: Sequence[str], wanted: Sequence[str]) -> Iterator[list[_Span]]:
    """Fields found in all names; fewer and fewer of them, the thickness first kept longest."""
    found = list(_spans(names, wanted))
    for n in range(len(found), -1, -1):
        yield sorted(found[:n], key=lambda span: span[1][0])


def _spans(names: Sequence[str], wanted: Sequence[str]) -> Iterator[_Span]:
    if "component" in wanted and (spans := _once(_COMPONENT, names, differ=True)):
        yield "{component}", spans
    if "thickness" in wanted and (found := _thickness(names)):
        yield found
    if "condition" in wanted:
        for expression in _CONDITIONS:
            if spans := _once(expression, names, differ=True):
                yield "{condition}", spans
                return


def _thickness(names: Sequence[str]) -> _Span | None:
    for expression, kind in _THICKNESSES:
        spans = _once(expression, names, differ=False)
        if not spans:
            continue
        values = [name[a:b] for name, (a, b) in zip(names, spans, strict=True)]
        numbers = [float(value.replace("p", ".")) for value in values]
        if kind == "bare":
            marked = any("." in value or "p" in value for value in values)
            if marked and min(numbers) >= _THINNEST and max(numbers) <= _THICKEST:
                return "{thickness:}", spans
            continue
        ends = {expression.search(name)["end"] for name in names}  # type: ignore[index]
        units = {end.strip(" _") for end in ends}
        if len(units) == 1:
            whole = [(a, b + len(expression.search(name)["end"]))  # type: ignore[index]
                     for name, (a, b) in zip(names, spans, strict=True)]  # fmt: skip
            return f"{{thickness:{units.pop()}}}", whole
    return None


def _once(expression: re.Pattern[str], names: Sequence[str], *, differ: bool) -> list[tuple[int, int]]:
    """Where the value of an expression stands in each name; empty unless each has it exactly once."""
    spans, values = [], set()
    for name in names:
        found = list(expression.finditer(name))
        if len(found) != 1:
            return []
        spans.append(found[0].span("value"))
        values.add(found[0]["value"])
    return spans if len(values) > 1 or not differ else []


def _pattern(names: Sequence[str], spans: Sequence[_Span], needs_device: bool) -> str | None:
    """Fields with what all names have between them; None where more than one stretch of text differs."""
    order = [[span[1][i] for span in spans] for i in range(len(names))]
    if any(a[1] > b[0] for each in order for a, b in pairwise(each)):
        return None
    pieces = [[_between(name, each, k) for name, each in zip(names, order, strict=True)] for k in range(len(spans) + 1)]
    differing = [k for k, piece in enumerate(pieces) if len(set(piece)) > 1]
    if needs_device and not differing:
        differing = [_named_alike(names, pieces, spans)]
    device = differing[0] if len(differing) == 1 else _telling(pieces, differing, order, names, spans)
    if device is None:
        return None
    text = []
    for k, piece in enumerate(pieces):
        text.append(_with_device(piece, needs_device and k == device) if k in differing else piece[0])
        text.append(spans[k][0] if k < len(spans) else "")
    return "".join(text)


def _between(name: str, fields: Sequence[tuple[int, int]], k: int) -> str:
    """What stands before field k of a name; behind the last one where there is no such field."""
    return name[(fields[k - 1][1] if k else 0) : (fields[k][0] if k < len(fields) else len(name))]


def _telling(pieces: Sequence[Sequence[str]], differing: Sequence[int], order: Sequence[Sequence[tuple[int, int]]],
             names: Sequence[str], spans: Sequence[_Span]) -> int | None:  # fmt: skip
    """The first stretch of text that tells all names apart, beside components and conditions; None if none does."""
    if not differing:
        return -1
    others = [k for k, span in enumerate(spans) if not span[0].startswith("{thickness")]
    beside = [tuple(name[slice(*each[k])] for k in others) for name, each in zip(names, order, strict=True)]
    return next((k for k in differing if len(set(zip(pieces[k], beside, strict=True))) == len(names)), None)


def _named_alike(names: Sequence[str], pieces: Sequence[Sequence[str]], spans: Sequence[_Span]) -> int:
    """The stretch of text that names the only device; -1 where the thickness tells devices apart."""
    thick = [span[1] for span in spans if span[0].startswith("{thickness")]
    if any(len({name[slice(*each)] for name, each in zip(names, own, strict=True)}) > 1 for own in thick):
        return -1
    lengths = [len(re.sub(r"[\W_]", "", re.sub(r"\.\w+$", "", piece[0]))) for piece in pieces]
    return max(range(len(pieces)), key=lambda k: lengths[k]) if max(lengths) else -1


def _with_device(values: Sequence[str], needs_device: bool) -> str:
    """``{device}`` between what all values begin and end with, cut where words end; ``{*}`` where none is needed."""
    start, end = common_ends(values)
    if len(set(values)) == 1:  # one device: all but the ending and what is no letter or digit
        found = re.fullmatch(r"([\W_]*)(.*?)([\W_]*(?:\.\w+)?)", values[0])
        start, end = (found[1], found[3]) if found else ("", "")
    else:
        start, end = _to_word(start), _to_word(end[::-1])[::-1]
        if not all(any(map(str.isalpha, value[len(start) : len(value) - len(end)])) for value in values):
            start = _to_word(start[:-1]) if start else ""  # a device called by a number keeps the word before it
    start, end = re.split(r"[{}]", start)[0], re.split(r"[{}]", end)[-1]
    return f"{start}{{device}}{end}" if needs_device else f"{start}{{*}}{end}"


def _to_word(start: str) -> str:
    """A common beginning without the part of a word at its end."""
    return start[: max((k + 1 for k, c in enumerate(start) if not c.isalnum()), default=0)]


def common_ends(values: Sequence[str]) -> tuple[str, str]:
    """What all of several texts begin with and end with; the two never overlap."""

    start = _begin(values)
    end = _begin([value[len(start) :][::-1] for value in values])[::-1]
    return start, end


def _begin(texts: Sequence[str]) -> str:
    low, high = min(texts), max(texts)
    return "".join(a for a, _ in takewhile(lambda pair: pair[0] == pair[1], zip(low, high, strict=False)))


def _fields(pattern: str, names: Sequence[str]) -> dict[str, tuple[str, ...]] | None:
    """Values of the fields of each name; None where a name fits in no way, or in two."""
    if "{" not in pattern:
        return None
    try:
        found = NamePattern(pattern)
        rows = [found.fields(name) for name in names]
    except (ConfigError, DataError):
        return None
    return {name: tuple(row[name] for row in rows) for name in found.names}


def pattern_of_names(names: Sequence[str], others: Sequence[str], ending: str = "") -> str:
    """A pattern as of files, such as ``A*.csv``, that fits all `names` and as few `others` as can be.

    >>> pattern_of_names(["A1.csv", "B2.csv"], ["notes.txt"], ".csv"), pattern_of_names(["A1", "B2"], ["notes"])
    ('*.csv', '[AB]*')
    """
    start, end = common_ends(names)
    word, tail = _to_word(start), _to_word(end[::-1])[::-1]
    first = _class([name[len(start) : len(start) + 1] for name in names])
    last = _class([name[: len(name) - len(end)][-1:] for name in names])
    candidates = [f"*{escape(ending)}", f"{escape(word)}*{escape(tail)}", f"{escape(start)}*{escape(end)}"]
    candidates += [f"{escape(start)}{first}*{escape(end)}"] if first else []
    candidates += [f"{escape(start)}*{last}{escape(end)}"] if last else []
    fitting = [each for each in candidates if all(fnmatchcase(name, each) for name in names)]
    return min(fitting, key=lambda each: len(among(others, each)))


def among(names: Sequence[str], pattern: str) -> list[str]:
    """Names that fit a pattern."""
    return [name for name in names if fnmatchcase(name, pattern)]


def _class(letters: Sequence[str]) -> str:
    """``[…]`` for single letters; empty where there is none, or that would be unreadable."""
    found = sorted(set(letters))
    if not all(found) or len(found) > _LONGEST_CLASS or not all(map(str.isalnum, found)):
        return ""
    return f"[{''.join(found)}]"
