"""The audit passes what is exact, and finds exactly the elements that a force breaks."""

import numpy as np
import pytest
import torch

from symbench.data.fields.burgers_3d import Burgers3D
from symbench.data.fields.decaying_turbulence import DecayingTurbulence
from symbench.data.fields.gray_scott import GrayScott
from symbench.data.fields.grid_data import FieldData
from symbench.data.fields.kolmogorov_flow import KolmogorovFlow
from symbench.errors import AuditError
from symbench.symmetry.audit import (
    audit_distribution,
    audit_dynamics,
    judge,
    refuse_broken,
)
from symbench.symmetry.grids.field import Field
from symbench.symmetry.grids.isometries import named_group

from ..conftest import SMALL


def dynamics(family, group, **overrides):
    task = family(**{**SMALL, **overrides})
    starts = task.audit_starts(1)
    return audit_dynamics(task.solve, starts, group, task.state_fields, task.fields, frames=3)


@pytest.mark.parametrize("family", [GrayScott, DecayingTurbulence])
def test_planar_dynamics_is_exact_under_d4_and_shifts(family):
    group = named_group("D4 * shifts(2)", 2)
    assert max(dynamics(family, group)) < 1e-10


def test_cubic_dynamics_is_exact_under_the_whole_cube_group():
    small = {"resolution": 8, "frame_interval": 0.1, "steps_per_frame": 2}
    assert max(dynamics(Burgers3D, named_group("O_h", 3), **small)) < 1e-10


def test_force_of_kolmogorov_flow_leaves_the_half_turn():
    group = named_group("D4", 2)
    errors = dynamics(KolmogorovFlow, group)
    exact = {str(e) for e, error in zip(group.elements, errors, strict=True) if error < 1e-10}
    assert exact == {"x,y", "-x,-y"}
    assert min(error for error in errors if error > 1e-10) > 1e-2


def test_flip_with_half_a_wave_of_shift_is_a_symmetry_of_kolmogorov_flow():
    """x -> -x reverses the force; a shift by half its wave (1/8 of the box) reverses it again."""
    group = named_group("D4 * shifts(8)", 2)
    glide = next(i for i, e in enumerate(group.elements) if str(e) == "-x,y+1/8")
    subgroup = group.subgroup(group.closure([glide]))
    assert max(dynamics(KolmogorovFlow, subgroup)) < 1e-10


def sample(directory):
    data = FieldData(directory)
    split = data.split("train")
    frames = torch.stack([split.frames(t, 0, 12)[::5] for t in range(split.trajectories)])
    return data.normalizer.denormalize(frames, channel_axis=2), data.header.fields


def test_law_of_decaying_turbulence_is_isotropic(turbulence):
    group = named_group("D4", 2)
    frames, fields = sample(turbulence)
    audits = judge(group, None, audit_distribution(frames, group, fields))
    assert all(audit.passed for audit in audits)
    refuse_broken("decaying_turbulence", group, audits)


def test_law_of_kolmogorov_flow_is_refused_with_the_element_that_breaks(kolmogorov):
    group = named_group("D4", 2)
    frames, fields = sample(kolmogorov)
    audits = judge(group, None, audit_distribution(frames, group, fields))
    failed = {audit.element for audit in audits if not audit.passed}
    assert "-x,-y" not in failed
    assert len(failed) >= 2
    with pytest.raises(AuditError, match=r"not a symmetry of kolmogorov_flow: under \(.*chance"):
        refuse_broken("kolmogorov_flow", group, audits)


def test_false_alarms_are_rare():
    """White noise is invariant: over 40 samples of 5 trajectories nothing is refused."""
    group = named_group("D4", 2)
    fields = [Field("s"), Field("v", 1)]
    for seed in range(40):
        noise = torch.randn(5, 2, 3, 8, 8, generator=torch.Generator().manual_seed(seed))
        audits = judge(group, None, audit_distribution(noise, group, fields, seed))
        assert all(audit.passed for audit in audits)


@pytest.mark.parametrize("name", ["D4", "O_h"])
def test_one_weak_component_is_refused(name):
    """The trap: a solver that damped one component by a quarter once passed the audit.

    Twenty trajectories, because an element of order two needs 2^n arrangements to stand out.
    """
    dimension = 2 if name == "D4" else 3
    group = named_group(name, dimension)
    noise = torch.randn(
        20, 3, dimension, *[8] * dimension, generator=torch.Generator().manual_seed(0)
    )
    noise[:, :, 0] *= 0.75
    audits = judge(group, None, audit_distribution(noise, group, [Field("v", 1)]))
    with pytest.raises(AuditError, match="the data differ"):
        refuse_broken("noise", group, audits)


def test_p_values_are_uniform_under_invariance():
    group = named_group("flip_x", 2)
    values = []
    for seed in range(200):
        noise = torch.randn(8, 1, 1, 4, 4, generator=torch.Generator().manual_seed(seed))
        values.append(audit_distribution(noise, group, [Field("s")], seed)[1][1])
    for level in (0.1, 0.3, 0.5):
        share = np.mean(np.array(values) <= level)
        assert abs(share - level) < 4 * np.sqrt(level * (1 - level) / 200) + 1 / 128


def test_dynamics_error_is_named():
    group = named_group("flip_x", 2)
    audits = judge(group, [0.0, 0.25], [(0.0, 1.0), (1.0, 0.5)])
    with pytest.raises(AuditError, match=r"under \(-x,y\).*25\.0%.*1 of 2 elements"):
        refuse_broken("task", group, audits)
