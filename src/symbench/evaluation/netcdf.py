"""NetCDF files of evaluations, read whole, in a tenth of the time of `xarray.load_dataset`."""

from pathlib import Path

import h5py
import numpy as np
import xarray as xr

# What NetCDF writes into HDF5 for itself.
_INNER = frozenset(
    {
        "CLASS",
        "DIMENSION_LIST",
        "NAME",
        "REFERENCE_LIST",
        "_NCProperties",
        "_Netcdf4Coordinates",
        "_Netcdf4Dimid",
    }
)


# Values of variables with these are not what is stored.
_CODES = frozenset(
    {"_Unsigned", "add_offset", "calendar", "dtype", "missing_value", "scale_factor"}
)


def load(path: Path) -> xr.Dataset:
    """The data set in a file that xarray wrote through h5netcdf, with all values in memory.

    h5netcdf looks every variable up by its name again for each question, thousands of times a file.

    Raises:
        OSError, KeyError, ValueError: if it is no such file.

    """
    with h5py.File(path, "r") as file:
        stored = dict(file.items())
        dimensions = {
            int(each.attrs["_Netcdf4Dimid"]): name
            for name, each in stored.items()
            if "CLASS" in each.attrs
        }
        variables = {
            name: _variable(each, dimensions)
            for name, each in stored.items()
            # A dimension without coordinates has a place, and no values.
            if not each.ndim or "_Netcdf4Coordinates" in each.attrs
        }
        raw = xr.Dataset(variables, attrs=_attributes(file))
    return _decoded(raw)


def _decoded(raw: xr.Dataset) -> xr.Dataset:
    """What xarray makes of stored variables; plain numbers and texts it need not look at."""
    if not all(map(_is_plain, raw.variables.values())):
        return xr.decode_cf(raw).load()
    coordinates: set[str] = set()
    for variable in raw.variables.values():
        variable.attrs.pop("_FillValue", None)
        coordinates.update(str(variable.attrs.pop("coordinates", "")).split())
    coordinates.update(str(raw.attrs.pop("coordinates", "")).split())
    return raw.set_coords([name for name in sorted(coordinates) if name in raw])


def _is_plain(variable: xr.Variable) -> bool:
    """Whether the values of a variable are those that are stored: NaN is what fills them."""
    fill = variable.attrs.get("_FillValue", np.nan)
    is_time = " since " in str(variable.attrs.get("units", ""))
    return bool(fill != fill) and not is_time and _CODES.isdisjoint(variable.attrs)


def _variable(stored: h5py.Dataset, dimensions: dict[int, str]) -> xr.Variable:
    numbers = stored.attrs["_Netcdf4Coordinates"] if stored.ndim else ()
    if h5py.check_string_dtype(stored.dtype):
        values = np.asarray(stored.asstr()[()], dtype=str)
    else:
        values = stored[()]
    return xr.Variable([dimensions[int(each)] for each in numbers], values, _attributes(stored))


def _attributes(of: h5py.Dataset | h5py.File) -> dict[str, object]:
    """Attributes; HDF5 holds single numbers as arrays of one."""
    # To read lists of references takes longer than all values.
    found = {name: of.attrs[name] for name in of.attrs if name not in _INNER}
    return {
        name: value[0] if isinstance(value, np.ndarray) and value.shape == (1,) else value
        for name, value in found.items()
    }
