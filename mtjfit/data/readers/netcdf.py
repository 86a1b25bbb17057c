"""netCDF files, such as QCoDeS exports: variables with their coordinates, units and labels."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from mtjfit.data.readers.hdf5 import refuse_hdf5
from mtjfit.data.readers.sheet import (
    Column,
    Decimal,
    ReadOptions,
    Sheet,
    SourceFile,
    Unpacked,
    cell_text,
    declared_decimal,
    needed,
    third_party,
    whole_or_faulty,
)
from mtjfit.errors import did_you_mean

_HDF5 = b"\x89HDF\r\n\x1a\n"
_CLASSIC = (b"CDF\x01", b"CDF\x02")
_LONGEST = 500


def read_netcdf(source: SourceFile, options: ReadOptions) -> tuple[Sheet, ...]:
    """A sheet for each set of variables with the same dimensions, coordinates first; grids become long tables.

    Places in messages are record numbers. Variables without a dimension become header parameters.
    """
    hdf5 = source.data.startswith(_HDF5)
    modules = ("xarray", "h5netcdf", "h5py") if hdf5 else ("xarray",)
    xarray = needed(source, "netcdf", *modules)
    with third_party(source, "netCDF file", "write it anew, or export CSV"):
        if hdf5:
            refuse_hdf5(source, options)
        # dimensions without names are those of plain HDF5 files
        how = {"engine": "h5netcdf", "phony_dims": "access"} if hdf5 else {"engine": "scipy"}
        with xarray.open_dataset(io.BytesIO(source.data), decode_times=False, cache=False, **how) as data:
            _checked(source, data, options)
            metadata = {str(k): cell_text(v) for k, v in data.attrs.items() if len(cell_text(v)) <= _LONGEST}
            for name, variable in data.variables.items():
                if not variable.dims:
                    metadata[str(name)] = f"{cell_text(variable.values.tolist())} {_unit(variable) or ''}".strip()
            shapes = dict.fromkeys(v.dims for v in data.data_vars.values() if v.dims)
            parts = {", ".join(map(str, dims)): dims for dims in shapes}
            if not parts:
                raise source.fault("holds no variable with a dimension", "export the measured values, too")
            if options.sheet and options.sheet not in parts:
                raise source.fault(f"has no variables along {options.sheet!r}", did_you_mean(options.sheet, parts))
            sheets: list[Sheet] = []
            decimal = declared_decimal(options)
            for part in [options.sheet] if options.sheet else parts:
                one = replace(source, label=f"{source.label}[{part}]") if len(parts) > 1 else source
                read = partial(_tables, one, data, parts[part], metadata, decimal)
                sheets += whole_or_faulty(one.label, "netcdf", part, read)
    return tuple(sheets)


def recognises_netcdf(source: SourceFile) -> bool:
    """True for the marks of HDF5 and of classic netCDF at the beginning."""
    return source.data.startswith((_HDF5, *_CLASSIC))


def _unit(variable: Any) -> str | None:
    return next((cell_text(variable.attrs[key]) for key in ("units", "unit") if variable.attrs.get(key)), None)


def _checked(source: SourceFile, data: Any, options: ReadOptions) -> None:
    """Refuse what unpacks to too much: compressed zeros cost nothing in a file."""
    unpacked = Unpacked(source, options.max_cells, options.max_bytes)
    if len(data.variables) > options.max_columns:
        what = f"holds {len(data.variables)} variables, more than the limit of {options.max_columns}"
        raise source.fault(what, "cut the data or raise max_bytes")
    unpacked.add(0, sum(v.nbytes for v in data.variables.values()))
    cells = sum(math.prod(v.shape) * (1 + len(v.dims)) for v in data.variables.values())
    if cells > options.max_cells:
        what = f"holds {cells} cells, more than the limit of {options.max_cells}"
        raise source.fault(what, "cut the data or raise max_bytes")


def _tables(
    source: SourceFile, data: Any, dims: tuple[Any, ...], metadata: dict[str, str], decimal: Decimal
) -> Iterator[Sheet]:
    shape = tuple(data.sizes[dim] for dim in dims)
    n = math.prod(shape)
    names = [dim for dim in dims if dim in data.variables]
    names += [
        name for name, each in data.coords.items() if each.dims and set(each.dims) <= set(dims) and name not in dims
    ]
    names += [name for name, each in data.data_vars.items() if each.dims == dims]
    for name in names:
        if data[name].dtype.kind == "c":
            raise source.fault(f"variable {str(name)!r} is complex", "export real and imaginary part apart")
    columns = [_column(str(name), data[name], dims, shape, decimal) for name in names]
    if n == 0:
        raise source.fault(f"has no values along {', '.join(map(str, dims))}", "give one record per point")
    yield Sheet(source.label, "netcdf", tuple(columns), tuple(range(1, n + 1)), metadata=metadata, decimal=decimal)


def _column(name: str, variable: Any, dims: tuple[Any, ...], shape: tuple[int, ...], decimal: Decimal) -> Column:
    order = [dim for dim in dims if dim in variable.dims]
    values = np.asarray(variable.transpose(*order).values)
    texts = np.empty(values.shape, dtype=object)
    # before values are repeated: their texts are not copied
    texts.ravel()[:] = [cell_text(value, decimal) for value in values.ravel().tolist()]
    places = tuple(slice(None) if dim in variable.dims else None for dim in dims)
    cells = np.broadcast_to(texts[places], shape).ravel().tolist()
    comment = next((cell_text(variable.attrs[key]) for key in ("long_name", "label") if variable.attrs.get(key)), "")
    return Column(name, _unit(variable), tuple(cells), comment)
