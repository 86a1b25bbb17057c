"""Names of columns as files write them, a unit in brackets at their end, and the column that a declared name means."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from unicodedata import normalize

from mtjfit.data.column_words import name_says
from mtjfit.errors import did_you_mean

_MAY_BE_ONE = ({"condition", "group"}, {"device", "thickness"})
_ERRORS = {"sigma_par", "sigma_perp"}


def may_be_one(role: str, other: str, column: str) -> bool:
    """Whether a column may have both roles: curves of one temperature, say, share amplitudes.

    It may hold the errors of both components, unless its name says one of them.

    >>> [may_be_one("sigma_par", "sigma_perp", name) for name in ("err", "err par")]
    [True, False]
    """
    if {role, other} == _ERRORS:
        return not name_says(split_unit(column)[0]).component
    return {role, other} in _MAY_BE_ONE


def split_unit(name: str) -> tuple[str, str | None]:
    """A column name and the unit in brackets at its end.

    Examples
    --------
    >>> split_unit("Voltage (mV)"), split_unit("Field [Oe]"), split_unit("dT/dV"), split_unit("T ((ħ/2e) kΩ⁻¹)")
    (('Voltage', 'mV'), ('Field', 'Oe'), ('dT/dV', None), ('T', '(ħ/2e) kΩ⁻¹'))
    """
    name = name.strip()
    open_at, depth = len(name), 0
    for k in range(len(name) - 1, -1, -1) if name.endswith((")", "]")) else ():
        depth += (name[k] in ")]") - (name[k] in "([")
        if depth == 0:
            open_at = k
            break
    before, unit = name[:open_at].rstrip(), name[open_at + 1 : -1].strip()
    return (before, unit or None) if before and open_at < len(name) else (name, None)


@dataclass(frozen=True)
class ColumnNames:
    r"""Names of all columns of a table, each with its unit, and the columns that a declared name means.

    Examples
    --------
    >>> names = ColumnNames.of_header(["V (mV)", "par (mT/V)", "par"])
    >>> [names.places(each) for each in ("V", "V [mV]", "par", "par (mT/V)", "V (V)")]
    [[0], [0], [2], [1], []]
    >>> ColumnNames.of_header(["par_\u03bc"]).places("par_\u00b5")
    [0]
    """

    columns: tuple[tuple[str, str | None], ...]

    @classmethod
    def of_header(cls, names: Iterable[str]) -> ColumnNames:
        """Of names that hold their units."""
        return cls(tuple(map(split_unit, names)))

    @cached_property
    def full(self) -> tuple[str, ...]:
        """Names with their units, as they may be declared."""
        return tuple(name if unit is None else f"{name} ({unit})" for name, unit in self.columns)

    @cached_property
    def _by_full(self) -> dict[str, list[int]]:
        return _indexed(self.full)

    @cached_property
    def _by_name(self) -> dict[str, list[int]]:
        return _indexed([name for name, _ in self.columns])

    @cached_property
    def _alike(self) -> dict[str, list[int]]:
        full = _indexed([normalize("NFKC", name) for name in self.full])
        return _indexed([normalize("NFKC", name) for name, _ in self.columns]) | full

    def places(self, declared: str) -> list[int]:
        """Columns that a declared name means: with exactly this name and unit, else with this name and any unit.

        Else those whose names look the same, such as µ and μ.
        """
        name, unit = split_unit(declared)
        exact = self._by_full.get(declared) or self._by_full.get(f"{name} ({unit})")
        return exact or self._by_name.get(declared) or self._alike.get(normalize("NFKC", declared), [])

    def fault(
        self, declared: str, role: str, others: Iterable[str] = (), letters: int | None = None
    ) -> tuple[str, str]:
        """What is wrong with a declared name that does not mean one column, and what to do about it.

        `others` are further names that may be declared; of each only so many `letters` are shown.
        """
        places = self.places(declared)
        said = f" ({role})" if role else ""
        if not places:
            known = [*filter(None, self.full), *others]
            more = " or header parameter" if others else ""
            return f"no such column{more}{said}", did_you_mean(declared, known, letters)
        full = list(dict.fromkeys(self.full[k] for k in places))
        if len(full) > 1:
            return f"may be any of {', '.join(map(repr, full))}{said}", "declare the name with its unit"
        return f"stands {len(places)} times in the header", "rename the columns, or say how they repeat in [data.wide]"

    def twice(self, roles: Mapping[str, str]) -> Iterator[tuple[str, tuple[str, str]]]:
        """Declared names, with fault and remedy, that mean a column which another role has already."""
        taken: dict[int, str] = {}
        for role, declared in roles.items():
            for place in self.places(declared):
                if place in taken and not may_be_one(role, taken[place], declared):
                    what = f"is the column of {taken[place]} and of {role}"
                    yield declared, (what, "give each role its own column")
                taken.setdefault(place, role)


def _indexed(names: Sequence[str]) -> dict[str, list[int]]:
    index: dict[str, list[int]] = {}
    for k, name in enumerate(names):
        index.setdefault(name, []).append(k)
    return index
