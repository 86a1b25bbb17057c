"""First study file for given data files: proposals from their headers, placeholders for everything else."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from mtjfit.data.readers import Sheet
from mtjfit.data.units import BIAS_UNITS, THICKNESS_UNITS, UNITS, canonical_unit
from mtjfit.errors import ProblemLog
from mtjfit.study.inspection import FileInspection, inspect_file, period_of
from mtjfit.study.roles import NAMES
from mtjfit.toml import toml_string


def study_template(files: Iterable[str | Path], folder: str | Path | None = None) -> str:
    """A commented ``study.toml`` for data files, valid TOML.

    Column names, separator and decimal mark are proposed from the file and marked ``# GUESS``. Quantity, normalisation,
    axis and units cannot be seen in a file: they are left as placeholders ``<…?>`` that `load_study` refuses. Names of
    data files are written relative to `folder`, that of the study file; as given if it is left out.

    Raises
    ------
    DataError
        A file cannot be read at all, or has a name that TOML cannot hold.

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
    return template_of(inspections_of(files), folder)


def inspections_of(files: Iterable[str | Path]) -> tuple[FileInspection, ...]:
    """Inspection of each file; DataError with the problems of all that cannot be read."""
    log, inspections = ProblemLog("files"), []
    for file in files:
        with log.catching():
            inspections.append(inspect_file(Path(file)))
    if not inspections and not log.count:
        log.add("there are none", "name at least one data file")
    log.refuse()
    return tuple(inspections)


def template_of(inspections: Sequence[FileInspection], folder: str | Path | None = None) -> str:
    """Like `study_template`, for files that were inspected."""
    tables = ["\n".join(_data_table(_shown(inspection.path, folder), inspection)) for inspection in inspections]
    if len(inspections) == 1 and inspections[0].places:
        tables.append(_wafer_table(inspections[0].places))
    return "\n\n".join([_HEAD, *tables, _PARAMETERS])


def _wafer_table(places: Mapping[str, str]) -> str:
    """``[wafer]``; with it the file is one for `mtjfit batch`, which reduces devices one by one."""
    roles = [f"{role} = {toml_string(name)}  # GUESS" for role, name in places.items()]
    return "\n".join(["[wafer]   # whole wafers: for mtjfit batch; remove it to fit all devices as one study",
                      *roles, _WAFER])  # fmt: skip


_HEAD = '''# A study for mtjfit. Check every line marked GUESS; replace every "<...?>": only you can know those.
[study]
name = "<name of the study?>"'''

_MEANING = """quantity = "<torque or torkance?>"          # T or dT/dV
per = "<device, area or volume?>"           # volume: effective fields in mT, which are divided by M_s d
perp_axis = "<MxP or PxM?>"                 # direction that counts as positive out of plane
# angle = 72.0                              # degrees between the moments, where devices differ in it; or a column.
# sin_theta = "included"                    # then also: torques at that angle, or "divided": already per sin(angle)
# bias_window = [-0.3, 0.3]                 # in V; points outside are masked and drawn hollow"""

_WAFER = """# radius = 150.0                            # of the wafer in mm
# chunk = 10000                             # devices that a killed run loses at most
# origin = "simulated; how it was made"     # where the table itself does not say that it was not measured
# smooth = { thickness = ["tilt_x", "tilt_y", "bowl"] }   # over the wafer, for posteriors of stacks"""

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
# Further parameters; uncomment what your devices need:
# jitter_par  = { prior = "lognormal", median = 0.05, factor = 3.0 } # error that sigma lacks, in the torque unit
# jitter_perp = { prior = "lognormal", median = 0.05, factor = 3.0 }
# dead_layer  = { prior = "normal", mean = 0.3, sd = 0.2, low = 0.0 } # nm that the nominal thickness is too large by
# scatter_a1  = { prior = "lognormal", median = 0.03, factor = 2.0 } # relative spread of a1 between devices
# b0 = { prior = "normal", mean = 0.0, sd = 1.0 }  # torques: a constant of J0 (Eq. 2); undeclared, b2 takes it up
# b1 = { prior = "normal", mean = 0.0, sd = 1.0, low = -5.0, high = 5.0 } # bounds cut a normal prior
# b2 = { ..., scope = "group" }                                      # or "device": own values instead of shared
# [noise]
# model = "student"                                                  # heavy tails instead of normal errors
# dof = 4                                                            # degrees of freedom, or a prior

[sampling]
seed = 1
target_ess = 2000
"""


def _data_table(shown: str, inspection: FileInspection) -> Iterator[str]:
    columns = inspection.columns
    yield f"[[data]]\nfile = {toml_string(shown)}"
    yield _MEANING
    if "device" not in columns:
        yield '# name = "{device}_T{thickness:nm}.txt"    # what the file name says; its fields count as columns below'
        yield f"device = {toml_string(inspection.path.stem.strip())}  # GUESS: one device, named after the file"
    if "thickness" not in columns:
        yield 'thickness = "<nominal thickness of the free layer, a number?>"'
    if not {"sigma_par", "sigma_perp"} <= set(columns):
        yield 'sigma = "<fit, or a table { par = 0.1, perp = 0.1 }?>"  # or name the columns below'
    yield '# covariance = "{device}_cov.csv"           # 2n x 2n, in-plane then out-of-plane values; needs no sigma'
    if "sigma_bias" not in columns:
        yield "# sigma_bias = 0.001                        # standard error of every bias in V; or a column"
    if "rho" not in columns:
        yield "# rho, below: a column with the correlation between the errors of the two components of each point"
    yield f"# columns of the file: {_printable(', '.join(dict.fromkeys(inspection.names)))}\n[data.columns]"
    if not {"par", "perp"} & set(columns):
        yield "# one component in each row? then component, torque and sigma_torque in place of the columns below"
    for role in NAMES:
        if role in columns:
            hint = "" if columns[role] in inspection.names else ": a header parameter"
            yield f"{role} = {toml_string(columns[role])}  # GUESS{hint}"
        elif role in ("bias", "par", "perp"):
            alone = "" if role == "bias" else "  # remove the line if this component was not measured"
            yield f'{role} = "<column of {role}?>"{alone}'
    yield "[data.units]"
    yield from _units(inspection)
    yield from _format(inspection)
    yield from _wide(inspection)


def _units(inspection: FileInspection) -> Iterator[str]:
    """Units that the file itself writes, else what is left open."""
    for kind, roles, known, places in (
        ("bias", ("bias",), BIAS_UNITS, "V or mV"),
        ("torque", ("par", "perp"), UNITS, "unit, such as hbar/2e/kohm, 1e-19 N m or mT/V; arb if arbitrary"),
        ("thickness", ("thickness",), THICKNESS_UNITS, "nm or angstrom"),
    ):
        names = [inspection.columns[role] for role in roles if role in inspection.columns]
        written = [unit for name in names if (unit := _written_unit(inspection.sheet, name))]
        units = {canonical_unit(unit, kind) for unit in written}
        if len(units) == 1 and units <= set(known):
            yield f"{kind} = {toml_string(units.pop())}  # GUESS: as the file says"
        else:
            said = f"  # the file says {_printable(', '.join(dict.fromkeys(written)))}" if written else ""
            yield f'{kind} = "<{places}?>"{said}'


def _written_unit(sheet: Sheet, name: str) -> str:
    if name in sheet.names:
        return sheet.column(name).unit or ""
    return sheet.metadata[name].partition(" ")[2].strip()


def _format(inspection: FileInspection) -> Iterator[str]:
    """All that check does not infer, or infers by the same code."""
    sheet, form = inspection.sheet, inspection.sheet.form
    yield "[data.format]"
    if inspection.reader == "tidy":
        yield f"separator = {toml_string(form.separator)}  # GUESS"
        yield f"decimal = {toml_string(sheet.decimal)}  # GUESS"
    else:
        yield f"reader = {toml_string(inspection.reader)}  # GUESS: {inspection.says}"
        if sheet.decimal != ".":
            yield f"decimal = {toml_string(sheet.decimal)}  # GUESS"
    if form.comment not in (None, "", "#"):
        yield f"comment = {toml_string(form.comment)}  # GUESS"
    if form.encoding not in ("", "utf-8"):
        yield f"encoding = {toml_string(form.encoding)}  # GUESS: the file is not UTF-8"
    if form.header not in ((), ("name",)):
        yield f"header = [{', '.join(map(toml_string, form.header))}]  # GUESS"
    if form.names:
        names = ", ".join(map(toml_string, form.names))
        yield f"names = [{names}]  # GUESS: no header line; give them better names here and above, units in brackets"
    if inspection.part:
        others = _printable(", ".join(inspection.others))
        yield f"sheet = {toml_string(inspection.part)}  # GUESS: the file also has {others}"


def _wide(inspection: FileInspection) -> Iterator[str]:
    names, period = inspection.names, period_of(inspection.names)
    if inspection.reader == "webplotdigitizer":
        listed = ", ".join(sheet.metadata["dataset"] for sheet in inspection.sheets)
        yield f"# data sets of the file: {_printable(listed)}\n[data.wide]"
        yield 'columns = ["V", "T"]'
        yield 'name = "<pattern of the data sets, such as {device} {column}?>"  # {column}: what is par, what is perp'
        yield 'name_in = "comment"'
        yield 'within = "<largest distance in bias of two points that belong together, a number?>"'
    elif period:
        block = names[:period]
        open_ = [f"<column {k + 1} of each series?>" for k in range(period)]
        placed = ", ".join(map(toml_string, block if len(set(block)) == period else open_))
        where = "comment" if inspection.reader == "origin" else "name"
        yield f"[data.wide]\ncolumns = [{placed}]  # GUESS: {len(names) // period} series of {period} columns"
        yield 'name = "<pattern that tells the series apart, such as {device}_{frequency:GHz}?>"'
        yield f"name_in = {toml_string(where)}  # GUESS"


def _shown(path: Path, folder: str | Path | None) -> str:
    if folder is None:
        return path.as_posix()
    try:
        return Path(os.path.relpath(os.path.realpath(path), os.path.realpath(folder))).as_posix()
    except ValueError:  # another drive on Windows
        return Path(os.path.realpath(path)).as_posix()


def _printable(text: str) -> str:
    """Text that cannot end a TOML comment."""
    return "".join(c if c.isprintable() else "?" for c in text[:500])
