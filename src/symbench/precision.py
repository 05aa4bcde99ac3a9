"""In which precision a GPU multiplies numbers that are stored in single precision."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def tf32(allowed: bool) -> Iterator[None]:
    """Let matrix products and convolutions on a GPU round their factors to TF32, or not.

    TF32 has the range of float32 and 11 significant bits in place of 24. By itself torch takes it
    for convolutions and not for products; here both are alike, for as long as the context lasts.
    """
    products, convolutions = torch.backends.cuda.matmul, torch.backends.cudnn
    before = products.allow_tf32, convolutions.allow_tf32
    products.allow_tf32 = convolutions.allow_tf32 = allowed
    try:
        yield
    finally:
        products.allow_tf32, convolutions.allow_tf32 = before
