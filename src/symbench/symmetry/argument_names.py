"""How models call their arguments."""

import inspect
from collections.abc import Callable

import torch
from torch import nn


def argument_names(model: Callable[..., object]) -> tuple[str, ...]:
    """How a model calls its arguments; empty where it does not tell."""
    # Compiled and parallel models do not tell, and what they wrap does.
    while inner := getattr(model, "_orig_mod", None):
        model = inner
    if isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
        return argument_names(model.module)
    # Those of a model of points that is averaged already.
    own = getattr(getattr(model, "signature", None), "names", None)
    if isinstance(own, tuple):
        return own
    called = model.forward if isinstance(model, nn.Module) else model
    # What TorchScript made has no other signature.
    if isinstance(schema := getattr(called, "schema", None), torch.FunctionSchema):
        return tuple(each.name for each in schema.arguments if each.name != "self")
    try:
        parameters = inspect.signature(called).parameters.values()
    except (TypeError, ValueError):
        return ()
    if any(each.kind == each.VAR_POSITIONAL for each in parameters):
        return ()
    return tuple(each.name for each in parameters if each.kind != each.VAR_KEYWORD)
