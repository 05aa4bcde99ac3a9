"""Settings of models and treatments that their code does not take are found before any job."""

import inspect
import sys
from importlib import import_module

import pytest

from symbench.config.arguments import check_arguments
from symbench.config.registry import names
from symbench.errors import ConfigError
from tests.config.configs import assert_refused, read

SOURCE = """
import functools

class Base:
    def __init__(self, columns, *, width: int = 3, rate: float | None = None):
        raise RuntimeError("built")

class Inherits(Base):
    pass

class Wider(Base):
    def __init__(self, columns, *, depth: int = 1, **settings):
        super().__init__(columns, **settings)

def make(network, *, scale: float = 1.0, **settings):
    return network(**settings)

build: object = make

def passing_on(**settings):
    return build(Inherits, **settings)

class Elsewhere(object):
    pass

class Open:
    def __init__(self, width, **others):
        pass

@functools.cache
def decorated(width):
    pass

def function(width, /, depth=1):
    pass

later = functools.partial(function, 2)
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    (tmp_path / "of_a_user.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    return "of_a_user"


@pytest.mark.parametrize("name", ["Base", "Inherits"])
def test_settings_that_code_does_not_take(module, name):
    check_arguments("models", f"{module}:{name}", {"width": 4, "columns": "any"})
    with pytest.raises(ConfigError, match=r"setting of model .*'widht'; .* Did you mean 'width'"):
        check_arguments("models", f"{module}:{name}", {"widht": 1})
    with pytest.raises(ConfigError, match="allowed: depth"):
        check_arguments("models", f"{module}:function", {"width": 1})
    assert module not in sys.modules


@pytest.mark.parametrize("name", ["Base", "Inherits", "Wider", "passing_on"])
@pytest.mark.tried("settings", "a width that is text, whatever the code passes it on to", "refused")
def test_settings_of_another_type(module, name):
    check_arguments("models", f"{module}:{name}", {"width": 4, "rate": None})
    check_arguments("models", f"{module}:{name}", {"rate": 2, "columns": []})
    for key, value in (("width", "4"), ("width", 4.5), ("width", True), ("rate", "fast")):
        with pytest.raises(ConfigError, match=f"{key} is {value!r}; give a"):
            check_arguments("models", f"{module}:{name}", {key: value})


@pytest.mark.parametrize(
    ("model", "settings"),
    [
        ("plain_circuit", {"blocks": -1}),
        ("schnet_potential", {"hidden": "8"}),
        ("segnn", {"layers": 2.5}),
        ("fno", {"modes": "12"}),
        ("unet_convnext", {"stages": -1}),
        ("unet_convnext", {"blocks_at_neck": 1.5}),
        ("unet_classic", {"init_features": "8"}),
        ("tfno_published", {"hidden_channels": True}),
        ("segnn_potential", {"norm": "no"}),
        ("segnn_potential", {"layers": 2.5}),
        ("segnn_property", {"largest_degree": "2"}),
    ],
)
def test_settings_of_registered_networks(model, settings):
    with pytest.raises(ConfigError, match="and no number below 0"):
        check_arguments("models", model, settings)


@pytest.mark.parametrize("kind", ["models", "treatments"])
def test_nothing_here_is_silent_about_what_it_takes(kind):
    for name in names(kind):
        with pytest.raises(ConfigError, match="'no_such_setting'"):
            check_arguments(kind, name, {"no_such_setting": 1})


@pytest.mark.parametrize("network", ["fno", "tfno", "unet_classic", "unet_convnext"])
def test_settings_of_the_well_are_those_that_it_takes(network):
    """With the modes of each axis, which are one setting here."""
    made = {"fno": "FNO", "tfno": "TFNO", "unet_classic": "UNetClassic"}.get(
        network, "UNetConvNext"
    )
    theirs = inspect.signature(getattr(import_module(f"the_well.benchmark.models.{network}"), made))
    for name in theirs.parameters:
        given = True if name == "gradient_checkpointing" else 1
        check_arguments("models", network, {name.rstrip("123"): given})


@pytest.mark.parametrize("name", ["Elsewhere", "Open", "decorated", "later", "absent"])
def test_code_that_does_not_say_what_it_takes(module, name):
    check_arguments("treatments", f"{module}:{name}", {"anything": 1})


@pytest.mark.parametrize(
    ("said", "key"),
    [
        ({"models": {"segnn": {"settings": {"hiden": 4}}}}, "models.segnn.settings"),
        (
            {"models": {"segnn": {"per_task": {"nbody": {"hiden": 4}}}}},
            "models.segnn.per_task.nbody",
        ),
        (
            {"treatments": {"constrain": {"method": "constrain", "settings": {"dual_raet": 1}}}},
            "treatments.constrain.settings",
        ),
        (
            {"arms": {"nbody/segnn/constrain": {"treatment": {"dual_raet": 1}}}},
            "arms.nbody/segnn/constrain.treatment",
        ),
    ],
)
def test_settings_in_a_config(tmp_path, said, key):
    read(tmp_path, {}, study="ace")
    assert_refused(tmp_path, said, key, "Did you mean", study="ace")
