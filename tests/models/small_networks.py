"""Every registered network in small, with the kind of data that it is for."""

import inspect

import torch
from torch import nn

from symbench.config.registry import module_of, names, resolve
from tests.models.degenerate import SETTINGS, kind_of
from tests.models.small_data import Small

_SMALL_GROUPS = {"layers": 2, "width": 2, "size": 3}
_SMALL_OPERATOR = {"modes": 4, "hidden_channels": 8}
FIELDS: dict[str, list[dict[str, object]]] = {
    "fno": [_SMALL_OPERATOR, {**_SMALL_OPERATOR, "coordinates": True}],
    "fno_published": [_SMALL_OPERATOR],
    "tfno": [_SMALL_OPERATOR],
    "tfno_published": [_SMALL_OPERATOR],
    "unet_classic": [{"init_features": 4}],
    "unet_convnext": [
        {"init_features": 4, "stages": 2, "blocks_per_stage": 1, "blocks_at_neck": 1}
    ],
    "group_convolution": [_SMALL_GROUPS],
    "relaxed_group_convolution": [_SMALL_GROUPS],
    "voxel_network": [{"width": 4}],
}
# Fewer paths than by default, of every sort.
_SEGNN = {"hidden": 8, "layers": 1}
_SEGNN_OF_DEGREES = {**_SEGNN, "largest_degree": 1, "attribute_degree": 2}
SHALLOW: dict[str, list[dict[str, object]]] = {
    "segnn": [_SEGNN],
    "segnn_potential": [_SEGNN],
    "segnn_property": [_SEGNN_OF_DEGREES, {**_SEGNN_OF_DEGREES, "norm": False}],
}


def settings_of(name: str) -> list[dict[str, object]]:
    """Settings to try."""
    return {**SETTINGS, **FIELDS, **SHALLOW}.get(name, [{}])


def data_of(name: str) -> str:
    """The kind of data that a network is for."""
    if module_of("models", name).startswith("symbench.models.fields"):
        return "voxels" if name == "voxel_network" else "fields"
    return kind_of(name)


def network(name: str, settings: dict[str, object], small: Small) -> nn.Module:
    """A network for small data, always the same."""
    factory = resolve("models", name)
    arguments = {**small.data.model_arguments(), **settings}
    if "symmetry" in inspect.signature(factory).parameters:
        arguments["symmetry"] = small.symmetry
    torch.manual_seed(0)
    return factory(**arguments)


NETWORKS = [(name, settings) for name in names("models") for settings in settings_of(name)]
