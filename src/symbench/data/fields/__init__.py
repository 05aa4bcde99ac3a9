"""Fields on a grid: simulated PDEs, The Well, voxels.

- `gray_scott`, `decaying_turbulence`, `kolmogorov_flow`, `burgers_3d`: data sets to simulate;
  `simulation` is what they share.
- `well`: data sets of The Well, or any folder in its schema; `well_format` and `well_writer` read
  and write it.
- `voxels`: shapes as occupied cells.
- `field_dataset`: what data sets of fields that vary in time share; `grid_data`: their
  trajectories as batches; `metrics`: errors and spectra.
"""
