"""The simulated data: physics, reproducibility, and what a user can get wrong."""

import json
import os
import subprocess
import sys

import exponax as ex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from symbench.data.fields.burgers_1d import Burgers1D
from symbench.data.fields.burgers_3d import Burgers3D
from symbench.data.fields.decaying_turbulence import DecayingTurbulence, pressure_and_velocity
from symbench.data.fields.gray_scott import GrayScott
from symbench.data.fields.kolmogorov_flow import KolmogorovFlow, shift_along_y
from symbench.data.fields.well_format import read_frames, read_header
from symbench.data.raw_files import RawFiles
from symbench.errors import ConfigError, DataError, SymmetryError
from symbench.symmetry.grids.isometries import named_group
from tests.conftest import SMALL, fetched


def test_momentum_equation_holds_for_the_stored_fields():
    """u_t + (u·∇) u + ∇p = ν Δu with the derived velocity and pressure, by finite differences."""
    with jax.enable_x64(True):
        task = DecayingTurbulence(
            **{**SMALL, "resolution": 32, "frame_interval": 2e-3, "steps_per_frame": 1}
        )
        fields = jnp.asarray(task.solve(task.audit_starts(1), 3))[0]
        before, now, after = fields
        velocity, extent = now[1:], task.extent
        jacobian = ex.derivative(velocity, extent)
        rate = (after[1:] - before[1:]) / (2 * task.frame_interval)
        advection = jnp.einsum("j...,ij...->i...", velocity, jacobian)
        laplacian = ex.derivative(velocity, extent, order=2).sum(axis=1)
        residual = rate + advection + ex.derivative(now[:1], extent) - 2e-3 * laplacian
        divergence = jnp.einsum("ii...->...", jacobian)
        scale = float(jnp.abs(advection).max())
        # The mean over space of each term is left out: the solver steps vorticity.
        residual -= residual.mean(axis=(1, 2), keepdims=True)
        assert float(jnp.abs(divergence).max()) < 1e-10 * scale
        assert float(jnp.sqrt((residual**2).mean())) < 2e-2 * scale


def test_energy_decays_at_the_viscous_rate():
    """dE/dt = -ν <w²> for two-dimensional flow without a force."""
    task = DecayingTurbulence(**{**SMALL, "resolution": 32, "frame_interval": 0.01})
    states = task.audit_starts(1)
    fields = task.solve(states, 2)[0]
    energy = (fields[:, 1:] ** 2).sum(axis=1).mean(axis=(1, 2)) / 2
    rate = (energy[1] - energy[0]) / 0.01
    assert rate == pytest.approx(-2e-3 * (states**2).mean(), rel=0.03)


def test_pressure_of_a_taylor_green_vortex():
    """Closed form: u = (sin x cos y, -cos x sin y), p = (cos 2x + cos 2y) / 4."""
    x = jnp.arange(16) * 2 * jnp.pi / 16
    x, y = jnp.meshgrid(x, x, indexing="ij")
    curl = 2 * jnp.sin(x) * jnp.sin(y)
    p, u, v = pressure_and_velocity(-curl[None], 2 * jnp.pi)
    np.testing.assert_allclose(u, jnp.sin(x) * jnp.cos(y), atol=1e-5)
    np.testing.assert_allclose(v, -jnp.cos(x) * jnp.sin(y), atol=1e-5)
    np.testing.assert_allclose(p, (jnp.cos(2 * x) + jnp.cos(2 * y)) / 4, atol=1e-5)


def test_shift_by_half_a_cell_and_back():
    wave = jnp.cos(2 * jnp.pi * 3 * (jnp.arange(16) + 0.5) / 16)[None, None]
    nodes = jnp.cos(2 * jnp.pi * 3 * jnp.arange(16) / 16)[None, None]
    np.testing.assert_allclose(shift_along_y(wave, -0.5), nodes, atol=1e-6)
    np.testing.assert_allclose(shift_along_y(shift_along_y(wave, -0.5), 0.5), wave, atol=1e-6)


def test_uniform_state_of_gray_scott_follows_the_reaction():
    """Without gradients the PDE is the reaction ODE; compared with scipy."""
    from scipy.integrate import solve_ivp

    task = GrayScott(**{**SMALL, "frame_interval": 20.0, "steps_per_frame": 200})
    physics = task.physics_of("gliders")
    start = np.array([0.6, 0.3])

    def reaction(_, state):
        a, b = state
        return [physics["f"] * (1 - a) - a * b**2, a * b**2 - (physics["f"] + physics["k"]) * b]

    expected = solve_ivp(reaction, (0, 20), start, rtol=1e-10, atol=1e-12).y[:, -1]
    states = np.broadcast_to(start[None, :, None, None], (1, 2, 16, 16))
    got = task.solver("gliders", 2)(states)[0, 1, :, 0, 0]
    np.testing.assert_allclose(got, expected, rtol=1e-4)


def test_regimes_are_those_of_the_well():
    regimes = {name: (r["f"], r["k"]) for name, r in GrayScott.regimes().items()}
    assert regimes == {
        "gliders": (0.014, 0.054),
        "bubbles": (0.098, 0.057),
        "maze": (0.029, 0.057),
        "worms": (0.058, 0.065),
        "spirals": (0.018, 0.051),
        "spots": (0.03, 0.062),
    }


def test_same_seed_same_files_and_other_seed_other_files(tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        settings = {**SMALL, "resolution": 8, "frames": 5, "seed": seed}
        fetched(Burgers3D(**settings), tmp_path / name)
    path = "train/burgers_3d_decay.hdf5"
    frames = [read_frames(read_header(tmp_path / name / path), 0, 0, 5) for name in "abc"]
    assert (frames[0] == frames[1]).all()
    assert (frames[0] != frames[2]).any()


def test_splits_share_no_trajectory(turbulence):
    starts = []
    for split in ("train", "valid", "test"):
        header = read_header(next((turbulence / split).glob("*.hdf5")))
        starts += [read_frames(header, t, 0, 1).tobytes() for t in range(header.trajectories)]
    assert len(set(starts)) == len(starts) == 9


def test_manifest_lists_every_file_and_the_parameters(turbulence):
    manifest = json.loads((turbulence / "manifest.json").read_text())
    assert manifest["licence"] == "CC0-1.0"
    assert manifest["parameters"]["seed"] == 0
    assert manifest["parameters"]["physics"]["decay"]["viscosity"] == 2e-3
    assert set(manifest["files"]) == {
        "stats.yaml",
        *(f"{split}/decaying_turbulence_decay.hdf5" for split in ("train", "valid", "test")),
    }


@pytest.mark.tried("simulations", "a step that is far too large", "refused")
def test_simulation_that_blows_up_names_regime_split_and_trajectories(tmp_path):
    task = Burgers3D(
        **{**SMALL, "resolution": 8, "frame_interval": 5.0, "steps_per_frame": 1, "seed": 7},
        physics={"viscosity": 1e-4, "start_velocity": 50.0},
    )
    expected = (
        r"burgers_3d blew up: regime decay, split train, trajectories 0, .*; regime decay, split "
        r"valid, trajectories 0 \(1 of 1\).* of seed 7; use more steps_per_frame than 1, or leave "
        "it out"
    )
    with pytest.raises(DataError, match=expected):
        task.fetch(tmp_path, RawFiles())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.tried("simulations", "no step given: the stable one against a quarter of it", "right")
@pytest.mark.parametrize(
    ("simulation", "change", "tolerance"),
    [
        (Burgers1D, {"resolution": 64, "frame_interval": 0.3}, 2e-2),
        (DecayingTurbulence, {}, 1e-4),
        (KolmogorovFlow, {}, 1e-4),
        (GrayScott, {"frame_interval": 60.0}, 2e-2),
    ],
)
def test_the_chosen_step_agrees_with_a_finer_one(simulation, change, tolerance):
    task = simulation(**{**SMALL, **change, "steps_per_frame": None})
    regime, starts = next(iter(task.regimes())), task.audit_starts(1)
    chosen = task.stable_steps(regime, starts)
    assert chosen > 1
    coarse, fine = (task.solver(regime, 3, 0, steps)(starts) for steps in (None, 4 * chosen))
    error = np.linalg.norm(coarse[:, -1] - fine[:, -1])
    assert 0 < error < tolerance * np.linalg.norm(fine[:, -1])


@pytest.mark.tried("simulations", "faster flow, finer grid, longer frames, a strong force", "right")
def test_the_chosen_step_follows_speed_cells_and_frames():
    def steps(simulation=Burgers1D, physics=None, **change):
        task = simulation(
            **{**SMALL, "resolution": 64, "steps_per_frame": None, **change}, physics=physics or {}
        )
        return task.stable_steps("forced" if simulation is KolmogorovFlow else "decay", starts)

    starts = Burgers1D(**{**SMALL, "resolution": 64}).audit_starts(2)
    speed = np.abs(starts).max()
    assert steps() == np.ceil(0.2 * speed * 64 / (2 * np.pi) / 0.5)
    assert steps(frame_interval=2.0) == np.ceil(2 * speed * 64 / (2 * np.pi) / 0.5)
    starts = 0 * starts
    assert steps() == 1
    starts = np.zeros((1, 1, 64, 64))
    still, pushed = (
        steps(KolmogorovFlow, {"forcing_strength": strength}) for strength in (0.0, 100.0)
    )
    assert still == 1
    assert pushed > 20


@pytest.mark.tried("simulations", "one trajectory in nine blows up by the stable step", "right")
def test_only_what_blows_up_is_solved_again(tmp_path, monkeypatch, capsys):
    """Others keep their numbers; the log and the manifest say how many took more steps."""
    settings = {**SMALL, "resolution": 32, "frames": 3, "steps_per_frame": None}
    plain, task = Burgers1D(**settings), Burgers1D(**settings, seed=0)
    calm = fetched(plain, tmp_path / "calm")
    solver = Burgers1D.solver

    def fragile(self, regime, frames, warm_up=0, steps=None):
        def solve(states):
            values = solver(self, regime, frames, warm_up, steps)(states).copy()
            if len(states) > 1:
                values[7] = np.nan
            return values

        return solve

    monkeypatch.setattr(Burgers1D, "solver", fragile)
    again = fetched(task, tmp_path / "again")
    frames = {}
    for folder in (calm, again):
        header = read_header(folder / "test/burgers_1d_decay.hdf5")
        frames[folder] = [read_frames(header, t, 0, 3) for t in range(2)]
    np.testing.assert_array_equal(frames[again][1], frames[calm][1])
    np.testing.assert_allclose(frames[again][0], frames[calm][0], atol=1e-2)
    steps = json.loads((again / "manifest.json").read_text())["parameters"]["steps_per_frame"]
    chosen = min(map(int, steps["decay"]))
    assert steps == {"decay": {str(chosen): 9, str(2 * chosen): 1}}
    assert f"1 of these blew up, and took {2 * chosen}" in capsys.readouterr().out


@pytest.mark.tried("simulations", "a step that is too large, though nothing blows up", "warned")
def test_a_step_that_does_not_resolve_the_flow_is_warned_of(tmp_path):
    task = Burgers1D(**{**SMALL, "resolution": 64, "frame_interval": 0.5, "steps_per_frame": 6})
    with pytest.warns(UserWarning, match="burgers_1d, regime decay: steps_per_frame 6 do not"):
        fetched(task, tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"resolution": 3}, "resolution of KolmogorovFlow is 3: .* equal to 4"),
        ({"resolution": 16.0}, "resolution of KolmogorovFlow is 16.0"),
        ({"frames": 0}, "frames of KolmogorovFlow is 0: .* equal to 1"),
        ({"frames": True}, "frames of KolmogorovFlow is True"),
        ({"frame_interval": 0}, "frame_interval of KolmogorovFlow is 0: .* greater than 0"),
        ({"frame_interval": "0.2"}, "frame_interval of KolmogorovFlow is '0.2'"),
        ({"steps_per_frame": 0}, "steps_per_frame of KolmogorovFlow is 0: .* equal to 1"),
        ({"warm_up": -1}, "warm_up of KolmogorovFlow is -1: .* equal to 0"),
        ({"seed": -1}, "seed of KolmogorovFlow is -1"),
        ({"seed": False}, "seed of KolmogorovFlow is False"),
        ({"trajectories": {"train": 1}}, "trajectories of KolmogorovFlow: 'valid' is missing"),
        ({"trajectories": {"train": 0, "valid": 1, "test": 1}}, r"train of \w+ is 0"),
        ({"trajectories": 5}, "trajectories of KolmogorovFlow is 5: .* dictionary"),
        ({"physics": {"viscosty": 1.0}}, "'viscosty'.*Did you mean 'viscosity'"),
        ({"physics": {"viscosity": True}}, "physics.viscosity of KolmogorovFlow is True"),
        ({"physics": {"forcing_waves": 2.5}}, r"physics.forcing_waves is 2\.5; .* whole number"),
        ({"physics": 0}, "physics of KolmogorovFlow is 0"),
    ],
)
def test_bad_parameters_are_named(change, message):
    with pytest.raises(ConfigError, match=message):
        KolmogorovFlow(**{**SMALL, **change})


def test_groups_are_those_of_the_dimension():
    GrayScott(**SMALL).check_group("D4 * shifts(4)")
    with pytest.raises(SymmetryError, match="Unknown group 'O_h' in 2-D"):
        GrayScott(**SMALL).check_group("O_h")
    Burgers3D(**SMALL).check_group("O_h")


def test_dynamics_errors_are_those_of_the_chosen_elements():
    dataset = KolmogorovFlow(**{**SMALL, "frame_interval": 0.5})
    errors = dataset.dynamics_errors("D4", range(8))
    # Only the half turn about the centre of the box maps the force to itself.
    assert [error < 1e-6 for error in errors] == [
        str(element) in ("x,y", "-x,-y") for element in named_group("D4", 2).elements
    ]
    assert dataset.dynamics_errors("D4", [3, 1]) == pytest.approx([errors[3], errors[1]])


@pytest.mark.parametrize(
    "module", ["gray_scott", "burgers_3d", "kolmogorov_flow", "well", "voxels"]
)
def test_modules_that_the_config_is_checked_with_import_nothing_heavy(module):
    heavy = "torch", "jax", "exponax", "equinox", "huggingface_hub", "h5py", "scipy", "the_well"
    code = (
        f"import sys, symbench.data.fields.{module}\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_compiled_solver_of_burgers_agrees_with_the_interpreter():
    """The trap: compiled in single precision, the 3-D solver decays some components too fast."""
    task = Burgers3D(**{**SMALL, "resolution": 32, "frame_interval": 0.1, "steps_per_frame": 2})
    states = task.audit_starts(1)
    compiled = task.solve(states, 2)[0, 1]
    with jax.enable_x64(True):
        stepper = task.stepper(0.05, task.physics_of("decay"))
        interpreted = stepper(stepper(jnp.asarray(states[0])))
    np.testing.assert_allclose(compiled, interpreted, atol=1e-10)


def test_components_of_burgers_decay_alike():
    """An isotropic law at the start stays isotropic: the trap that the audit of the data missed."""
    task = Burgers3D(**{**SMALL, "resolution": 32, "frame_interval": 0.3, "steps_per_frame": 9})
    spread = task.solve(task.audit_starts(3), 2)[:, 1].std(axis=(0, 2, 3, 4))
    assert spread.max() / spread.min() < 1.1


def jax_of_simulations(**environment: str) -> list[str]:
    """In a process of its own: what JAX was told when it was imported by a simulation."""
    code = f"""
import os, sys
from symbench.config import registry
for name in registry.names("datasets"):
    registry.resolve("datasets", name)
assert "jax" not in sys.modules
registry.resolve("datasets", "decaying_turbulence")(**{SMALL}).audit_starts(1)
import jax
print(jax.config.jax_platforms, os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"])
"""
    variables = {
        name: value for name, value in os.environ.items() if not name.startswith(("JAX", "XLA"))
    }
    command = [sys.executable, "-c", code]
    return subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True, env=variables | environment
    ).stdout.split()


def test_simulations_leave_gpus_alone():
    assert jax_of_simulations() == ["cpu", "false"]


def test_jax_does_what_the_environment_says():
    said = {"JAX_PLATFORMS": "", "XLA_PYTHON_CLIENT_PREALLOCATE": "true"}
    assert jax_of_simulations(**said) == ["true"]
