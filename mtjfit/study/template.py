"""First study file for given data files: proposals from their headers, placeholders for everything else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from mtjfit.data.units import find_unit, thickness_factor
from mtjfit.errors import ProblemLog
from mtjfit.study.families import Family, families
from mtjfit.study.inspection import FileInspection, inspect_file
from mtjfit.study.sizes import Sizes, few_times, sizes_of
from mtjfit.study.template_data import data_table
from mtjfit.toml import schema_line, toml_string


def study_template(files: Iterable[str | Path], folder: str | Path | None = None) -> str:
    """A commented ``study.toml`` for data files, valid TOML.

    Files that are alike become one ``[[data]]``. Names of columns, separator, units that stand in the files, and sizes
    of amplitudes and noise are proposed from them, and marked ``# GUESS``. Quantity, normalisation, axis and units that
    are not written cannot be seen in a file: they are left as placeholders ``<…?>`` that `load_study` refuses. Names
    of data files are written relative to `folder`, that of the study file; as given if it is left out.

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
    >>> print(*[line for line in text.splitlines() if line.endswith("GUESS")][:3], sep="\\n")
    bias = "V"  # GUESS
    par = "tau_par"  # GUESS
    perp = "tau_perp"  # GUESS
    """
    return template_of(families(inspections_of(files)), folder)


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


def template_of(found: Sequence[Family], folder: str | Path | None = None) -> str:
    """Like `study_template`, for families of inspected files."""
    tables = ["\n".join(data_table(family, folder)) for family in found]
    places = found[0].first.places if len(found) == 1 else {}
    if places:
        tables.append(_wafer_table(places))
    first = schema_line("wafer" if places else "study")
    head = f"{first}\n{_HEAD}\nname = {toml_string(_study_name(found))}  # call it as you like"
    return "\n\n".join([head, *tables, "\n".join(_parameters(found, is_wafer=bool(places)))])


def _study_name(found: Sequence[Family]) -> str:
    """Name of the only file, else of the folder of the first."""
    path = found[0].first.path
    alone = len(found) == len(found[0].members) == 1
    name = path.stem if alone else path.resolve().parent.name
    return name.strip() if name.isprintable() and name.strip() else "study"


def _wafer_table(places: Mapping[str, str]) -> str:
    """``[wafer]``; with it the file is one for `mtjfit batch`, which reduces devices one by one."""
    roles = [f"{role} = {toml_string(name)}  # GUESS" for role, name in places.items()]
    return "\n".join(["[wafer]   # whole wafers: for mtjfit batch; remove it to fit all devices as one study",
                      *roles, _WAFER])  # fmt: skip


_HEAD = """\
# A study for mtjfit. Check every line marked GUESS; replace every "<...?>": only you can know those.
[study]"""

_WAFER = """# radius = 150.0                            # of the wafer in mm
# chunk = 10000                             # devices that a killed run loses at most
# origin = "simulated; how it was made"     # where the table itself does not say that it was not measured
# smooth = { thickness = ["tilt_x", "tilt_y", "bowl"] }   # over the wafer, for posteriors of stacks"""

_LENGTHS = """[parameters]              # lengths in nm; every prior is proper, look at each of them
lambda_J    = { prior = "loguniform", low = 0.1, high = 100.0 }    # spin precession length
lambda_phi  = { prior = "loguniform", low = 0.1, high = 100.0 }    # spin dephasing length
lambda_sf_F = { prior = "lognormal", median = 10.0, factor = 2.0 } # spin diffusion length of the free layer
lambda_sf_N = { prior = "loguniform", low = 0.1, high = 100.0 }    # and of the metal behind it
D_ratio     = { fixed = 1.0 }                                      # D_F / D_N
thickness   = { prior = "normal", sd = 0.1 }                       # GUESS; or { fixed = true }
# J0(V) = a1 V + i b2 V^2, in the unit of the torque per V and V^2; for torkance data the same numbers.
# Torque: the slope of T against V; torkance: its value near V = 0. A few times the size you see is a fair sd."""

_FURTHER = """# Further parameters; uncomment what your devices need:
# jitter_par  = { prior = "lognormal", median = 0.05, factor = 3.0 } # error that sigma lacks, in the torque unit
# jitter_perp = { prior = "lognormal", median = 0.05, factor = 3.0 }
# dead_layer  = { prior = "normal", mean = 0.3, sd = 0.2, low = 0.0 } # nm that the nominal thickness is too large by
# scatter_a1  = { prior = "lognormal", median = 0.03, factor = 2.0 } # relative spread of a1 between devices
# b1 = { prior = "normal", mean = 0.0, sd = 1.0, low = -5.0, high = 5.0 } # bounds cut a normal prior
# b2 = { ..., scope = "group" }                                      # or "device": own values instead of shared
# [noise]
# model = "student"                                                  # heavy tails instead of normal errors
# dof = 4                                                            # degrees of freedom, or a prior

[sampling]
seed = 1
target_ess = 2000
"""


def _parameters(found: Sequence[Family], *, is_wafer: bool) -> Iterator[str]:
    sizes = sizes_of(series for family in found for series in family.series())
    of_torque = found[0].unit("torque")[0]
    unit = find_unit(of_torque) if of_torque else None
    quantity = (unit.quantity if unit is not None else None) or found[0].quantity_named or None
    layer = _thickest(found) if unit is not None and unit.per == ("volume",) else 1.0
    yield _LENGTHS
    yield from _amplitudes(sizes, quantity, layer)
    measured = {component for family in found for component in family.measured}
    is_torque = quantity == "torque" or (quantity is None and sizes.is_torque is True)
    b0 = few_times(sizes.largest["perp"] * layer) or 1.0
    if is_torque and "perp" in measured and not is_wafer:
        yield f'b0 = {{ prior = "normal", mean = 0.0, sd = {b0!r} }}  # GUESS: a few times the largest T_perp'
        yield "# b0 is a constant of T_perp (Eq. 2): undeclared, b2 takes it up. A torkance has none: then remove it."
    else:
        yield f'# b0 = {{ prior = "normal", mean = 0.0, sd = {b0!r} }}  # torques: a constant of T_perp (Eq. 2), which'
        yield "#                                                     b2 takes up where it is undeclared"
    fitted = {component for family in found if not family.has_errors for component in family.measured}
    for name in ("par", "perp"):
        scatter = float(f"{sizes.scatter[name]:.2g}")
        mark, why = ("", "GUESS: the scatter about smooth curves") if name in fitted else ("# ", 'with sigma = "fit"')
        median = repr(scatter or 0.1)
        if name in fitted and not scatter:
            median, why = '"<error of one point?>"', "in the torque unit"
        yield f'{mark}noise_{name} = {{ prior = "lognormal", median = {median}, factor = 3.0 }}  # {why}'
    yield _FURTHER


def _amplitudes(sizes: Sizes, quantity: str | None, layer: float) -> Iterator[str]:
    a1, b2 = (few_times(size * layer) for size in sizes.amplitudes(quantity))
    per_layer = " times the thickest layer" if layer != 1.0 else ""
    named = ("value at V = 0", "slope") if quantity == "torkance" else ("slope", "curvature")
    for name, sd, seen in zip(("a1", "b2"), (a1, b2), named, strict=True):
        if sd > 0:
            why = f"a few times the largest {seen}{per_layer}"
            yield f'{name} = {{ prior = "normal", mean = 0.0, sd = {sd!r} }}  # GUESS: {why}'
        else:
            yield f'{name} = {{ prior = "normal", mean = 0.0, sd = "<a few times the size of {name}?>" }}'


def _thickest(found: Sequence[Family]) -> float:
    """Thickness in nm of the thickest layer, as far as it is known; 1 nm at least."""
    sizes = [1.0]
    for family in found:
        unit = family.unit("thickness")[0]
        factor = thickness_factor(unit) if unit else 0.0
        sizes += [abs(each) * factor for each in family.numbers("thickness")]
    return max(sizes)
