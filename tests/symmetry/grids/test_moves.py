"""Moves of cells and channels: torch alone and the kernel against matrices, and their gradients.

The kernel runs in Triton's interpreter, and is compiled for a GPU that need not be there.
"""

import importlib
import itertools

import numpy as np
import pytest
import torch
from torch.autograd import forward_ad

from symbench import Field, Normalizer, average
from symbench.symmetry.grids import kernel, moves
from symbench.symmetry.grids.fields import FieldAction, InputAction
from symbench.symmetry.grids.isometries import named_group
from symbench.symmetry.grids.symmetrize import field_symmetry

CASES = [
    ("flip * shifts(3)", (33,), ["scalar", "vector", "pseudoscalar"]),
    ("flip", (1,), ["vector"]),
    ("D4", (5, 5), ["scalar", "vector", "tensor"]),
    ("D4", (33, 33), ["vector"]),
    ("flips", (5, 33), ["vector", "pseudoscalar"]),
    ("D4 * shifts(2)", (4, 4), ["vector"]),
    ("O_h", (3, 3, 3), ["vector", "pseudovector"]),
    ("D4h_x", (1, 2, 2), ["vector"]),
    ("D4_y", (33, 2, 33), ["scalar"]),
]
FIELDS = {
    "scalar": Field("p"),
    "vector": Field("v", 1),
    "tensor": Field("T", 2),
    "pseudoscalar": Field("w", parity=-1),
    "pseudovector": Field("B", 1, parity=-1),
}
DTYPES = [torch.float16, torch.bfloat16, torch.float32, torch.float64]


@pytest.fixture
def interpreted(monkeypatch):
    """The kernel as it runs on a CPU."""
    tiles = pytest.importorskip("symbench.symmetry.grids.tiles", exc_type=ImportError)
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    importlib.reload(tiles)
    yield
    monkeypatch.undo()
    importlib.reload(tiles)


@pytest.fixture(params=["torch", "kernel"])
def move(request):
    if request.param == "torch":
        return moves.move
    request.getfixturevalue("interpreted")
    return kernel.move


@pytest.fixture
def by_kernel(interpreted, monkeypatch):
    """Actions choose the kernel, as they do where values lie on a GPU."""
    monkeypatch.setattr(kernel, "takes", lambda values: values.dtype in kernel.DTYPES)


def normal(*shape, dtype=torch.float64, seed=0):
    return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def normalizer_of(channels):
    return Normalizer(normal(channels), normal(channels, seed=1).exp())


def chosen(group):
    """Some elements, in no order; those of small groups more than once."""
    return (group.order - 1, 0, group.order // 2, 3 * group.order // 4)


def by_matrices(element, fields, values):
    """One frame in double precision, shape (batch, channel, *space), cell by cell."""
    shape = np.array(values.shape[2:])
    cells = np.array(list(itertools.product(*map(range, shape))))
    matrix = element.matrix
    # Twice the coordinates, from the centre of the box.
    centred = (2 * cells + 1 - shape) @ matrix.T
    shift = np.array([int(s * n) for s, n in zip(element.shift, shape, strict=True)])
    images = (((centred + shape - 1) // 2) + shift) % shape
    parts, start = [], 0
    for field in fields:
        mixing = np.ones((1, 1))
        for _ in range(field.order):
            mixing = np.kron(mixing, matrix)
        mixing = torch.tensor(mixing) * (element.determinant if field.parity == -1 else 1)
        part = values[:, start : start + len(mixing)]
        parts.append(torch.einsum("ab,nb...->na...", mixing, part))
        start += len(mixing)
    mixed, result = torch.cat(parts, 1), torch.zeros_like(values)
    result[:, :, *images.T] = mixed[:, :, *cells.T]
    return result


@pytest.mark.parametrize("parts", [False, True])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_moves_agree_with_matrices(move, case, parts):
    name, shape, names = case
    group, fields = named_group(name, len(shape)), [FIELDS[each] for each in names]
    elements = chosen(group)
    plain = FieldAction(group, fields)
    normalizer = normalizer_of(plain.channels)
    normalised = FieldAction(group, fields, normalizer)
    values = normal(len(elements) if parts else 1, plain.channels, *shape)
    target = torch.full((len(elements), *values.shape[1:]), torch.nan, dtype=torch.float64)
    each = [values[i : i + 1] if parts else values for i in range(len(elements))]
    for action in (plain, normalised):
        ((table, _),) = action.spans(plain.channels, shape)
        move(table, elements, values, target, parts)
        for found, g, given in zip(target.split(1), elements, each, strict=True):
            if action is plain:
                assert torch.equal(found, by_matrices(group.elements[g], fields, given))
                continue
            physical = normalizer.denormalize(given)
            expected = normalizer.normalize(by_matrices(group.elements[g], fields, physical))
            torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("normalised", [False, True])
def test_all_precisions(move, dtype, normalised):
    """Several frames, and a slice of channels whose rows lie apart in memory."""
    group, fields = named_group("D4", 2), [Field("p"), Field("v", 1)]
    action = FieldAction(group, fields, normalizer_of(3) if normalised else None)
    whole = normal(4, 7, 9, 9).to(dtype)
    values, written = whole[:, :6], torch.zeros(4, 7, 9, 9, dtype=dtype)
    ((table, _),) = action.spans(6, (9, 9))
    elements = (3, 6)
    move(table, elements, values, written[:, 1:], True)
    exact = torch.zeros(4, 6, 9, 9, dtype=torch.float64)
    moves.move(table, elements, values.double(), exact, True)
    assert not written[:, 0].any()
    size = torch.finfo(dtype).eps if normalised else 0.0
    # Each of two operations rounds, or cuts off in the interpreter's bfloat16.
    torch.testing.assert_close(written[:, 1:].double(), exact, rtol=0, atol=16 * size)


def test_kernel_and_torch_give_the_same_numbers(interpreted):
    action = FieldAction(named_group("D4", 2), [Field("p"), Field("v", 1)], normalizer_of(3))
    for dtype in (torch.float32, torch.float64):
        values = normal(2, 3, 5, 5, dtype=dtype)
        values[0, 0, 0] = 0.0
        results = [torch.empty(4, 3, 5, 5, dtype=dtype) for _ in range(2)]
        ((table, _),) = action.spans(3, (5, 5))
        for move, result in zip((moves.move, kernel.move), results, strict=True):
            move(table, (2, 7), values, result, False)
        assert torch.equal(*(result.view(torch.uint8) for result in results))


def test_an_empty_batch(move):
    action = FieldAction(named_group("D4", 2), [Field("v", 1)])
    ((table, _),) = action.spans(2, (5, 5))
    move(table, (0, 3), torch.empty(0, 2, 5, 5), torch.empty(0, 2, 5, 5), False)
    assert action.of_all([0, 3], torch.empty(0, 2, 5, 5)).shape == (0, 2, 5, 5)
    assert action.of_each([0, 3], torch.empty(0, 2, 5, 5)).shape == (0, 2, 5, 5)


def test_blocks_that_hold_part_of_the_batch_or_of_the_steps(monkeypatch):
    action = FieldAction(named_group("O_h", 3), [Field("v", 1)], normalizer_of(3))
    values = normal(5, 4 * 3, 4, 4, 4)
    expected = [action(g, values) for g in range(48)]
    for cells in (1, 3 * 64, 8 * 64):
        monkeypatch.setattr(moves, "_BLOCK", cells)
        assert all(torch.equal(action(g, values), expected[g]) for g in range(48))


def input_action(group, normalised=True):
    normalizers = (normalizer_of(3), normalizer_of(1)) if normalised else (None, None)
    return InputAction(
        FieldAction(group, [Field("p"), Field("v", 1)], normalizers[0]),
        FieldAction(group, [Field("k", parity=-1)], normalizers[1]),
    )


@pytest.mark.parametrize("last", [False, True])
def test_several_elements_are_each_of_them(last):
    action = input_action(named_group("D4", 2))
    elements, values = [1, 6, 0], normal(6, 7, 5, 5)
    if last:
        values = values.contiguous(memory_format=torch.channels_last)
    each = [action(g, values) for g in elements]
    together = action.of_all(elements, values)
    assert torch.equal(together, torch.cat(each))
    assert together.is_contiguous(memory_format=torch.channels_last) == last
    parts = torch.cat([one[2 * i : 2 * i + 2] for i, one in enumerate(each)])
    assert torch.equal(action.of_each(elements, values), parts)


@pytest.mark.parametrize("chunk", [1, 3])
def test_actions_by_the_kernel(by_kernel, chunk):
    """The average, its gradients and those of the input, through the kernel and without."""
    symmetry = field_symmetry(
        named_group("C4", 2),
        [Field("v", 1)],
        constant_fields=[Field("k")],
        normalizer=normalizer_of(2),
        constant_normalizer=normalizer_of(1),
    )
    weights = normal(2, 3, 5, 5, seed=3)

    def gradients():
        values = normal(2, 3, 5, 5).requires_grad_()
        model = average(lambda x: (x * weights[:1]).tanh()[:, :2], symmetry, chunk=chunk)
        output = model(values)
        (first,) = torch.autograd.grad(output.square().sum(), values, create_graph=True)
        (second,) = torch.autograd.grad((first * weights).sum(), values)
        return output, first, second

    found = gradients()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernel, "takes", lambda values: False)
        expected = gradients()
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("way", ["torch", "kernel"])
def test_gradients_agree_with_differences(way, request):
    if way == "kernel":
        request.getfixturevalue("by_kernel")
    action = FieldAction(named_group("C2", 2), [Field("v", 1)], normalizer_of(2))
    values = normal(2, 2, 2, 1).requires_grad_()
    for function in (action.of_all, action.of_each):
        assert torch.autograd.gradcheck(
            lambda x, function=function: function([1, 0], x), values, check_forward_ad=True
        )
    assert torch.autograd.gradgradcheck(
        lambda x: action.of_all([1, 0], x).square(), values, fast_mode=True
    )


def test_transforms_of_functions():
    action = input_action(named_group("D4", 2))
    values, tangent = normal(4, 2, 7, 3, 3), normal(4, 2, 7, 3, 3, seed=1)

    def moved(x):
        return action.of_all([3, 5], x)

    def size(x):
        return (moved(x) ** 3).sum()

    each = torch.stack([moved(x) for x in values])
    assert torch.equal(torch.vmap(moved)(values), each)
    first = values[0].clone().requires_grad_()
    (expected,) = torch.autograd.grad(size(first), first)
    torch.testing.assert_close(torch.func.grad(size)(values[0]), expected)
    torch.testing.assert_close(torch.vmap(torch.func.grad(size))(values)[0], expected)
    _, along = torch.func.jvp(moved, (values[0],), (tangent[0],))
    with forward_ad.dual_level():
        dual = moved(forward_ad.make_dual(values[0], tangent[0]))
        torch.testing.assert_close(forward_ad.unpack_dual(dual).tangent, along)
    linear = input_action(named_group("D4", 2), normalised=False)
    unscaled = torch.func.jvp(lambda x: linear.of_all([3, 5], x), (values[0],), (tangent[0],))[1]
    torch.testing.assert_close(unscaled, linear.of_all([3, 5], tangent[0]))


def test_tensors_without_numbers_are_not_given_to_the_kernel():
    from torch._subclasses.fake_tensor import FakeTensorMode

    action = FieldAction(named_group("D4", 2), [Field("v", 1)])
    with FakeTensorMode() as mode:
        values = torch.empty(2, 2, 4, 4, device="cuda")
        assert not kernel.takes(values)
        assert action.of_all([0, 3], values).shape == (4, 2, 4, 4)
    assert not kernel.takes(mode.from_tensor(torch.empty(2, 2, 4, 4)))
    assert not kernel.takes(torch.empty(2, 2, 4, 4))


def test_without_a_gpu_triton_says_why():
    pytest.importorskip("triton")
    with pytest.warns(UserWarning, match="moved without a kernel, which is slower: Triton says"):
        assert not kernel._runs.__wrapped__(torch.device("cpu"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "shape"), [("D4 * shifts(2)", (70, 70)), ("O_h", (40, 40, 40))])
def test_kernel_and_torch_give_the_same_numbers_on_a_gpu(name, shape, dtype):
    action = FieldAction(named_group(name, len(shape)), [Field("v", 1)], normalizer_of(len(shape)))
    values = normal(3, 2 * len(shape), *shape).to("cuda", dtype)
    assert kernel.takes(values)
    ((table, _),) = action.spans(values.shape[1], shape)
    elements = range(action.group.order)
    by_torch = torch.empty((3 * len(elements), *values.shape[1:]), device="cuda", dtype=dtype)
    moves.move(table, elements, values, by_torch, False)
    assert torch.equal(action.of_all(elements, values), by_torch)


@pytest.mark.parametrize("dtype", ["fp16", "bf16", "fp32", "fp64"])
@pytest.mark.parametrize("options", [False, True])
def test_the_kernel_compiles_for_a_gpu(dtype, options, monkeypatch, tmp_path):
    triton = pytest.importorskip("triton")
    from triton.backends.compiler import GPUTarget

    from symbench.symmetry.grids import tiles

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    names = tiles.move_tile.arg_names
    pointers = {"values": dtype, "moved": dtype, "cells": "i32", "sources": "i32"}
    pointers |= {"scales": "fp64", "offsets": "fp64"}
    constants = {"PARTS": options, "SHIFTED": options, "OFFSETS": options}
    constants |= {"ROWS": 32, "COLUMNS": 32, "DOUBLE": dtype == "fp64"}
    types = {name: "constexpr" if name in constants else "i32" for name in names}
    types |= {name: f"*{pointer}" for name, pointer in pointers.items()}
    source = triton.compiler.ASTSource(
        tiles.move_tile, types, {(names.index(name),): each for name, each in constants.items()}
    )
    made = triton.compile(
        source, target=GPUTarget("cuda", 90, 32), options={"enable_fp_fusion": False}
    )
    assert made.asm["cubin"]
    # Neighbouring threads read and write neighbouring cells.
    assert "threadsPerWarp = [1, 32], warpsPerCTA = [4, 1], order = [1, 0]" in made.asm["ttgir"]
    assert "fma" not in made.asm["ptx"]
