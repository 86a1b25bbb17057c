"""Equal notices and problems of many files, told once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from mtjfit.errors import Problem

_VARYING = re.compile(r"'[^']*'|[+−-]?\d[\d.]*(?:e[+-]?\d+)?")  # cells and numbers in a text
_LINE = re.compile(r":\d+$")
_LISTED = 3  # files with one problem, each listed


def grouped_notices(notices: Iterable[str]) -> Iterator[str]:
    """Notices without repetitions; those of several places that differ in numbers and cells only are one.

    >>> list(grouped_notices(["a.txt:2: '0,5' has a comma", "b.txt:2: '0,7' has a comma", "c.txt: is short"]))
    ["a.txt:2 and 1 more: '0,5' has a comma", 'c.txt: is short']
    """
    alike: dict[str, list[tuple[str, str]]] = {}
    for notice in dict.fromkeys(notices):
        place, colon, text = notice.partition(": ")
        alike.setdefault(_VARYING.sub("", text) if colon else notice, []).append((place, colon + text))
    for some in alike.values():
        place, text = some[0]
        yield (f"{place} and {len(some) - 1} more" if len(some) > 1 else place) + text


def grouped_problems(problems: Iterable[Problem]) -> Iterator[Problem]:
    """Problems, of which those that more than three files share are told of the first file, with their number.

    >>> for each in grouped_problems(Problem(f"{k}.txt:{k}: column 'v'", f"holds {k}", "mend it") for k in range(2, 7)):
    ...     print(each)
    2.txt:2 and 4 more files: column 'v': holds 2; mend it
    """
    every = list(dict.fromkeys(problems))
    files: dict[tuple[str, str, str], dict[str, None]] = {}
    keys = []
    for each in every:
        place, _, rest = each.where.partition(": ")
        keys.append(((rest, _VARYING.sub("", each.what), _VARYING.sub("", each.todo)), _LINE.sub("", place)))
        files.setdefault(keys[-1][0], {})[keys[-1][1]] = None
    for each, (key, file) in zip(every, keys, strict=True):
        sharing = list(files[key])
        if len(sharing) <= _LISTED:
            yield each
        elif file == sharing[0]:
            place, colon, rest = each.where.partition(": ")
            yield Problem(f"{place} and {len(sharing) - 1} more files{colon}{rest}", each.what, each.todo)
