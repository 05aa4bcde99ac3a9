"""A graphics card that is none: tensors that say they are on it, with their numbers on the CPU.

Every operation on them is seen: those that wait for a real card or copy to it are written down, and
those that mix devices end in an error. torch's own fake tensors have no numbers, so that code which
reads one could not go on.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_leaves, tree_map_only

import symbench

CARD = torch.device("cuda", 0)
SOURCES = str(Path(symbench.__file__).parent)
# They wait until the card has said a number, or how many numbers there are.
READS = (
    "_linalg_check_errors",
    "_linalg_eigh",
    "_local_scalar_dense",
    "_unique2",
    "bincount",
    "equal",
    "is_nonzero",
    "linalg_qr",
    "masked_select",
    "nonzero",
    "unique_consecutive",
    "unique_dim",
)
# They cost nothing on a card: views, and bookkeeping.
FREE = (
    "_reshape_alias",
    "_unsafe_view",
    "alias",
    "as_strided",
    "detach",
    "empty",
    "empty_like",
    "expand",
    "new_empty",
    "permute",
    "select",
    "slice",
    "split",
    "split_with_sizes",
    "squeeze",
    "t",
    "transpose",
    "unbind",
    "unfold",
    "unsqueeze",
    "view",
    "view_as_complex",
    "view_as_real",
)


class OnCard(Tensor):
    """A tensor on the card.

    Attributes:
        numbers: the tensor on the CPU that stands behind it.

    """

    # Libraries that serve several frameworks choose by this name.
    __module__ = "torch"
    is_meta = False
    is_cuda = True
    numbers: Tensor

    @staticmethod
    def __new__(cls, numbers: Tensor) -> "OnCard":
        """Pretend that a tensor is on the card."""
        strided = numbers.layout == torch.strided
        found = Tensor._make_wrapper_subclass(
            cls,
            numbers.size(),
            strides=numbers.stride() if strided else None,
            storage_offset=numbers.storage_offset() if strided else None,
            dtype=numbers.dtype,
            device=torch.device("meta"),
        )
        found.numbers = numbers
        return found

    @property
    def device(self) -> torch.device:
        """The card."""
        return CARD

    def get_device(self) -> int | None:
        """The number of the card."""
        return CARD.index

    @property
    def data(self) -> Tensor:
        """The same numbers, apart from gradients."""
        return self.detach()

    @data.setter
    def data(self, other: Tensor) -> None:
        Tensor.data.__set__(self, other)
        self.numbers = other.numbers

    def new_tensor(self, numbers: object, **options: object) -> Tensor:
        """Numbers that are copied to the card."""
        return torch.tensor(numbers, **{"dtype": self.dtype, "device": CARD, **options})

    def __getitem__(self, places: object) -> Tensor:
        """Parts; places in lists are copied to the card."""
        if isinstance(places, list) and all(isinstance(each, int) for each in places):
            places = torch.tensor(places, device=CARD)
        return super().__getitem__(places)

    def tolist(self) -> object:
        """The numbers, which are copied from the card."""
        return self.cpu().tolist()

    def __repr__(self) -> str:
        """The numbers."""
        return f"OnCard({self.numbers})"

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        raise AssertionError(f"{function} outside of `pretended_card`.")


class Watch(TorchDispatchMode):
    """What happens on the card.

    Attributes:
        reads: places of the code that wait for a number of the card.
        copies: places of the code that copy from the CPU to the card.
        kernels: how many operations ran on the card.

    """

    def __init__(self) -> None:
        """Nothing has happened."""
        super().__init__()
        self.forget()

    def forget(self) -> None:
        """Begin anew."""
        self.reads: list[str] = []
        self.copies: list[str] = []
        self.kernels = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        name = function.overloadpacket.__name__
        tensors = [each for each in tree_leaves((args, kwargs)) if isinstance(each, Tensor)]
        on_card = [each for each in tensors if isinstance(each, OnCard)]
        # Numbers of the CPU without axes go along with the kernel.
        on_cpu = [each for each in tensors if not isinstance(each, OnCard) and each.ndim]
        wanted = kwargs.get("device")
        to_card = bool(on_card) if wanted is None else torch.device(wanted).type != "cpu"
        if wanted is not None:
            kwargs["device"] = torch.device("cpu")
        self._write_down(name, args, on_card, on_cpu, to_card)
        known = {id(each.numbers): each for each in on_card}
        arguments = tree_map_only(OnCard, lambda each: each.numbers, (args, kwargs))
        with _disable_current_modes():
            found = function(*arguments[0], **arguments[1])
            # Marks that say "the conjugate of this" are not seen from outside.
            found = tree_map_only(Tensor, lambda each: each.resolve_conj().resolve_neg(), found)
        if not to_card:
            return found
        # What is changed in place stays itself.
        return tree_map_only(
            Tensor, lambda each: known[id(each)] if id(each) in known else OnCard(each), found
        )

    def _write_down(
        self,
        name: str,
        args: tuple[object, ...],
        on_card: list[OnCard],
        on_cpu: list[Tensor],
        to_card: bool,
    ) -> None:
        if any(each.device.type == "meta" for each in on_cpu):
            raise AssertionError(f"{place()}: {name} has numbers that were made by new_tensor.")
        moves = name in ("_to_copy", "copy_")
        if moves and to_card and (on_cpu or not on_card):
            self.copies.append(place())
        elif on_card and on_cpu:
            shapes = [tuple(each.shape) for each in on_cpu]
            raise AssertionError(f"{place()}: {name} has {shapes} on the CPU, the rest is not.")
        if on_card and (name in READS or not to_card or (name in INDEXING and masked(args))):
            self.reads.append(place())
        self.kernels += to_card and name not in FREE


INDEXING = ("index", "index_put", "index_put_", "_index_put_impl_")


def masked(args: tuple[object, ...]) -> bool:
    """Whether an operation of `INDEXING` has true and false in place of numbers of rows."""
    return any(each is not None and each.dtype == torch.bool for each in args[1])


def place() -> str:
    """The innermost line of this package's code that runs, or else the innermost of all."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_filename.startswith(SOURCES):
            name = Path(frame.f_code.co_filename).relative_to(SOURCES)
            return f"{name}:{frame.f_code.co_qualname}"
        frame = frame.f_back
    return "elsewhere"


@contextmanager
def pretended_card() -> Iterator[Watch]:
    """A card to which tensors and modules can be moved by `.to(CARD)` inside."""
    # torch makes tensors on a card that is not there only where it believes that all are fake.
    with FakeTensorMode(), Watch() as watch:
        yield watch
