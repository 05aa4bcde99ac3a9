"""Tensors, modules, batches and graphs of tests, moved to the device that the tests are for."""

from symbench.devices import chosen_device


def here(movable):
    """What is given, on the processor, or on what `make test DEVICE=...` names.

    Numbers are drawn and weights made on the processor before, the same for every device.
    """
    return movable.to(chosen_device())
