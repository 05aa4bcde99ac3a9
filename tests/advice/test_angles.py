"""Violation against the angle of a rotation, where it has a closed form."""

from types import MappingProxyType

import numpy as np
import pandas as pd
import pytest
import torch

from symbench.advice.angles import angles_of, violation_by_angle
from symbench.data.batch import Batch
from symbench.symmetry.grids.isometries import named_group
from symbench.symmetry.points.matrix_groups import OrthogonalGroup, SignGroup
from symbench.symmetry.symmetry import Symmetry
from tests.here import here


def test_angles_of_elements():
    group = named_group("D4", 2)
    angles = dict(zip(map(str, group.elements), angles_of(group), strict=True))
    assert (angles["x,y"], angles["-y,x"], angles["-x,-y"]) == (0, 90, 180)
    assert np.isnan(angles["-x,y"])
    group = named_group("O_h", 3)
    angles = dict(zip(map(str, group.elements), angles_of(group), strict=True))
    assert angles["z,x,y"] == pytest.approx(120)
    # A reflection is a half turn times the inversion.
    assert (angles["-x,-y,-z"], angles["-x,y,z"], angles["-y,x,z"]) == (0, 180, 90)
    assert len(angles_of(SignGroup(3))) == 0


class Points:
    """A split of the two unit vectors of the plane."""

    samples = np.arange(2)[:, None]
    quantities = ("position",)
    scales = MappingProxyType({"position": 4.0})

    def batch(self, rows):
        inputs = torch.eye(2, dtype=torch.float64)[rows[:, 0]]
        return Batch(inputs, inputs, len(rows))

    def values_of(self, outputs, batch):
        return {"position": outputs}


def rotated(element, values):
    return values @ here(torch.as_tensor(element)).mT


def test_a_projection_onto_an_axis_is_violated_by_the_sine_of_the_angle():
    """RᵀDR - D with D = diag(1, 0) has a squared Frobenius norm of 2 sin²."""
    symmetry = Symmetry(OrthogonalGroup(2), rotated, rotated)
    onto_axis = here(torch.diag(torch.tensor([1.0, 0.0], dtype=torch.float64)))
    found = violation_by_angle(lambda x: x @ onto_axis, symmetry, Points(), pd.DataFrame(), 0.5)
    sine = np.sin(np.radians(found.angle))
    np.testing.assert_allclose(found.violation, np.sqrt(2 * sine**2 / 4 / 4) / 0.5, atol=1e-12)
    assert found.angle.iloc[-1] == 180


def test_nothing_is_said_of_signs():
    symmetry = Symmetry(SignGroup(2), lambda g, x: x * g, lambda g, x: x * g)
    elements = pd.DataFrame({"angle": [np.nan], "violation": [0.1]})
    assert violation_by_angle(lambda x: x, symmetry, Points(), elements, 1.0).empty
