"""Model families: one module a family, and the reading of weights.

A model is built by a factory that takes what the data say (for grids: dim_in, dim_out,
n_spatial_dims, spatial_resolution, as The Well's constructors do) and the settings of the config.
"""
