"""Frames of O(d) and canonical signs: equivariant where they are unique, and how they fail."""

import warnings

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from symbench.errors import ConfigError, SymmetryError
from symbench.symmetry.frame_averaging import FrameAveraged
from symbench.symmetry.points.actions import rotate
from symbench.symmetry.points.canonical_signs import (
    canonical_signs,
    laplacian_signs,
    largest_entry_signs,
)
from symbench.symmetry.points.matrix_groups import OrthogonalGroup, SignGroup
from symbench.symmetry.points.principal_axes import (
    minimal_frame,
    principal_axes,
    principal_frame,
    relative_gap,
    rotations_of,
    sign_patterns,
)
from symbench.symmetry.symmetry import Symmetry
from symbench.symmetry.testing import assert_equivariant, equivariance_error
from tests.here import here


def cloud(dimension, points=None, samples=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shape = (samples, points or dimension + 2, dimension)
    return here(torch.randn(shape, dtype=torch.float64, generator=generator))


def model_of(dimension):
    """A network on single points with no symmetry at all."""
    torch.manual_seed(1)
    model = torch.nn.Sequential(
        torch.nn.Linear(dimension, 16), torch.nn.Tanh(), torch.nn.Linear(16, dimension)
    )
    return here(model.double())


@given(st.integers(2, 6), st.integers(0, 100))
def test_frames_of_principal_axes_make_any_model_equivariant(dimension, seed):
    symmetry = Symmetry(OrthogonalGroup(dimension), rotate, rotate, frame=principal_frame)
    points = cloud(dimension, seed=seed)
    model = FrameAveraged(model_of(dimension), symmetry)
    elements = symmetry.group.sample(4, torch.Generator().manual_seed(seed))
    error = equivariance_error(model, symmetry, points, elements)
    assert error < 1e-9 / float(relative_gap(points).min())


@given(st.integers(2, 6), st.integers(0, 100))
def test_minimal_frame_has_one_element_and_is_equivariant(dimension, seed):
    symmetry = Symmetry(OrthogonalGroup(dimension), rotate, rotate, frame=minimal_frame)
    points = cloud(dimension, seed=seed)
    assert minimal_frame(points).shape == (1, 3, dimension, dimension)
    elements = symmetry.group.sample(4, torch.Generator().manual_seed(seed))
    assert_equivariant(
        FrameAveraged(model_of(dimension), symmetry), symmetry, points, 1e-8, elements
    )


def test_frames_do_not_see_order_or_position_of_points():
    points = cloud(3, 6)
    shift = here(torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64))
    moved = points[:, here(torch.randperm(6))] + shift
    for frame in (principal_frame, minimal_frame):
        first, second = frame(points), frame(moved)
        # The sign of each axis is arbitrary in the first; the set of all patterns is the same.
        distance = (first[:, None] - second[None]).abs().amax(dim=(3, 4))
        assert float(distance.amin(dim=1).max()) < 1e-9


def test_the_frame_holds_all_patterns_and_one_is_a_canonicalisation():
    points = cloud(3)
    assert principal_frame(points).shape == (8, 3, 3, 3)
    assert principal_frame(points, sign_patterns(3)[3:4]).shape == (1, 3, 3, 3)
    variances, _ = principal_axes(points)
    assert (variances[:, :-1] >= variances[:, 1:]).all()
    pose = rotate(principal_frame(points)[0], points)
    centred = pose - pose.mean(dim=1, keepdim=True)
    covariance = centred.mT @ centred / points.shape[1]
    torch.testing.assert_close(covariance, torch.diag_embed(variances), atol=1e-10, rtol=0)


def test_principal_axes_jump_where_the_gap_closes():
    """The discontinuity is real: an ever smaller move of points turns the axes by 45°."""
    base = here(torch.tensor([[1.0, 0], [-1, 0], [0, 1], [0, -1]], dtype=torch.float64))
    turned, gaps = [], []
    for size in (1e-2, 1e-4, 1e-6):
        stretched = base * here(torch.tensor([1 + size, 1.0], dtype=torch.float64))
        sheared = base @ here(torch.tensor([[1.0, size], [size, 1.0]], dtype=torch.float64))
        axes = [principal_axes(points[None])[1][0, :, 0] for points in (stretched, sheared)]
        turned.append(float((axes[0] @ axes[1]).abs()))
        gaps.append(float(relative_gap(stretched[None])))
    assert gaps[0] > gaps[1] > gaps[2]
    assert all(abs(cosine - 0.5**0.5) < 1e-3 for cosine in turned)


@pytest.mark.tried("degenerate clouds", "three points for a minimal frame in space", "refused")
def test_minimal_frame_needs_enough_points():
    with pytest.raises(SymmetryError, match="at least 4 points"):
        minimal_frame(cloud(3, 3))


LINE = [[0.0, 0, 0], [1, 2, -1], [2, 4, -2], [5, 10, -5]]
PLANE = [[0.0, 0, 0], [1, 3, 0], [4, 1, 0], [2, -3, 0]]
TRIANGLE = [[3.0, 0, 0], [-3, 0, 0], [0, 2, 0], [0, 0, 1]]
TETRAHEDRON = [[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]
SPECIAL = {
    "points on a line": LINE,
    "points in a plane": PLANE,
    "two points as far from the centroid": TRIANGLE,
    "corners of a tetrahedron": TETRAHEDRON,
    "points at one place": [[1.0, 2, 3]] * 4,
}


def turned(points, dtype=torch.float64):
    element = OrthogonalGroup(3).sample(1, torch.Generator().manual_seed(2))[0]
    return here((torch.tensor([points]).double() @ element.mT).to(dtype))


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            name,
            marks=pytest.mark.tried("degenerate clouds", f"minimal frame of {name}", "refused"),
        )
        for name in SPECIAL
    ],
)
def test_minimal_frame_refuses_points_in_no_general_position(name):
    points = torch.cat([cloud(3, 4), turned(SPECIAL[name])])
    with pytest.raises(SymmetryError, match="1 of 4 clouds are in no general position"):
        minimal_frame(points)


@pytest.mark.tried("degenerate clouds", "minimal frame of a triangle in single precision", "warned")
def test_minimal_frame_warns_where_rounding_decides_between_distances():
    assert minimal_frame(cloud(3, 4).float()).isfinite().all()
    with pytest.warns(UserWarning, match="Rounding alone keeps 1 of 1 clouds"):
        minimal_frame(turned([[3.0, 0, 0], [-3, 0, 1e-6], [0, 2, 0], [0, 0, 1]], torch.float32))


@pytest.mark.parametrize(
    ("points", "open_axes"),
    [
        pytest.param(points, left, marks=pytest.mark.tried("degenerate clouds", what, outcome))
        for points, left, what, outcome in (
            (LINE, False, "principal axes of a line", "right"),
            (PLANE, False, "principal axes of a plane", "right"),
            (LINE[:1], False, "principal axes of a single point", "right"),
            (LINE[:2], False, "principal axes of two points", "right"),
            (TETRAHEDRON, True, "principal axes of a tetrahedron", "refused"),
            ([[1.0, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0]], True, "a square's axes", "refused"),
        )
    ],
)
@pytest.mark.parametrize("proper", [False, True])
def test_principal_axes_are_equivariant_or_refused(points, open_axes, proper):
    def frame(values):
        found = principal_frame(values)
        return rotations_of(found) if proper else found

    symmetry = Symmetry(OrthogonalGroup(3, proper), rotate, rotate, frame=frame)
    elements = symmetry.group.sample(4, torch.Generator().manual_seed(0))
    model, values = FrameAveraged(model_of(3), symmetry), turned(points)
    if open_axes:
        with pytest.raises(SymmetryError, match="equal variances along some"):
            model(values)
    else:
        assert_equivariant(model, symmetry, values, 1e-9, elements)


def test_vectors_across_a_line_leave_its_axes_open():
    line = turned(LINE)
    along = principal_axes(line)[1][:, :, 0][:, None]
    assert principal_frame(line, others=[2 * along]).shape == (8, 1, 3, 3)
    with pytest.raises(SymmetryError, match="equal variances"):
        principal_frame(line, others=[cloud(3, 1, 1)])


def test_no_gap_between_axes_of_points_at_one_place():
    assert relative_gap(here(torch.ones(2, 4, 3))).tolist() == [0, 0]


def handedness(points):
    """Of the first three points about the centroid: a reflection changes its sign."""
    centred = points - points.mean(dim=1, keepdim=True)
    return torch.linalg.det(centred[:, :3])


@pytest.mark.tried("audits", "SO(3) with a frame of principal axes, chiral model", "right")
def test_frames_of_rotations_keep_what_is_chiral():
    """Frames of O(3) average it away."""
    points = cloud(3, seed=1)
    expected = handedness(points)
    assert float(expected.abs().min()) > 0.01

    def averaged(group, frame):
        return FrameAveraged(handedness, Symmetry(group, rotate, lambda g, y: y, frame=frame))(
            points
        )

    torch.testing.assert_close(
        averaged(OrthogonalGroup(3, True), lambda x: rotations_of(principal_frame(x))), expected
    )
    assert float(averaged(OrthogonalGroup(3), principal_frame).abs().max()) < 1e-12
    with pytest.raises(SymmetryError, match=r"Elements of SO\(3\)"):
        averaged(OrthogonalGroup(3, True), principal_frame)


@pytest.mark.parametrize("dimension", [2, 3, 5])
def test_the_half_of_a_frame_that_does_not_reflect(dimension):
    points = cloud(dimension)
    found = rotations_of(principal_frame(points))
    assert found.shape == (2 ** (dimension - 1), 3, dimension, dimension)
    torch.testing.assert_close(torch.linalg.det(found), here(torch.ones(found.shape[:2]).double()))
    distances = (found[:, None] - found[None]).abs().amax(dim=(3, 4))
    assert float((distances + 9 * here(torch.eye(len(found)))[..., None]).min()) > 1e-3


@pytest.mark.parametrize("rule", ["largest_entry", "laplacian"])
@given(st.integers(0, 200))
def test_canonical_signs_do_not_see_signs_or_order(rule, seed):
    generator = torch.Generator().manual_seed(seed)
    vectors = here(torch.randn(9, 4, dtype=torch.float64, generator=generator))
    flips = here(1 - 2 * torch.randint(2, (4,), generator=generator).double())
    order = here(torch.randperm(9, generator=generator))
    signs = canonical_signs(rule)
    canonical = vectors * signs(vectors)
    torch.testing.assert_close(vectors * flips * signs(vectors * flips), canonical)
    torch.testing.assert_close(signs(vectors[order]), signs(vectors))


def test_laplacian_canonisation_decides_where_the_largest_entries_cancel():
    """+1 and -1 are as large: the first class cancels, the second decides."""
    column = here(torch.tensor([[1.0], [-1.0], [-0.5], [-0.5]]))
    assert float(laplacian_signs(column)) == -1
    with pytest.warns(UserWarning, match="as symmetric as its negative"):
        assert float(largest_entry_signs(column)) == 1
    assert float(laplacian_signs(-column)) == 1


@pytest.mark.tried(
    "degenerate clouds", "an eigenvector that is as symmetric as its negative", "warned"
)
@pytest.mark.parametrize("rule", [laplacian_signs, largest_entry_signs])
def test_a_column_like_its_negative_gets_a_warning(rule):
    symmetric = here(torch.tensor([[1.0], [-1.0], [0.5], [-0.5]]))
    for column in (symmetric, -symmetric):
        with pytest.warns(UserWarning, match="as symmetric as its negative"):
            assert float(rule(column)) == 1


@pytest.mark.parametrize("rule", [laplacian_signs, largest_entry_signs])
def test_columns_of_zeros_keep_their_sign_without_a_word(rule):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert rule(here(torch.zeros(3, 2))).tolist() == [1, 1]


def test_signs_of_batches_and_unknown_rules():
    vectors = here(torch.randn(5, 7, 3))
    batched = largest_entry_signs(vectors)
    for graph, signs in zip(vectors, batched, strict=True):
        assert torch.equal(largest_entry_signs(graph), signs)
    with pytest.raises(ConfigError, match="largest_entry"):
        canonical_signs("largest")


def test_no_frame_no_frame_averaging():
    symmetry = Symmetry(OrthogonalGroup(3), rotate, rotate)
    with pytest.raises(SymmetryError, match=r"no frame for O\(3\)"):
        FrameAveraged(model_of(3), symmetry)


def test_one_random_pattern_is_equivariant_in_expectation_only():
    """Its mean over many patterns is the exact frame average."""
    points, model = cloud(3), model_of(3)
    patterns = SignGroup(3).sample(4000, torch.Generator().manual_seed(0))

    def averaged(signs):
        def frame(values):
            return principal_frame(values, signs)

        symmetry = Symmetry(OrthogonalGroup(3), rotate, rotate, frame=frame)
        return FrameAveraged(model, symmetry)(points).detach()

    exact, one, many = averaged(None), averaged(patterns[:1]), averaged(patterns)
    assert float((one - exact).abs().max()) > 0.05
    assert float((many - exact).abs().max()) < 0.05


@pytest.mark.tried(
    "degenerate clouds", "a cloud that is not finite, as of a diverged network", "right"
)
def test_clouds_that_are_not_finite_stay_so_and_others_are_framed():
    points = cloud(3)
    points[1] = float("nan")
    points[2, 0, 0] = float("inf")
    with torch.autocast(points.device.type, torch.bfloat16):
        axes = principal_axes(points)[1]
    torch.testing.assert_close(axes[:1], principal_axes(points[:1])[1])
    assert (points @ axes).isfinite().all(dim=(1, 2)).tolist() == [True, False, False]
