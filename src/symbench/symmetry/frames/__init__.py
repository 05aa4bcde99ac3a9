"""Frames: equivariance by moving each input to its canonical poses and back.

A frame F(x) is a small set of elements, chosen by the input itself so that F(g x) = F(x) g^-1;
averaging a model over it instead of over the group,

    f_F(x) = 1/|F(x)| sum_{g in F(x)} psi(g)^-1 f(phi(g) x),

is exactly equivariant. A frame of one element is a canonicalisation.
Source: Puny et al., arXiv 2110.03336; Kaba et al., arXiv 2211.06489.

- `averaged`: a model averaged over the frame of a symmetry.
- `shifts`: canonical periodic shifts of a grid.
- `principal_axes`: frames of O(d) for point clouds: principal axes, minimal frame.
- `signs`: canonical signs of eigenvectors.
"""
