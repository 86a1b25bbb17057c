"""A first study file for given data files: what the header shows is proposed, what it cannot show is left open."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

from mtjfit.data.declaration import ENCODINGS, SEPARATORS
from mtjfit.data.tidy import MAX_BYTES, decode, numbered_lines, parse_number, read_bytes, try_split
from mtjfit.errors import DataError, Problem

__all__ = ["study_template"]

_NAMES = {
    "bias": ("bias", "v", "voltage", "vbias", "biasv", "vdc", "dcbias", "biasmv", "u"),
    "par": ("par", "taupar", "tpar", "torquepar", "torkancepar", "inplane", "tauinplane", "parallel", "dtaupar",
            "tauip", "ip", "dampinglike", "dl", "tau1"),
    "perp": ("perp", "tauperp", "tperp", "torqueperp", "torkanceperp", "outofplane", "tauoutofplane", "perpendicular",
             "dtauperp", "tauop", "op", "fieldlike", "fl", "tau2"),
    "sigma_par": ("sigmapar", "errpar", "parerr", "parerror", "tauparerr", "sdpar", "separ", "dpar",
                  "errorpar", "tauparerror", "sigmataupar", "uncertaintypar"),
    "sigma_perp": ("sigmaperp", "errperp", "perperr", "perperror", "tauperperr", "sdperp", "seperp", "dperp",
                   "errorperp", "tauperperror", "sigmatauperp", "uncertaintyperp"),
    "device": ("device", "sample", "name", "id", "mtj", "junction", "deviceid", "devicename"),
    "thickness": ("thickness", "d", "dnm", "t", "tnm", "thicknessnm", "tfree", "tfreenm", "tfl", "dfree", "tcofeb",
                  "dangstrom"),
    "group": ("group", "wafer", "stack", "split", "batch", "series"),
}  # fmt: skip
_SIMILAR = 0.8


@dataclass(frozen=True)
class _Sight:
    """What a look at a file shows."""

    encoding: str
    comment: str
    separator: str
    decimal: str
    names: tuple[str, ...]
    columns: dict[str, str]


def study_template(files: Iterable[str | Path], folder: str | Path | None = None) -> str:
    """A commented ``study.toml`` for data files.

    Column names, separator and decimal mark are proposed from the file and marked ``# GUESS``. Quantity, normalisation,
    axis and units cannot be seen in a file: they are left as placeholders ``<…?>`` that `load_study` refuses.

    Parameters
    ----------
    files : iterable of str or Path
    folder : str or Path, optional
        Where the study file will stand; names of data files are written relative to it. As given if left out.

    Returns
    -------
    str
        Valid TOML.

    Raises
    ------
    DataError
        A file cannot be read as text, has no header, or has a name that TOML cannot hold.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "a1.csv"
    ...     _ = file.write_text("V;tau_par;tau_perp\\n-0,1;-1,0;0,2\\n")
    ...     text = study_template([file], folder)
    >>> print(*[line for line in text.splitlines() if "GUESS" in line][1:5], sep="\\n")
    device = "a1"  # GUESS: one device, named after the file
    bias = "V"  # GUESS
    par = "tau_par"  # GUESS
    perp = "tau_perp"  # GUESS
    """
    paths = [Path(file) for file in files]
    problems: list[Problem] = []
    tables = []
    for path in paths:
        try:
            tables.append("\n".join(_data_table(path, _shown(path, folder), _look(path))))
        except DataError as error:
            problems += error.problems
    if not paths:
        problems.append(Problem("files", "there are none", "name at least one data file"))
    if problems:
        raise DataError(problems)
    return "\n\n".join([_HEAD, *tables, _PARAMETERS])


_HEAD = '''# A study for mtjfit. Check every line marked GUESS; replace every "<...?>": only you can know those.
[study]
name = "<name of the study?>"'''

_PARAMETERS = """[parameters]              # lengths in nm; every prior is proper, look at each of them
lambda_J    = { prior = "loguniform", low = 0.1, high = 100.0 }    # spin precession length
lambda_phi  = { prior = "loguniform", low = 0.1, high = 100.0 }    # spin dephasing length
lambda_sf_F = { prior = "lognormal", median = 10.0, factor = 2.0 } # spin diffusion length of the free layer
lambda_sf_N = { prior = "loguniform", low = 0.1, high = 100.0 }    # and of the metal behind it
D_ratio     = { fixed = 1.0 }                                      # D_F / D_N
thickness   = { prior = "normal", sd = 0.1 }                       # GUESS; or { fixed = true }
# J0(V) = a1 V + i b2 V^2, in the unit of the torque per V and V^2; for torkance data the same numbers.
# Torque: the slope of T against V; torkance: its value near V = 0. A few times the size you see is a fair sd.
a1 = { prior = "normal", mean = 0.0, sd = "<a few times the size of a1?>" }
b2 = { prior = "normal", mean = 0.0, sd = "<a few times the size of b2?>" }
# With sigma = "fit" also:
# noise_par  = { prior = "lognormal", median = 0.1, factor = 3.0 }
# noise_perp = { prior = "lognormal", median = 0.1, factor = 3.0 }

[sampling]
seed = 1
target_ess = 2000
"""


def _data_table(path: Path, shown: str, sight: _Sight) -> Iterator[str]:
    columns = sight.columns
    yield f"[[data]]\nfile = {_quoted(shown)}"
    yield """quantity = "<torque or torkance?>"          # T or dT/dV
per = "<device, area or volume?>"           # volume: effective fields in mT, which are divided by M_s d
perp_axis = "<MxP or PxM?>"                 # direction that counts as positive out of plane
# angle = 72.0                              # degrees between the moments, where devices differ in it; or a column.
# sin_theta = "included"                    # then also: torques at that angle, or "divided": already per sin(angle)
# bias_window = [-0.3, 0.3]                 # in V; points outside are masked and drawn hollow"""
    if "device" not in columns:
        yield f"device = {_quoted(path.stem)}  # GUESS: one device, named after the file"
    if "thickness" not in columns:
        yield 'thickness = "<nominal thickness of the free layer, a number?>"'
    if not {"sigma_par", "sigma_perp"} <= set(columns):
        yield 'sigma = "<fit, or a table { par = 0.1, perp = 0.1 }?>"  # or name the columns below'
    yield f"# columns of the file: {_printable(', '.join(sight.names))}\n[data.columns]"
    for role in _NAMES:
        if role in columns:
            yield f"{role} = {_quoted(columns[role])}  # GUESS"
        elif role in ("bias", "par", "perp"):
            yield f'{role} = "<column of {role}?>"'
    yield """[data.units]
bias = "<V or mV?>"
torque = "<unit, such as hbar/2e/kohm, 1e-19 N m or mT/V; arb if arbitrary?>"
thickness = "<nm or angstrom?>"
[data.format]"""
    yield f"separator = {_quoted(sight.separator)}  # GUESS"
    yield f"decimal = {_quoted(sight.decimal)}  # GUESS"
    if sight.comment != "#":
        yield f"comment = {_quoted(sight.comment)}  # GUESS"
    if sight.encoding != "utf-8":
        yield f"encoding = {_quoted(sight.encoding)}  # GUESS: the file is not UTF-8"


def _shown(path: Path, folder: str | Path | None) -> str:
    if folder is None:
        return path.as_posix()
    try:
        return Path(os.path.relpath(path.resolve(), Path(folder).resolve())).as_posix()
    except ValueError:  # another drive on Windows
        return path.resolve().as_posix()


def _look(path: Path) -> _Sight:
    label = str(path)
    if not label.isprintable():
        raise DataError([Problem(repr(label), "has characters in its name that cannot be written", "rename the file")])
    data = read_bytes(path, label, MAX_BYTES)
    encoding = next(each for each in ENCODINGS if _decodes(data, each))
    lines = (line for _, line in numbered_lines(decode(data, encoding, label)) if line.strip())
    comment, header = "#", next(lines, "")
    for mark in "#%":
        if header.lstrip().startswith(mark):
            comment = mark
            header = next((line for line in lines if not line.lstrip().startswith(mark)), "")
    rows = [line for line, _ in zip(lines, range(20), strict=False)]
    fields = {separator: try_split(header, separator) for separator in SEPARATORS}
    separator = max(fields, key=lambda each: len(fields[each]))
    names = tuple(fields[separator])
    if len(names) < 3:
        what = "has no header with three columns separated by comma, semicolon, tab or |"
        raise DataError([Problem(label, what, "give it a header line")])
    return _Sight(encoding, comment, separator, _decimal(rows, separator), names, _columns(names))


def _decodes(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _decimal(rows: Iterable[str], separator: str) -> str:
    cells = [cell for row in rows for cell in try_split(row, separator)]
    commas = sum("," in cell and parse_number(cell, ",")[1] is None for cell in cells)
    points = sum("." in cell and parse_number(cell, ".")[1] is None for cell in cells)
    return "," if commas > points and separator != "," else "."


def _columns(names: tuple[str, ...]) -> dict[str, str]:
    """Most similar column of each role, every column once; names without similarity stay out."""
    scores = []
    for name in dict.fromkeys(name for name in names if name):
        key = re.sub(r"[\W_]", "", name.casefold())[:40]
        for role, likely in _NAMES.items():
            # "torkance_perp" is similar to "torkance_par": never propose one for the other.
            if (role.endswith("par") and "perp" in key) or (role.endswith("perp") and "par" in key):
                continue
            # Short names must match exactly: "t" is similar to everything.
            best = max(
                1.0 if key == each else SequenceMatcher(None, key, each).ratio() if min(len(key), len(each)) > 3 else 0
                for each in likely
            )
            scores.append((best, role, name))
    columns: dict[str, str] = {}
    for score, role, name in sorted(scores, key=lambda each: -each[0]):
        if score >= _SIMILAR and role not in columns and name not in columns.values():
            columns[role] = name
    return columns


def _quoted(text: str) -> str:
    """A TOML basic string that holds exactly this text."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08X}" for c in escaped) + '"'


def _printable(text: str) -> str:
    """Text that cannot end a TOML comment."""
    return "".join(c if c.isprintable() else "?" for c in text[:500])
