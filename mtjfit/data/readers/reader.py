"""What a reader is, and readers that other packages bring, by entry points of the group ``mtjfit.readers``."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint, entry_points

from mtjfit.data.readers.sheet import ReadOptions, Sheet, SourceFile, third_party
from mtjfit.errors import MtjfitError
from mtjfit.text import visible

GROUP = "mtjfit.readers"
"""Entry points of packages that bring readers; each is one `Reader`."""


@dataclass(frozen=True)
class Reader:
    """One format: its `name` as in ``[data.format] reader = "…"``, and in words.

    Attributes
    ----------
    recognises : callable
        True where a file is surely, or most likely, of this format; of a large file it gets the first 256 kB.
    read : callable
        All sheets of a file.

    Examples
    --------
    >>> from mtjfit.data.readers import Column
    >>> def read(source, options):
    ...     rows = [line.split("|") for line in source.data.decode().splitlines()[1:]]
    ...     columns = tuple(Column(name, "", cells) for name, cells in zip(("V", "T"), map(tuple, zip(*rows))))
    ...     return (Sheet(source.label, "pipes", columns, tuple(range(2, 2 + len(rows)))),)
    >>> pipes = Reader("pipes", "table with pipes", lambda source: source.data.startswith(b"#pipes"), read)
    >>> sheet, = pipes.read(SourceFile("a.dat", b"#pipes\\n0.1|2.5\\n0.2|5.0"), ReadOptions())
    >>> sheet.numbers("T")
    array([2.5, 5. ])
    """

    name: str
    says: str
    recognises: Callable[[SourceFile], bool]
    read: Callable[[SourceFile, ReadOptions], tuple[Sheet, ...]]


def installed_readers(taken: Collection[str]) -> Iterator[Reader]:
    """Readers of installed packages by name, whose faults name the package; their names may not be `taken`.

    MtjfitError for an entry point that cannot be loaded, is no `Reader`, or has the name of another one.
    """
    seen = set(taken)
    for entry in sorted(entry_points(group=GROUP), key=lambda one: one.name):
        of = f"the reader {visible(entry.value)} of the package {visible(entry.dist.name if entry.dist else '?')}"
        reader = _loaded(entry, of)
        if reader.name in seen:
            raise MtjfitError(f"{of} is called {reader.name!r}, as another one is: uninstall one of them")
        seen.add(reader.name)
        yield reader


def _loaded(entry: EntryPoint, of: str) -> Reader:
    try:
        reader = entry.load()
    except Exception as error:
        reason = f"{type(error).__name__}: {visible(str(error))}"
        raise MtjfitError(f"{of} cannot be loaded ({reason}): mend or uninstall that package") from error
    if not isinstance(reader, Reader):
        raise MtjfitError(f"{of} is a {type(reader).__name__}, no mtjfit.data.readers.Reader: uninstall that package")

    todo = f"it was given to {of}: see there, or choose another one by format.reader"

    def recognises(source: SourceFile) -> bool:
        with third_party(source, reader.says, todo):
            return bool(reader.recognises(source))

    def read(source: SourceFile, options: ReadOptions) -> tuple[Sheet, ...]:
        with third_party(source, reader.says, todo):
            return tuple(reader.read(source, options))

    return replace(reader, recognises=recognises, read=read)
