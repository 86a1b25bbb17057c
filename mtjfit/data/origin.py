"""Origin of data as their file declares it: measured, simulated, or reconstructed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import get_args

from mtjfit.data.curve import Origin, OriginKind
from mtjfit.errors import Line, ProblemLog, did_you_mean
from mtjfit.plain import checked_json

_ATTRS = "PANDAS_ATTRS"


def declared_origin(comments: Iterable[tuple[Line, str]], log: ProblemLog) -> Origin:
    """The origin that comments such as ``origin: simulated; Eq. 12`` declare; measured, where they declare none.

    A kind that does not exist, and a second, different origin, are problems in `log`.
    """
    found: dict[Origin, Line] = {}
    for line, comment in comments:
        match = re.match(r"origin\s*:\s*([^;]*)(?:;(.*))?", comment, re.IGNORECASE)
        if match is None:
            continue
        kinds = {kind.casefold(): kind for kind in get_args(OriginKind)}
        kind = kinds.get(match[1].strip().casefold())
        if kind is None:
            log.add(f"origin {match[1].strip()!r} is not known", did_you_mean(match[1].strip(), kinds), line)
        else:
            found.setdefault(Origin(kind, " ".join((match[2] or "").split())), line)
    if len(found) > 1:
        log.add("a second, different origin", "keep one line '# origin: …'", list(found.values())[1])
    return next(iter(found), Origin())


def metadata_comments(metadata: Mapping[str, str]) -> tuple[tuple[int, str], ...]:
    """Metadata of a Parquet file as comments: its key ``origin``, its own or that of pandas' ``frame.attrs``."""
    try:
        attributes = json.loads(metadata.get(_ATTRS, "{}"))
    except (ValueError, RecursionError):
        attributes = {}
    pairs = [*metadata.items(), *(attributes.items() if isinstance(attributes, dict) else ())]
    return tuple((1, f"origin: {value}") for key, value in pairs if key.casefold() == "origin")


def origin_in(comments: Iterable[tuple[Line, str]], label: str) -> Origin:
    """The origin that comments of the table `label` declare; DataError for no such kind, or two different ones.

    >>> origin_in([(1, "lot 7"), (2, "origin: simulated; Eq. 12")], "t.csv")
    Origin(kind='simulated', note='Eq. 12')
    """
    log = ProblemLog(label)
    found = declared_origin(comments, log)
    log.refuse()
    return found


def distinct(origins: Iterable[Origin]) -> tuple[Origin, ...]:
    """The different origins among some, those that were not measured first; measured, if there are none.

    >>> [each.kind for each in distinct([Origin(), Origin("simulated"), Origin()])]
    ['simulated', 'measured']
    """
    found = dict.fromkeys(origins) or {Origin(): None}
    return tuple(sorted(found, key=lambda each: (not each.label, each.kind, each.note)))


def kinds(origins: Iterable[Origin]) -> str:
    """One word for tables, such as "simulated and measured"."""
    return " and ".join(dict.fromkeys(each.kind for each in distinct(origins)))


def to_json(origins: Iterable[Origin]) -> str:
    """The text that a catalogue stores."""
    return json.dumps([[each.kind, each.note] for each in distinct(origins)], ensure_ascii=False)


def from_json(text: str) -> tuple[Origin, ...]:
    """Origins that `to_json` wrote; none for an empty text, the mark of earlier catalogues for unknown.

    ValueError for any other text.
    """
    return tuple(Origin(kind, note) for kind, note in checked_json(tuple[tuple[OriginKind, str], ...], text or "[]"))
