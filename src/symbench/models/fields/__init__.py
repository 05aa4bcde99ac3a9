"""Fields on grids: surrogates of partial differential equations, and shapes in voxels."""
