"""Inputs that are sound but for a fault or two, each made from a number: files, names, arguments, circumstances."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import shlex
import shutil
import sqlite3
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random

from outside import Case

STRINGS = (
    "", " ", "\x1b[2J", "\x1b]0;title\x07", "\x9b31m", "\u202eA1", "\u2066x", "a\u2028b", "\x7f", "\x85", "a\nb",
    "a\rb",
    "\t", "\ufeff", "\u200b", "\x1fB", "=1+1", "<script>alert(1)</script>", "![](http://evil.example)", "{device}", "{",
    "%s%n%d", "../../outside/victim.txt", "~", "NUL", "C:\\x", "é", "e\u0301", "A" * 5000, "'", '"', '"""', "\\",
    "#", ";",
    "$(touch x)", "-o", "--help", "nan", "*", "**/**/**/**/*", "[", ".", "..", "/", "a/b", "１２", "𝜆", "\U0010ffff",
    "$x^{$",
)  # fmt: skip
NUMBERS = (
    "nan", "inf", "-inf", "1e308", "-1e308", "1e-308", "5e-324", "1e-400", "1e400", "-0.0", "0", "1e200", "1e-200",
    "-1",
    "9" * 23, "1" + "0" * 400, "0x10", "1_000", "1,5", "1e", "", "１", "true", ".5", "+1", "9007199254740993", "0.1",
    "3",
    "1e15", "1e-15", "1e30", "-2.5", "1e5", "\x1b[1m", "1 2", "1e6000000000",
)  # fmt: skip
VALUES = (
    "[]", "{}", "[[[1]]]", "true", "nan", "-inf", "1e308", "5e-324", "1e200", "-1", "0", '""', "1979-05-27", "07:32:00",
    "{ a = { b = 1 } }", "[" * 500 + "]" * 500, '["a", 1]', "1" + "0" * 400, '"\\u001b[31m"', '"' + "x" * 9000 + '"',
    "''",
    '"<...?>"', "[0.5, -0.5]", "[nan, nan]", '[""]', '"nan"', "0x7fffffffffffffff", "1e-400", '"2 %"', '"arb"',
    '"/dev/zero"',
)  # fmt: skip
ODD_JSON = ("Infinity", "NaN", "-1", "1e400", '"x"', "[]", "{}", "null", "true", "[" * 900 + "]" * 900, "9" * 5000,
            '"\\u001b[2J"', '"\\ud800"', '"../../outside/victim.txt"', "0", "100000000000")  # fmt: skip
_TEXT = (".toml", ".csv", ".tsv", ".txt", ".json", ".lvm", ".md")
_DATA = (".csv", ".tsv", ".txt", ".lvm")
_NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?(?![\w.])")
_SLOW = re.compile(
    r"max_steps|target_ess|ensembles|choose|\bn =|step"
)  # what a fault may not raise: it would be honest
_KEY = re.compile(r'([\w.]+)( *= *)("[^"\n]*"|\{[^}\n]*\}|\[[^]\n]*\]|[-+\w.]+)')
Fault = Callable[[Random, Path, Case], "Case | str | None"]
"""Changes files in a folder, or the case; returns the case, or what it did; None where it has nothing to change."""


def _files(folder: Path, *suffixes: str) -> list[Path]:
    found = (each for each in sorted(folder.rglob("*")) if each.is_file() and not each.is_symlink())
    return [each for each in found if not suffixes or each.suffix in suffixes]


def _read(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "surrogateescape")


def _write(path: Path, text: str) -> None:
    path.write_bytes(text.encode("utf-8", "surrogateescape"))


def _inside_toml(text: str) -> str:
    return "".join(c if c.isprintable() and c not in '"\\' else f"\\U{ord(c):08x}" for c in text)


def _string(rng: Random) -> str:
    return rng.choice(STRINGS) if rng.random() < 0.7 else rng.choice(STRINGS) + rng.choice(STRINGS)


def number(rng: Random, folder: Path, case: Case) -> str | None:
    """Another number, in one place or in all rows of a column."""
    path = rng.choice(_files(folder, *_TEXT))
    lines, value = _read(path).split("\n"), rng.choice(NUMBERS)
    able = [k for k, line in enumerate(lines) if _NUMBER.search(line) and not _SLOW.search(line)]
    if not able:
        return None
    k = rng.choice(able)
    place = rng.randrange(len(_NUMBER.findall(lines[k])))
    whole = path.suffix != ".toml" and rng.random() < 0.5
    for row in able if whole else [k]:
        found = list(_NUMBER.finditer(lines[row]))
        if place < len(found):
            lines[row] = lines[row][: found[place].start()] + value + lines[row][found[place].end() :]
    _write(path, "\n".join(lines))
    return f"{path.name}: number {place} of {'all lines' if whole else f'line {k + 1}'} is {value[:40]!r}"


def value(rng: Random, folder: Path, case: Case) -> str | None:
    """Another value, another key, none, or both twice in a TOML file."""
    path = rng.choice(_files(folder, ".toml"))
    text = _read(path)
    found = [each for each in _KEY.finditer(text) if not _SLOW.search(each[1])]
    one = rng.choice(found)
    string, other = f'"{_inside_toml(_string(rng))}"', rng.choice(found)
    new = rng.choice((
        f"{one[1]}{one[2]}{rng.choice(VALUES)}", f"{one[1]}{one[2]}{string}", f"{one[1]}{one[2]}{string}",
        f"{one[1]}{one[2]}{other[3]}", f"{other[1]}{one[2]}{one[3]}", f"{string}{one[2]}{one[3]}", "",
            f"{one[0]}\n{one[0]}",
        f"{one[1]}.{'a.' * rng.choice((1, 50, 800))}b{one[2]}{one[3]}", f"{one[1]}{one[2]}{rng.choice(NUMBERS)}",
    ))  # fmt: skip
    _write(path, text[: one.start()] + new + text[one.end() :])
    return f"{path.name}: {one[0][:60]!r} became {new[:80]!r}"


def name(rng: Random, folder: Path, case: Case) -> str | None:
    """Another name of a device, a column, a wafer or a series, wherever it stands; so the input may stay sound."""
    paths = _files(folder, *_TEXT)
    names = sorted(set(re.findall(r'= "([\w ()&./%-]{1,30})"', "".join(_read(p) for p in paths if p.suffix == ".toml")))
                   | set(re.findall(r"(?m)^([A-Za-z]\w{1,15})[,\t]", "".join(_read(p) for p in paths))))  # fmt: skip
    if not names:
        return None
    old, new = rng.choice(names), _string(rng)
    if rng.random() < 0.5:
        new = old + new
    cell = f'"{new}"' if any(c in new for c in ',\n\t"') and rng.random() < 0.8 else new
    for path in paths:
        text = re.sub(rf"(?<!\w){re.escape(old)}(?!\w)",
                      lambda _, p=path: _inside_toml(new) if p.suffix == ".toml" else cell, _read(path))  # fmt: skip
        _write(path, text)
    for path in _files(folder):
        if path.stem == old or path.name == old:
            with contextlib.suppress(OSError, ValueError):
                path.rename(path.with_name(new + path.suffix * (path.name != old)))
    return f"{old!r} is called {new[:60]!r}"


def line(rng: Random, folder: Path, case: Case) -> str | None:
    """A line gone, twice, elsewhere, cut, or hostile; or a comment that a reader may show."""
    path = rng.choice(_files(folder, *_TEXT))
    lines = _read(path).split("\n")
    k, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    what = rng.choice(("gone", "twice", "swapped", "cut", "comment", "origin", "raw", "cells", "header"))
    if _SLOW.search(lines[k]) and what in ("gone", "cut", "swapped"):
        return None
    if what == "gone":
        del lines[k]
    elif what == "swapped":
        lines[k], lines[other] = lines[other], lines[k]
    elif what == "cut":
        lines[k] = lines[k][: rng.randrange(len(lines[k]) + 1)]
    elif what == "cells":
        cells = re.split(r"([,;\t])", lines[k])
        cells[2 * rng.randrange((len(cells) + 1) // 2)] = _string(rng)
        lines[k] = "".join(cells)
    else:
        new = {"twice": lines[k], "comment": f"# {_string(rng)}", "origin": f"# origin: simulated; {_string(rng)}",
               "raw": _string(rng), "header": rng.choice(lines)}[what]  # fmt: skip
        lines.insert(0 if what == "origin" else k, new)
    _write(path, "\n".join(lines))
    return f"{path.name}: line {k + 1} {what}"


def octets(rng: Random, folder: Path, case: Case) -> str | None:
    """Bytes flipped, put in, taken out, cut off, repeated, or in another encoding."""
    paths = _files(folder)
    path = rng.choice([p for p in paths if p.suffix not in _TEXT] or paths) if rng.random() < 0.6 else rng.choice(paths)
    data = path.read_bytes()
    k, n = rng.randrange(len(data) + 1), rng.choice((1, 1, 4, 100))
    what = rng.choice(("flip", "flip", "insert", "delete", "cut", "zeros", "double", "halves", "empty", "utf-16", "bom",
                       "latin", "joined", "cr", "nul"))  # fmt: skip
    new = {
        "flip": data[:k] + bytes(b ^ rng.randrange(1, 256) for b in data[k : k + n]) + data[k + n :],
        "insert": data[:k] + rng.randbytes(n) + data[k:], "delete": data[:k] + data[k + n :], "cut": data[:k],
        "zeros": data[:k] + bytes(n) + data[k + n :], "double": data + data, "halves": data[k:] + data[:k],
        "empty": b"",
        "utf-16": data.decode("utf-8", "replace").encode("utf-16"), "bom": b"\xef\xbb\xbf" + data,
        "latin": data.decode("utf-8", "replace").encode("latin-1", "replace") + b"\xe9\xff",
        "joined": data + rng.choice(paths).read_bytes(), "cr": data.replace(b"\n", b"\r"),
        "nul": data[:k] + b"\0" + data[k:],
    }[what]  # fmt: skip
    path.write_bytes(new)
    return f"{path.name}: {what} at {k}"


def member(rng: Random, folder: Path, case: Case) -> str | None:
    """A part of a workbook, or an array of a saved run, changed in its bytes; checksums are put right."""
    paths = _files(folder, ".xlsx", ".npz")
    if not paths:
        return None
    path = rng.choice(paths)
    before = path.read_bytes()
    with zipfile.ZipFile(io.BytesIO(before)) as archive:
        parts = {each: archive.read(each) for each in archive.namelist()}
    which = rng.choice(sorted(parts))
    data = parts[which]
    k = rng.randrange(len(data) + 1)
    parts[which] = rng.choice((
        data[:k] + rng.randbytes(2) + data[k + 2 :], data[:k], data + bytes(8_000_000),
            data[:128] + bytes(len(data) - 128),
        re.sub(rb"\d+(?!.*\d)", rng.choice(NUMBERS).encode(), data, count=1, flags=re.S),
            rng.choice(list(parts.values())),
        re.sub(rb"<v>[^<]*", b"<v>" + rng.choice(NUMBERS).encode(), data),
            data[:128] + b"\xff" * max(len(data) - 128, 0),
    ))  # fmt: skip
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for each, content in parts.items():
            archive.writestr(each, content)
    path.write_bytes(stream.getvalue())
    for manifest in _files(folder, ".json"):
        old, new = (hashlib.sha256(each).hexdigest() for each in (before, stream.getvalue()))
        _write(manifest, _read(manifest).replace(old, new))
    return f"{path.name}: {which} changed at {k}"


def document(rng: Random, folder: Path, case: Case) -> str | None:
    """A value of a JSON document replaced."""
    paths = _files(folder, ".json")
    if not paths:
        return None
    path = rng.choice(paths)
    text = _read(path)
    found = list(re.finditer(r'(?<=: )("[^"]*"|[-\d.e]+|null|true|\[|\{)', text))
    if not found:
        return None
    one, new = rng.choice(found), rng.choice(ODD_JSON)
    _write(path, text[: one.start()] + new + text[one.end() :])
    return f"{path.name}: {one[0][:40]} became {new[:40]}"


def database(rng: Random, folder: Path, case: Case) -> str | None:
    """A value, a table, a view or a trigger of an SQLite file."""
    paths = _files(folder, ".db")
    if not paths:
        return None
    path = rng.choice(paths)
    db = sqlite3.connect(path)
    tables = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    table = rng.choice(tables).replace('"', '""')
    columns = [row[1].replace('"', '""') for row in db.execute(f'PRAGMA table_info("{table}")')]
    column, odd = (
        rng.choice(columns),
        rng.choice((*STRINGS, *ODD_JSON, b"\0\xff", None, -1, 2**62, 1e308, float("inf"), 0.5)),
    )
    view = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT " + ", ".join(  # noqa: S608
        f'x AS "{each}"' for each in columns
    )
    statement, given = rng.choice((
        *[(f'UPDATE "{table}" SET "{column}" = ?', (odd,))] * 8,  # noqa: S608
        *[(f'UPDATE "{table}" SET "{column}" = ? WHERE rowid = 1', (odd,))] * 2,  # noqa: S608
        (f'DROP TABLE "{table}"', ()), (f'DELETE FROM "{table}"', ()),  # noqa: S608
        (f"PRAGMA user_version = {rng.choice((0, 1, 99))}", ()),
        (f'ALTER TABLE "{table}" RENAME COLUMN "{column}" TO "x\x1b[1m"', ()), (f'DROP TABLE "{table}"; {view}', None),
        (f'CREATE TRIGGER t AFTER INSERT ON "{table}" BEGIN DELETE FROM "{table}"; END', ()),  # noqa: S608
    ))  # fmt: skip
    with contextlib.suppress(sqlite3.Error):
        if given is None:
            db.executescript(f'DROP TABLE "{table}"; CREATE VIEW "{table}" AS {view}')
        else:
            db.execute(statement, given)
        db.commit()
    db.close()
    return f"{path.name}: {statement[:100]} {str(given)[:60]}"


def place(rng: Random, folder: Path, case: Case) -> Case | str | None:
    """Something else where a file or the output is expected, or a file under another name."""
    paths = _files(folder)
    path = rng.choice(paths)
    what = rng.choice(
        ("folder", "loop", "dangling", "pipe", "device", "gone", "suffix", "swap", "bytes", "output", "outputs")
    )
    if what == "suffix":
        new = path.with_suffix(rng.choice((".csv", ".xlsx", ".parquet", ".nc", ".db", ".toml", ".lvm", ".txt", "")))
        path.rename(new)
        arguments = tuple(each.replace(path.name, new.name) for each in case.arguments)
        for each in _files(folder, ".toml"):
            _write(each, _read(each).replace(path.name, new.name))
        return replace(case, arguments=arguments, faults=(*case.faults, f"{path.name} is called {new.name}"))
    if what == "swap":
        path.write_bytes(rng.choice(paths).read_bytes())
    elif what == "bytes":
        odd = os.fsdecode(b"\xff\xe9\x9b") + path.suffix
        with contextlib.suppress(OSError):  # not every system has such names
            path.rename(path.with_name(odd))
        arguments = tuple(each.replace(path.name, odd) for each in case.arguments)
        return replace(case, arguments=arguments, faults=(*case.faults, f"{path.name} is called {odd!r}"))
    elif what in ("output", "outputs"):
        outputs = [each for each in case.arguments if each.startswith("out")]
        if not outputs:
            return None
        target = folder / outputs[0]
        if what == "output":
            target = target / rng.choice(("report.html", "result.json", "run", "lock", "study.toml", "x\x1b[1m"))
        with contextlib.suppress(OSError):
            target.parent.mkdir(exist_ok=True)
            target.symlink_to(rng.choice(("../../outside/victim.txt", "../../../outside/victim.txt", target.name)))
        return f"{target.name} is a link"
    else:
        path.unlink()
        with contextlib.suppress(OSError, AttributeError):
            {"folder": path.mkdir, "loop": lambda: path.symlink_to(path.name), "gone": lambda: None,
             "dangling": lambda: path.symlink_to("nothing"), "pipe": lambda: os.mkfifo(path),
             "device": lambda: path.symlink_to(rng.choice(("/dev/zero", "/dev/tty", "/proc/self/mem",
             "/proc/kmsg")))}[what]()  # fmt: skip
    return f"{path.name}: {what}"


def size(rng: Random, folder: Path, case: Case) -> str | None:
    """A file that is small and takes much, or is merely large."""
    path = rng.choice(_files(folder, *_DATA) or _files(folder))
    data = path.read_bytes()
    head, _, body = data.partition(b"\n")
    what = rng.choice(("blank", "comments", "rows", "columns", "long", "cell", "spaces", "names", "parquet", "netcdf"))
    if what == "parquet":
        with contextlib.suppress(ImportError):
            import pyarrow as pa
            import pyarrow.parquet as pq

            names = head.decode("utf-8", "replace").split(",")
            cells = pa.DictionaryArray.from_arrays(pa.array([0] * 20_000, pa.int32()), pa.array(["A" * 10**6]))
            table = pa.table({each or "x": cells for each in dict.fromkeys(names)})
            pq.write_table(table, path, compression="zstd", store_schema=False)
    elif what == "netcdf":
        with contextlib.suppress(ImportError):
            import h5py

            with h5py.File(path, "w") as file:
                file.create_dataset("V", shape=(10**4,), dtype=rng.choice(("S1000000", "f8")), chunks=(1,))
                file.create_dataset("T", shape=(rng.choice((10, 10**9)),), dtype="f8", chunks=(10,))
                file["x"] = h5py.ExternalLink("../../outside/victim.txt", "/x")
    else:
        path.write_bytes({
            "blank": data + b"\n" * 20_000_000, "comments": data + b"#x\n" * 5_000_000,
            "rows": head + b"\n" + body * 200,
            "columns": b",".join(b"c%d" % k for k in range(20_000)) + b"\n" + b",".join([b"1"] * 20_000) + b"\n",
            "long": data + b"1," * 5_000_000, "cell": data + b"9" * 5_000_000,
            "spaces": data + b" " * 10_000_000 + b"1\n",
            "names": head + b",c" * 5000 + b"\n" + body,
        }[what])  # fmt: skip
    return f"{path.name}: large ({what})"


def argument(rng: Random, folder: Path, case: Case) -> Case:
    """An argument replaced, put in, gone, or twice."""
    words = list(case.arguments)
    k = rng.randrange(len(words))
    odd = rng.choice((*STRINGS, *NUMBERS, "\udcff", "x" * 100_000, "--seed=-1", "--output", "-", "--", "@x", "-qqq",
        "study.toml",
                      "--bias=nan", "--seed=" + "9" * 30, ".", "in", "/dev/null", "/dev/full",
                      "/proc/self/x"))  # fmt: skip
    what = rng.choice(("replaced", "inserted", "gone", "twice", "value"))
    if what == "gone":
        del words[k]
    elif what == "value" and "=" in words[k]:
        words[k] = words[k].partition("=")[0] + "=" + odd
    else:
        words[k : k + (what != "inserted")] = [odd] if what != "twice" else [words[k], words[k]]
    return replace(case, arguments=tuple(words) or (odd,), faults=(*case.faults, f"argument {k} {what}"))


def circumstance(rng: Random, folder: Path, case: Case) -> Case:
    """Standard output that is full, closed or knows few characters; Ctrl-C; few open files."""
    change = rng.choice(({"stdout": "full"}, {"stdout": "closed"}, {"encoding": "ascii"}, {"encoding": "cp1252"},
                         {"encoding": "latin-1"}, {"interrupted": rng.choice((0.0, 0.05, 0.3, 1.0))},
                             {"files": rng.randrange(8, 24)}))  # fmt: skip
    return replace(case, **change, faults=(*case.faults, str(change)))  # type: ignore[arg-type]


FAULTS: dict[Fault, int] = {number: 20, value: 22, name: 16, line: 12, octets: 12, member: 5, document: 4, database: 8,
                            place: 8, size: 2, argument: 12, circumstance: 4}  # fmt: skip


def case_of(seed: int, bases: Path, folder: Path, commands: dict[str, dict[str, int]]) -> Case:
    """Make a case in a new folder: a copy of one of the sound inputs in `bases`, with a fault, sometimes with two.

    `commands` has, for each of the sound inputs, command lines with weights.
    """
    rng = Random(seed)  # noqa: S311
    base, typed = rng.choices([(b, c) for b in commands for c in commands[b]],
                              [w for b in commands for w in commands[b].values()])[0]  # fmt: skip
    shutil.copytree(bases / base, folder / "in", symlinks=True)
    words = typed + "".join(_read(each) for each in _files(folder / "in", ".toml") if each.name in typed)
    for each in (folder / "in").iterdir():
        if each.name not in words:  # a fault in it would be none
            shutil.rmtree(each) if each.is_dir() else each.unlink()
    case, wanted = Case(tuple(shlex.split(typed)), (f"seed {seed}, {base}",)), rng.choice((1, 1, 1, 1, 2))
    for _ in range(20):
        made = None
        # an earlier fault may have left nothing that can be changed
        with contextlib.suppress(IndexError, OSError, ValueError, sqlite3.Error, zipfile.BadZipFile):
            made = rng.choices(list(FAULTS), list(FAULTS.values()))[0](rng, folder / "in", case)
        if made is not None:
            case = replace(case, faults=(*case.faults, made)) if isinstance(made, str) else made
            wanted -= 1
        if not wanted:
            break
    case.save(folder)
    return case
