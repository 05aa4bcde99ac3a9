"""The symmetry core: groups, their actions on data, averages and frames of models, and audits.

Nothing here knows a data set, a model or a file.

- `groups`, `group_names`: groups, finite ones with products and subgroups, and their names.
- `symmetry`: a group with its actions on inputs and outputs.
- `argument_names`: how models call their arguments.
- `reynolds`: averaging a model over a group (the Reynolds operator).
- `frame_averaging`: averaging over a frame of each input.
- `audit`: does a symmetry hold, for the dynamics and for the distribution of the data?
- `testing`: `assert_equivariant`, for your own models.
- `grids`: isometries of grids, fields, rollouts, canonical shifts, the public `symmetrize`.
- `points`: signs, rotations, labelled points, principal axes, canonical signs; finite groups and
  quadratures, the roles of arrays, the public `symmetrize_points` and `SymmetrizedCalculator`.
"""
