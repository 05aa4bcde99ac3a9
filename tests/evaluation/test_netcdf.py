"""Evaluations are read as xarray reads them."""

import numpy as np
import pytest
import xarray as xr

from symbench.evaluation.netcdf import load
from tests.figures import studies


@pytest.mark.parametrize("evaluation", ["plain", "average"])
@pytest.mark.parametrize("task", [studies.points(), studies.fields()], ids=["points", "fields"])
@pytest.mark.parametrize("coded", [False, True], ids=["plain", "coded"])
def test_a_file_is_read_as_xarray_reads_it(tmp_path, task, evaluation, coded):
    (run, *_) = studies.study({"task": task}).runs
    made = studies.evaluated(run, evaluation, 0)
    made["number"] = 3.5
    made["missing"] = ("sample", [1.0, np.nan, np.inf, 0.0])
    made["seconds"] = ("sample", [1, 2, 3, 4], {"units": "s"})
    made["nothing"] = ("none", np.zeros(0))
    made = made.assign_coords(unit=("sample", ["meV", "meV/Å", "", "1"]), lone=2)
    made.attrs |= {"seed": 3, "diverged": [1, 2], "text": "Å", "packages": "{}"}
    packed = {}
    if coded:
        made["flags"] = ("sample", [True, False, True, True])
        made["times"] = ("sample", np.arange(4).astype("datetime64[ns]"))
        packed = {"missing": {"dtype": "i2", "scale_factor": 0.5, "_FillValue": -1}}
        made["missing"] = made.missing.where(np.isfinite(made.missing))
    made.to_netcdf(path := tmp_path / "made.nc", engine="h5netcdf", encoding=packed)
    expected, found = xr.load_dataset(path, engine="h5netcdf"), load(path)
    xr.testing.assert_identical(found, expected)
    assert set(found.coords) == set(expected.coords)
    for name, values in expected.variables.items():
        assert found[name].dtype == values.dtype
    assert [*map(type, found.attrs.values())] == [*map(type, expected.attrs.values())]


def test_another_file_is_refused(tmp_path):
    (path := tmp_path / "made.nc").write_text("no HDF5")
    with pytest.raises(OSError, match="file"):
        load(path)
