"""Fields on a grid: simulated PDEs, The Well and folders in its schema, voxels."""
