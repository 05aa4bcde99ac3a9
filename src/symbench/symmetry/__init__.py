"""The symmetry core: groups, their actions on data, and the ways of imposing them on a model.

Nothing here knows a task, a model or a file. Modules:

- `groups`: finite groups of grid isometries, by name, with products and subgroup lattices.
- `fields`: the action of a group on scalar, vector and tensor fields, in physical units.
- `reynolds`: averaging a model over a group (the Reynolds operator) and the public `symmetrize`.
- `rollouts`: closed-loop prediction, averaged at each step or over whole trajectories.
- `frames`: canonicalised periodic shifts.
- `augment`: random group elements at training.
- `audit`: does a symmetry hold, for the dynamics and for the distribution of the data?
- `testing`: `assert_equivariant`, for your own models.
"""
