"""What a table of devices says of where it comes from: measured, simulated, or reconstructed."""

from __future__ import annotations

import json
from collections.abc import Iterable

from mtjfit.data.curve import Origin
from mtjfit.data.origins import declared_origin
from mtjfit.data.tidy import Line, ProblemLog

__all__ = ["distinct", "from_json", "kinds", "origin_in", "to_json"]


def origin_in(comments: Iterable[tuple[Line, str]], label: str) -> Origin:
    """The origin that comments of a table declare; measured, where they declare none.

    Parameters
    ----------
    comments : iterable of (line, str)
    label : str
        Name of the table in messages.

    Raises
    ------
    DataError
        No such kind, or two different ones.

    Examples
    --------
    >>> origin_in([(1, "lot 7"), (2, "origin: simulated; Eq. 12")], "t.csv")
    Origin(kind='simulated', note='Eq. 12')
    """
    log = ProblemLog(label)
    found = declared_origin(comments, log)
    if log.count:
        raise log.error()
    return found


def distinct(origins: Iterable[Origin]) -> tuple[Origin, ...]:
    """The different origins among some, those that were not measured first; measured, if there are none.

    Examples
    --------
    >>> [each.kind for each in distinct([Origin(), Origin("simulated"), Origin()])]
    ['simulated', 'measured']
    """
    found = dict.fromkeys(origins) or {Origin(): None}
    return tuple(sorted(found, key=lambda each: (not each.label, each.kind, each.note)))


def kinds(origins: Iterable[Origin]) -> str:
    """One word for tables.

    Examples
    --------
    >>> kinds([Origin("simulated", "one"), Origin("simulated", "two"), Origin()])
    'simulated and measured'
    """
    return " and ".join(dict.fromkeys(each.kind for each in distinct(origins)))


def to_json(origins: Iterable[Origin]) -> str:
    """As it stands in a catalogue."""
    return json.dumps([[each.kind, each.note] for each in distinct(origins)], ensure_ascii=False)


def from_json(text: str) -> tuple[Origin, ...]:
    """What `to_json` wrote; nothing for an empty text, with which earlier catalogues say that they do not know."""
    return tuple(Origin(kind, note) for kind, note in json.loads(text or "[]"))
