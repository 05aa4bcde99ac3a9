"""`symmetrize` as users of trained models use it: what is right, what is refused in a sentence."""

import copy
import io
import re
import warnings
from collections import OrderedDict

import numpy as np
import pytest
import torch

from symbench import Field, Normalizer, average, symmetrize
from symbench.errors import SymmetryError
from symbench.symmetry.grids.isometries import named_group
from symbench.symmetry.grids.rollouts import rollout, trajectory_average
from symbench.symmetry.grids.symmetrize import field_symmetry
from symbench.symmetry.groups import generate
from symbench.symmetry.symmetry import Symmetry
from symbench.symmetry.testing import assert_equivariant, equivariance_error
from tests.here import here

from ..strategies import Random

FIELDS = [Field("pressure"), Field("velocity", order=1)]
NORMALIZER = Normalizer((0.0, 1.0, 2.0), (1.0, 2.0, 3.0))
close = torch.testing.assert_close


def tried(name, outcome):
    return pytest.mark.tried("symmetrize", name, outcome)


class Local(torch.nn.Module):
    """A network without symmetry that takes grids of any shape."""

    def __init__(self, inputs=3, outputs=3, dimension=2):
        super().__init__()
        convolution = (torch.nn.Conv1d, torch.nn.Conv2d, torch.nn.Conv3d)[dimension - 1]
        torch.manual_seed(0)
        self.first = convolution(inputs, 6, 3, padding=1)
        self.last = convolution(6, outputs, 3, padding=1)

    def forward(self, values):
        return self.last(torch.tanh(self.first(values)))


def local(inputs=3, outputs=3, dimension=2):
    return here(Local(inputs, outputs, dimension).eval())


def inputs(batch=2, channels=3, size=6, dtype=torch.float32):
    generator = torch.Generator().manual_seed(batch + size)
    return here(torch.randn(batch, channels, size, size, dtype=dtype, generator=generator))


@tried("a model that gives its own buffer", "right")
def test_the_output_of_the_model_is_left_alone():
    group = named_group("flip_x", 2)
    ones = here(torch.ones(3))
    averaged = average(lambda _: ones, Symmetry(group, lambda _, x: x, lambda _, y: y))
    assert torch.equal(averaged(torch.zeros_like(ones)), ones)
    assert torch.equal(ones, torch.ones_like(ones))


@tried("training through the average of an invariant model", "right")
def test_training_through_the_average_of_an_invariant_model():
    symmetry = Symmetry(named_group("D4", 2), lambda g, x: x + g, lambda _, y: y)
    weights = here(torch.ones(3)).requires_grad_()
    # The gradient of exp needs what exp gave.
    average(lambda x: (x * weights).exp(), symmetry)(here(torch.zeros(3))).sum().backward()
    steps = here(torch.arange(8.0))
    close(weights.grad, (steps * steps.exp()).mean().expand(3))


@tried("an energy: numbers that no element changes", "right")
def test_outputs_that_are_no_fields():
    energy = torch.nn.Sequential(local(3, 1), torch.nn.Flatten(), torch.nn.Linear(36, 1))
    energy = here(energy.eval())
    model = symmetrize(energy, "D4", FIELDS, output_fields=())
    values = inputs()
    moved = field_symmetry(named_group("D4", 2), FIELDS).act_on_input(3, values)
    close(model(moved), model(values))
    assert not torch.allclose(energy(moved), energy(values))


@pytest.mark.parametrize(("group", "chunk"), [("C4", 1), ("shifts(2)", 3)])
@tried("torch.export with a dynamic batch and other resolutions", "right")
def test_export_with_a_dynamic_batch(group, chunk):
    model = symmetrize(local(), group, FIELDS, normalizer=NORMALIZER, chunk=chunk)
    dynamic = torch.export.Dim.AUTO
    shapes = ({0: dynamic, 2: dynamic, 3: dynamic},)
    exported = torch.export.export(model, (inputs(),), dynamic_shapes=shapes).module()
    for values in (inputs(5), inputs(3, size=8)):
        close(exported(values), model(values))


@tried("torch.compile: fullgraph, dynamic, no call before, other sizes, 0 samples", "right")
@pytest.mark.parametrize("grad", [True, False])
def test_compile_without_an_eager_call_before(grad):
    model = symmetrize(local(4), "C4", FIELDS, constant_fields=[Field("k")], elements="C2")
    torch._dynamo.reset()
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True, dynamic=True)
    with torch.set_grad_enabled(grad):
        for values in (inputs(2, 4), inputs(3, 4, size=8), inputs(0, 4))[: 1 if grad else 3]:
            close(compiled(values), model(values))


@tried("0 samples", "right")
@pytest.mark.parametrize("chunk", [1, 8])
def test_no_samples(chunk):
    model = symmetrize(local(), "D4", FIELDS, chunk=chunk)
    assert model(inputs(0)).shape == (0, 3, 6, 6)
    assert model.moments(inputs(0)).variance.shape == (0, 3, 6, 6)


@tried("torch.jit.trace, then another batch size", "right")
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("chunk", [1, 3])
def test_trace(chunk):
    model = symmetrize(local(), "C4", FIELDS, normalizer=NORMALIZER, chunk=chunk)
    traced = torch.jit.trace(model, inputs())
    close(traced(inputs(5)), model(inputs(5)))


@tried("channels_last", "right")
@pytest.mark.parametrize("constants", [0, 1])
def test_channels_last_is_kept(constants):
    last = torch.channels_last
    fields = [Field(f"constant {n}") for n in range(constants)]
    model = symmetrize(local(6 + constants), "D4", FIELDS, constant_fields=fields)
    values = inputs(channels=6 + constants)
    expected, seen = model(values), []
    model.model.register_forward_pre_hook(
        lambda _, given: seen.append(given[0].is_contiguous(memory_format=last))
    )
    found = model.to(memory_format=last)(values.contiguous(memory_format=last))
    assert all(seen)
    assert found.is_contiguous(memory_format=last)
    close(found, expected)


@tried("bfloat16: averages and trajectory averages", "right")
def test_low_precision_is_accumulated_in_single():
    """256 equal terms: in bfloat16 the sum stays behind."""
    symmetry = field_symmetry(named_group("shifts(16)", 2), [Field("s")])
    values = here(torch.full((1, 1, 16, 16), 1.25, dtype=torch.bfloat16))
    for chunk in (1, 64):
        found = trajectory_average(lambda x: x, symmetry, values, 2, chunk=chunk)
        assert found.dtype == torch.bfloat16
        assert torch.equal(found, values.expand(2, *values.shape))
    assert torch.equal(average(lambda x: x, symmetry)(values), values)


@tried("a trajectory average with chunk=0", "refused")
def test_trajectory_averages_check_their_chunk():
    symmetry = field_symmetry(named_group("C2", 2), [Field("s")])
    with pytest.raises(SymmetryError, match="chunk=0"):
        trajectory_average(lambda x: x, symmetry, torch.zeros(1, 1, 4, 4), 2, chunk=0)


@tried("normalizers of tensors, arrays and lists", "right")
@pytest.mark.parametrize("make", [torch.tensor, np.array, list])
def test_normalizers_of_tensors(make):
    mean, std = [0.0, 1.0, 2.0], [1.0, 2.0, 4.0]
    assert Normalizer(make(mean), make(std)) == Normalizer(tuple(mean), tuple(std))
    by_channel = Normalizer(torch.tensor(mean)[:, None, None], torch.tensor(std)[:, None, None])
    assert by_channel + by_channel == Normalizer(tuple(mean), tuple(std)) * 2


@tried("elements as NumPy or torch integers", "right")
@pytest.mark.parametrize(
    ("elements", "count"),
    [
        (np.int64(3), 3),
        (torch.tensor(3), 3),
        (np.array([0, 2]), 2),
        (torch.arange(8), 8),
        ([np.int32(0), torch.tensor(2)], 2),
    ],
)
def test_integers_of_other_libraries(elements, count):
    chosen = symmetrize(local(), "D4", FIELDS, elements=elements).elements
    assert len(chosen) == count
    assert all(type(element) is int for element in chosen)


@tried("elements that are no subgroup, or twice in the list", "warned")
@pytest.mark.parametrize("elements", [[0, 1], [1], [0, 0, 2], torch.tensor([0, 1])])
def test_no_subgroup(elements):
    with pytest.warns(UserWarning, match="no subgroup of D4"):
        symmetrize(local(), "D4", FIELDS, elements=elements)


@tried("a subgroup by name", "right")
def test_subgroup_by_name():
    model = symmetrize(local().double(), "D4", FIELDS, elements="C4")
    rotations = field_symmetry(named_group("C4", 2), FIELDS)
    whole = field_symmetry(named_group("D4", 2), FIELDS)
    assert_equivariant(model, rotations, inputs(dtype=torch.float64))
    assert equivariance_error(model, whole, inputs(dtype=torch.float64)) > 1e-3


@tried("a model in train mode", "warned")
def test_train_mode():
    with pytest.warns(UserWarning, match="train mode"):
        model = symmetrize(here(Local()), "D4", FIELDS)
    with pytest.warns(UserWarning, match="train mode"):
        model(inputs())
    with pytest.warns(UserWarning, match="train mode"):
        model.moments(inputs())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        symmetrize(model.model.eval(), "D4", FIELDS)(inputs())
    part = torch.nn.Sequential(local(), torch.nn.Dropout2d()).eval()
    part[1].train()
    with pytest.warns(UserWarning, match="a part of it, is in train mode"):
        symmetrize(part, "D4", FIELDS)


class Timed(Local):
    def forward(self, values, time, *, factor=1.0):
        return super().forward(values) * time[:, None, None, None] * factor


@tried("models with more arguments: m(x, t)", "right")
def test_further_arguments_are_passed_on():
    plain, time = here(Timed().eval()), here(torch.tensor([1.0, -2.0]))
    expected = symmetrize(lambda x: plain(x, time, factor=3.0), "D4", FIELDS)(inputs())
    close(symmetrize(plain, "D4", FIELDS)(inputs(), time, factor=3.0), expected)


@tried("inputs by the name that the model has for them; moments of m(x, t)", "right")
def test_arguments_by_name():
    def network(x, time, values=1.0, counts=1.0):
        return x.roll(1, 2) * time * values * counts

    model, named = symmetrize(network, "D4", FIELDS), {"values": 2.0, "counts": 3.0}
    expected = symmetrize(lambda x: network(x, 0.5, **named), "D4", FIELDS).moments(inputs())
    for given in (model(x=inputs(), time=0.5, **named), model(inputs(), 0.5, **named)):
        close(given, expected.mean)
    for found, each in zip(model.moments(inputs(), 0.5, **named), expected, strict=True):
        close(found, each)
    close(symmetrize(lambda x: x, "D4", FIELDS)(values=inputs()), inputs())
    plain = torch.nn.Conv2d(3, 3, 1).eval()
    network = symmetrize(here(plain), "D4", FIELDS)
    close(network(input=inputs()), network(inputs()))
    with pytest.raises(SymmetryError, match="is given inputs: give what is moved first, or as inp"):
        network(inputs=inputs())


@tried("average over the name of a group in place of a symmetry", "refused")
def test_average_asks_for_a_symmetry():
    with pytest.raises(SymmetryError, match="symmetry='D4' is no Symmetry"):
        average(local(), "D4")


@tried("torch.export of m(x, t) with a dynamic batch", "right")
def test_export_with_further_arguments():
    model, dynamic = symmetrize(here(Timed().eval()), "flip_x", FIELDS), {0: torch.export.Dim.AUTO}
    shapes = (dynamic, (dynamic,))
    exported = torch.export.export(model, (inputs(), here(torch.ones(2))), dynamic_shapes=shapes)
    time = here(torch.arange(5.0))
    close(exported.module()(inputs(5), time), model(inputs(5), time))


@tried("increments, with a normalizer of their own", "right")
def test_an_output_normalizer_of_its_own():
    of_increments = Normalizer((0.5, 0.1, -0.2), (2.0, 0.3, 0.7))
    model = symmetrize(
        local().double(), "D4", FIELDS, normalizer=NORMALIZER, output_normalizer=of_increments
    )
    physical = field_symmetry(named_group("D4", 2), FIELDS)

    def in_physical_units(values):
        return of_increments.denormalize(model(NORMALIZER.normalize(values)))

    assert_equivariant(in_physical_units, physical, inputs(dtype=torch.float64))


@tried("other fields in the output: vorticity of velocity", "right")
def test_other_output_fields():
    fields = {"output_fields": [Field("vorticity", parity=-1)]}
    symmetry = field_symmetry(named_group("D4", 2), FIELDS, **fields)
    model = symmetrize(local(3, 1).double(), "D4", FIELDS, **fields)
    assert_equivariant(model, symmetry, inputs(dtype=torch.float64))


@tried("names of groups in 1-D; odd grids; other dimensions", "right")
@pytest.mark.parametrize("name", ["flip", "flip_x", "flips", "shifts(3)", "flip * shifts(3)"])
def test_one_dimension(name):
    model = symmetrize(local(3, 3, 1).double(), name, [Field("p"), Field("u", 1), Field("T", 2)],
                       dimension=1)  # fmt: skip
    values = here(torch.randn(2, 3, 9, dtype=torch.float64))
    assert_equivariant(model, model.symmetry, values)
    mirrored = torch.stack([values[:, 0], -values[:, 1], values[:, 2]], dim=1).flip(2)
    if "flip" in name:
        found = model(mirrored)
        expected = torch.stack([found[:, 0], -found[:, 1], found[:, 2]], dim=1).flip(2)
        close(model(values), expected)


@tried("flips of 3-D fields, by dimension= or the boundaries", "right")
@pytest.mark.parametrize("how", [{"dimension": 3}, {"boundary": ["WALL"] * 3}])
def test_names_that_exist_in_two_dimensions_are_meant_elsewhere(how):
    model = symmetrize(local(3, 3, 3), "flips", [Field("u", 1)], **how)
    assert model.symmetry.group.order == 8


HALF_TURN = generate("half turn", [named_group("C2", 2).elements[1]])
QUARTER_TURN = [[[0, -1], [1, 0]]]


@tried("an own group: by path, as a group, by matrices", "right")
@pytest.mark.parametrize(
    ("group", "order"),
    [
        (f"{__name__}:HALF_TURN", 2),
        (f"{__name__}:QUARTER_TURN", 4),
        (HALF_TURN, 2),
        (QUARTER_TURN, 4),
        (torch.tensor(QUARTER_TURN), 4),
        ([np.diag([1, -1]), np.diag([-1, 1])], 4),
    ],
)
def test_own_groups(group, order):
    model = symmetrize(local().double(), group, FIELDS)
    assert model.symmetry.group.order == order
    assert_equivariant(model, model.symmetry, inputs(dtype=torch.float64))


@tried("a repr", "right")
def test_the_repr_names_the_group():
    assert "group=D4 (8 elements), elements=4" in repr(
        symmetrize(local(), "D4", FIELDS, elements="C4")
    )


@tried("state dicts of the plain model; copies; pickles; part of a larger model", "right")
def test_raw_state_dicts():
    plain = Local()
    torch.nn.init.zeros_(plain.last.weight)
    model = symmetrize(local(), "D4", FIELDS)
    buffer = io.BytesIO()
    torch.save(model, buffer)
    buffer.seek(0)
    loaded = torch.load(buffer, weights_only=False)
    for each in (copy.deepcopy(model), loaded):
        each.load_state_dict(plain.state_dict())
        assert not each.model.last.weight.any()
        each.load_state_dict(model.state_dict())
        assert each.model.last.weight.any()
        weights = {f"0.{key}": value for key, value in plain.state_dict().items()}
        torch.nn.Sequential(each).load_state_dict(weights)
        assert not each.model.last.weight.any()
    assert model.model.last.weight.any()
    with pytest.raises(RuntimeError, match="Missing key"):
        model.load_state_dict({"first.weight": plain.first.weight})


@tried("state dicts saved under data parallelism, compiled, or of a model called module", "right")
def test_state_dicts_of_wrapped_models():
    plain = Local()
    torch.nn.init.zeros_(plain.last.weight)
    for prefix in ("module.", "_orig_mod."):
        weights = {f"{prefix}{key}": value for key, value in plain.state_dict().items()}
        model = symmetrize(local(), "D4", FIELDS)
        model.load_state_dict(weights)
        assert not model.model.last.weight.any()
        nested = {f"0.{key}": value for key, value in weights.items()}
        torch.nn.Sequential(symmetrize(local(), "D4", FIELDS)).load_state_dict(nested)
    named = torch.nn.Sequential(OrderedDict(module=plain))
    model = symmetrize(torch.nn.Sequential(OrderedDict(module=local())).eval(), "D4", FIELDS)
    model.load_state_dict(named.state_dict())
    assert not model.model.module.last.weight.any()


@tried("complex fields, inputs that are not contiguous, float16, autocast", "right")
def test_other_dtypes_and_layouts():
    model = symmetrize(local(), "D4", FIELDS)
    turned = inputs().transpose(2, 3)
    close(model(turned), model(turned.contiguous()))
    wave = inputs() + 1j * inputs(2).flip(0)
    real = symmetrize(lambda x: 2 * x.real, "D4", FIELDS)(wave)
    close(symmetrize(lambda x: x + x.conj(), "D4", FIELDS)(wave).real, real)
    half = copy.deepcopy(model).half()
    close(half(inputs().half()).float(), model(inputs()), rtol=2e-2, atol=2e-2)
    with torch.autocast(inputs().device.type, torch.bfloat16):
        assert model(inputs()).dtype == torch.bfloat16


def two_outputs(values):
    return values, values.mean()


@pytest.mark.parametrize(
    ("model", "values", "options", "message"),
    [
        (two_outputs, inputs(), {}, "gives a tuple"),
        (lambda x: {"y": x}, inputs(), {}, "gives a dict"),
        (lambda x: x.long(), inputs(), {}, "gives torch.int64"),
        (lambda x: x[:, :2], inputs(), {}, "2 channels are not a whole number of frames of 3"),
        (lambda x: x[:1], inputs(), {"chunk": 4}, "gives 1 outputs for 4 batches"),
        (lambda x: x.mean(), inputs(), {"chunk": 4, "output_fields": ()}, "one number for 4"),
        (local(), inputs().long(), {}, "torch.int64 cannot be moved"),
        (local(), inputs(channels=4), {}, "4 channels are not a whole number"),
        (local(), inputs().cpu().numpy(), {}, "input is a ndarray"),
        (local(), inputs()[0], {}, "acts on 2 axes, the grid has 1"),
        (local(), inputs()[..., None], {}, "acts on 2 axes, the grid has 3"),
        (local(), inputs()[..., :4], {}, "shape \\(6, 4\\) cannot carry"),
        (local(), inputs(), {"group": "shifts(4)"}, "fraction of a cell"),
    ],
)
@tried("outputs and inputs that cannot be averaged", "refused")
def test_refused_in_the_first_call(model, values, options, message):
    with pytest.raises(SymmetryError, match=message):
        symmetrize(model, **{"group": "D4", "fields": FIELDS} | options)(values)


@tried("fields among further arguments; further arguments with chunk", "refused")
def test_arguments_that_cannot_be_passed_on():
    model = symmetrize(lambda x, y: x * y, "D4", FIELDS)
    last = inputs().movedim(1, -1)
    for argument in (inputs()[:, :1], inputs()[0, 0], [{"mask": inputs()}], last, last[0]):
        with pytest.raises(SymmetryError, match="seems to be a field"):
            model(inputs(), argument)
    with pytest.raises(SymmetryError, match="chunk=2"):
        symmetrize(lambda x, y: x * y, "D4", FIELDS, chunk=2)(inputs(), 2.0)


@tried("vectors among further arguments, inputs whose last axis is that of channels", "warned")
@pytest.mark.parametrize(
    ("values", "more", "message"),
    [
        (inputs(), (here(torch.ones(2, 2)),), r"shape \(2, 2\) is passed on as it is"),
        (inputs(3), (here(torch.ones(2)),), "if it is a vector"),
        (inputs()[..., :1], (), "Axis y of the grid has one cell"),
        (inputs(), (here(torch.ones(2)), 2.0), None),
        (inputs(), (here(torch.ones(2, 5)), here(torch.ones(2, 1))), None),
    ],
)
def test_arguments_that_may_have_to_be_moved(values, more, message):
    model = symmetrize(lambda x, *_: x, "flips", FIELDS)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model(values, *more)
    assert len(caught) == (message is not None)
    assert all(re.search(message, str(warning.message)) for warning in caught)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"group": "shifts_x(3)", "boundary": ["WALL", "PERIODIC"]}, "not periodic: WALL, PER"),
        ({"group": "shifts(3)", "boundary": "open"}, "not periodic: OPEN, OPEN"),
        ({"group": "flip_x", "boundary": ["WALL|OPEN", "OPEN"]}, "sides whose boundaries differ"),
        ({"group": "C4", "boundary": ["WALL", "PERIODIC"]}, "sides whose boundaries differ"),
        ({"boundary": ["WALLS", "OPEN"]}, "Did you mean 'WALL'"),
        ({"boundary": [0, 1]}, "Unknown boundary '0'"),
        ({"group": "C4", "extent": (2.0, 1.0)}, "the box is 2 x 1"),
        ({"group": "C4", "extent": np.array([1.0, np.nan])}, "positive numbers are allowed"),
        ({"group": "flips", "extent": (1.0, 1.0), "boundary": ["WALL"] * 3}, "has 3"),
        ({"group": "D5"}, "Did you mean 'D4'"),
        ({"group": "d4"}, "Did you mean 'D4'"),
        ({"group": "Oh", "dimension": 3}, "Did you mean 'O_h'"),
        ({"group": "flip_y", "dimension": 1}, "in 1-D.*Did you mean 'flip_x'"),
        ({"group": "shift(4)", "dimension": 1}, "Did you mean 'shifts\\(n\\)'"),
        ({"group": [[[0, 2], [1, 0]]]}, "no signed permutation"),
        ({"group": [[0, 1]]}, "no signed permutation"),
        ({"group": [[[1, 0, 0], [0, 1, 0]]]}, "no signed permutation"),
        ({"group": [torch.eye(2, requires_grad=True)]}, "neither a FiniteGroup"),
        ({"group": ":"}, "Cannot import group ':'"),
        ({"dimension": 0}, "not 0"),
        ({"boundary": 1}, "boundary=1, extent=None: give one of each"),
        ({"extent": 1.0}, "give one of each for each axis"),
        ({"chunk": 1.5}, "chunk=1.5"),
        ({"model": None}, "The model is None"),
        ({"model": Local}, "not a class"),
        ({"group": None}, "neither a FiniteGroup"),
        ({"fields": ["p"]}, "Field\\('name'\\) for a scalar"),
        ({"fields": "p"}, "is no Field"),
        ({"fields": None}, "is no Field"),
        ({"elements": "flip"}, "Did you mean 'flips?_?x?'"),
        ({"elements": "shifts(2)"}, "not an element of D4"),
        ({"elements": 2.5}, "elements=2.5"),
        ({"elements": True}, "elements=True"),
        ({"elements": [True, False] * 4}, "not all in D4"),
        ({"elements": torch.ones(8, dtype=torch.bool)}, "not all in D4"),
        ({"chunk": True}, "chunk=True"),
        ({"dimension": 2.0}, "not 2.0"),
        ({"elements": None}, "elements=None"),
        ({"elements": np.array([True] * 8)}, "not all in D4"),
        ({"elements": [0.0, 1.0]}, "not all in D4"),
        ({"normalizer": (0.0, 1.0)}, "give Normalizer"),
        ({"normalizer": NORMALIZER, "output_fields": [Field("w")]}, "need an output_normalizer"),
        (
            {"normalizer": NORMALIZER, "constant_fields": [Field("mask"), Field("wind", order=1)]},
            "'wind' with a normalizer needs a constant_normalizer",
        ),
        (
            {"normalizer": NORMALIZER, "constant_fields": [Field("coriolis", parity=-1)]},
            "needs a constant_normalizer",
        ),
    ],
)
@tried("boxes, groups, fields, elements and normalizers that do not fit", "refused")
def test_refused_at_once(options, message):
    with pytest.raises(SymmetryError, match=message):
        symmetrize(**{"model": local(), "group": "D4", "fields": FIELDS} | options)


@tried("components given as scalars, a vorticity without its parity", "warned")
@pytest.mark.parametrize(
    ("group", "fields", "message"),
    [
        ("C4", [Field("velocity_x"), Field("velocity_y")], "'velocity_x', 'velocity_y'"),
        ("flips", [Field("u"), Field("v"), Field("p")], "'u', 'v'"),
        ("D4", [Field("vorticity")], "Field 'vorticity' has parity \\+1"),
        ("D4", [Field("magnetic_field", order=1)], "parity=-1"),
        ("shifts(2)", [Field("velocity_x"), Field("velocity_y")], None),
        ("C4", [Field("vorticity"), Field("tracer_x"), Field("u")], None),
        ("D4", [Field("vorticity", parity=-1), *FIELDS], None),
    ],
)
@pytest.mark.parametrize("what", ["fields", "constant_fields", "output_fields"])
def test_names_that_say_something_else(group, fields, message, what):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        symmetrize(local(), group, **{"fields": FIELDS, what: fields})
    assert len(caught) == (message is not None)
    assert all(re.search(message, str(warning.message)) for warning in caught)


@tried("constant fields that no element changes, with a normalizer of the frames alone", "right")
def test_constant_fields_that_need_no_normalizer():
    symmetrize(local(4), "D4", FIELDS, constant_fields=[Field("mask")], normalizer=NORMALIZER)
    wind = [Field("wind", order=1)]
    symmetrize(local(5), "shifts(3)", FIELDS, constant_fields=wind, normalizer=NORMALIZER)


@tried("walls that carry the group", "right")
def test_boxes_that_carry_the_group():
    symmetrize(local(), "shifts_y(3)", FIELDS, boundary=["WALL|OPEN", "PERIODIC"], extent=(2, 1))
    symmetrize(local(), "D4", FIELDS, boundary="WALL", extent=torch.ones(2))


@tried("assert_equivariant: the tolerance of the precision, and NaN", "right")
def test_assert_equivariant_knows_precision_and_sees_nan():
    symmetry = field_symmetry(named_group("D4", 2), FIELDS)
    model = symmetrize(here(Random(3, 3, (6, 6)).eval()), "D4", FIELDS)
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        assert_equivariant(model.to(dtype), symmetry, inputs(dtype=dtype))
    off = symmetrize(local().double(), "C4", FIELDS)
    with pytest.raises(AssertionError, match="allowed 1e-12"):
        assert_equivariant(off, symmetry, inputs(dtype=torch.float64))

    calls = []

    def later_not_finite(values):
        calls.append(None)
        return values / 0 * 0 if len(calls) == 5 else values

    with pytest.raises(AssertionError, match="error nan"):
        assert_equivariant(later_not_finite, symmetry, inputs(), tolerance=1.0)
    assert_equivariant(lambda x: 0 * x, symmetry, inputs())
    with pytest.raises(SymmetryError, match="gives a tuple"):
        assert_equivariant(two_outputs, symmetry, inputs())


def test_rollouts_of_two_precisions_agree():
    model = local().double()
    symmetry = field_symmetry(named_group("D4", 2), FIELDS)
    values = inputs(dtype=torch.float64)
    found = trajectory_average(model, symmetry, values, 2)
    by_hand = [
        [symmetry.act_on_output(symmetry.group.inverse(g), frame)
         for frame in rollout(model, symmetry.act_on_input(g, values), 2)]
        for g in range(8)
    ]  # fmt: skip
    close(found, torch.stack([torch.stack(frames) for frames in by_hand]).mean(dim=0))
