"""Settings of networks: of another type, below zero, and those that only a network minds."""

import pytest

from symbench.config.registry import resolve
from symbench.errors import ConfigError
from symbench.models.settings import check_settings
from tests.models.degenerate import ARGUMENTS

KIND = "points, graphs and shapes"


@pytest.mark.tried(KIND, "settings of networks: other types, negative numbers, zeros", "refused")
@pytest.mark.parametrize(
    ("name", "kind", "settings", "words"),
    [
        ("schnet_potential", "potential", {"free": "no"}, "free is 'no'; give true or false"),
        ("schnet_potential", "potential", {"cutoff": 0.0}, r"cutoff is 0\.0; .* above 0"),
        ("schnet_potential", "potential", {"cutoff": float("nan")}, "cutoff is nan; give a number"),
        ("egnn_property", "property", {"layers": -1}, "layers is -1; give a whole number"),
        ("segnn_property", "property", {"radius": 0}, "radius is 0; give a number above 0"),
        ("graph_circuit", "potential", {"shots": True}, "shots is True; .* number or null"),
        ("egno", "joints", {"time_embedding": 2}, "time_embedding is 2; give an even number but 2"),
        ("egno", "joints", {"time_embedding": 7}, "time_embedding is 7"),
        ("vn_dgcnn", "cloud", {"neighbours": 0}, "neighbours is 0; give one at least"),
        ("segnn", "particles", {"hidden": 1.5}, r"hidden is 1\.5; give a whole number"),
    ],
)
def test_bad_settings_of_networks(name, kind, settings, words):
    def build():
        network = resolve("models", name)
        check_settings(network, settings)
        network(**ARGUMENTS[kind], **settings)

    with pytest.raises(ConfigError, match=words):
        build()


def test_code_of_others_may_take_what_is_below_zero():
    def others(axis: int, names: list[str], rate: float | None = None) -> None: ...

    check_settings(others, {"axis": -1, "names": [1], "rate": 1, "more": None})
    with pytest.raises(ConfigError, match="rate is 'x'; give a number or null"):
        check_settings(others, {"rate": "x"})


def test_zero_channels_are_not_the_default():
    network = resolve("models", "particle_sign_equivariant")
    with pytest.raises(ArithmeticError):
        network(dimension=3, channels=0)
