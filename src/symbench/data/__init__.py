"""Task families: data, split, what is predicted, and the symmetry that holds.

One module a family. A family is a class that is built from the parameters of the config and has
`fetch(directory)`, which leaves {train,valid,test}/*.hdf5, stats.yaml and manifest.json there.
Families whose dynamics can be simulated again also offer `simulate_start` and `solve` for the
audit of their symmetry.
"""
