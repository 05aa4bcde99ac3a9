"""Commands and workflow as a user starts them: good runs, and one sentence for each bad input."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from symbench.files import write_whole

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


def run(*arguments, timeout=300, **options):
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "HF_HUB_OFFLINE": "1"}
    return subprocess.run(
        [str(BIN / arguments[0]), *map(str, arguments[1:])],
        capture_output=True,
        text=True,
        timeout=timeout,
        cwd=options.pop("cwd", ROOT),
        env=environment,
        check=False,
        **options,
    )


def overlay(tmp_path, content):
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({"studies": {"group_averaging": content}}))
    return path


def symbench(command, *arguments, config="config/smoke.yaml"):
    return run("symbench", command, "--config", config, *arguments)


def sentence(result):
    """The one sentence on standard error of a command that failed."""
    assert result.returncode == 1, result.stderr
    lines = [line for line in result.stderr.splitlines() if line.startswith("symbench:")]
    assert len(lines) == 1, result.stderr
    assert "Traceback" not in result.stderr
    return lines[0]


def train_arguments(data, output, task="decaying_turbulence", model="fno"):
    names = {"study": "group_averaging", "task": task, "model": model, "treatment": "none"}
    options = {**names, "seed": 0, "data": data, "output": output}
    return [part for key, value in options.items() for part in (f"--{key}", value)]


def test_dry_run_of_the_paper_size_touches_no_network():
    result = run("snakemake", "--dry-run", "--config", "size=paper")
    assert result.returncode == 0, result.stderr
    assert "fetch" in result.stdout
    assert "evaluate_group_averaging" in result.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["size=huge"], "Unknown size 'huge'; allowed: laptop, paper, smoke"),
        (["size=smoke", "studies=gravity"], "Unknown study 'gravity'"),
    ],
)
def test_workflow_refuses_before_any_job(options, message):
    result = run("snakemake", "--cores", "1", "--config", *options)
    assert result.returncode != 0
    assert message in result.stderr + result.stdout


def test_workflow_names_a_wrong_key_of_a_user_file(tmp_path):
    path = overlay(tmp_path, {"tasks": {"gray_scott": {"groop": "D4"}}})
    result = run("snakemake", "-n", "--config", "size=smoke", "--configfile", path)
    assert result.returncode != 0
    assert "tasks.gray_scott.groop': unknown key; allowed here" in result.stderr + result.stdout


def test_group_that_the_audit_refuses(kolmogorov, tmp_path):
    path = overlay(tmp_path, {"tasks": {"kolmogorov_flow": {"exact": True}}})
    arguments = ["--study", "group_averaging", "--task", "kolmogorov_flow", "--data", kolmogorov]
    output = tmp_path / "audit.csv"
    result = symbench("audit", "--config", path, *arguments, "--output", output)
    assert "D4 is not a symmetry of kolmogorov_flow: under (" in sentence(result)
    assert not output.exists()


def test_swap_on_a_grid_that_is_not_square(tmp_path):
    import numpy as np

    from symbench.symmetry.grids.field import Field
    from symbench.data.fields.well_format import read_header, write_file, write_statistics

    data = tmp_path / "data"
    path = data / "train" / "x.hdf5"
    values = np.random.default_rng(0).normal(size=(1, 9, 3, 8, 8)).astype(np.float32)
    write_file(
        path,
        dataset="x",
        fields=[Field("pressure"), Field("velocity", 1)],
        values=values,
        extent=1.0,
        time=np.arange(9.0),
        parameters={},
    )
    import h5py

    with h5py.File(path, "a") as file:
        del file["dimensions/y"]
        file["dimensions/y"] = np.linspace(0, 3, 8)
        file["dimensions/y"].attrs.update({"sample_varying": False, "time_varying": False})
    write_statistics(data / "stats.yaml", [read_header(path)])
    shutil.copytree(data / "train", data / "valid")
    result = symbench("train", *train_arguments(data, tmp_path / "out"))
    assert "swaps axes" in sentence(result)
    assert "not a symmetry of the box" in sentence(result)


@pytest.mark.parametrize("damage", ["truncated", "no statistics", "nan"])
def test_damaged_data(turbulence, tmp_path, damage):
    data = tmp_path / "data"
    shutil.copytree(turbulence, data)
    path = next((data / "train").glob("*.hdf5"))
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:4000])
    elif damage == "no statistics":
        (data / "stats.yaml").unlink()
    else:
        import h5py

        with h5py.File(path, "a") as file:
            file["t0_fields/pressure"][0, 0] = float("nan")
    result = symbench("train", *train_arguments(data, tmp_path / "out"))
    expected = {
        "truncated": "is truncated or no HDF5 file",
        "no statistics": "stats.yaml is missing",
        "nan": "holds values that are not finite",
    }
    assert expected[damage] in sentence(result)
    assert not list((tmp_path / "out").glob("*")) if (tmp_path / "out").exists() else True


def test_settings_that_a_model_does_not_take(turbulence, tmp_path):
    path = overlay(tmp_path, {"models": {"fno": {"settings": {"depth": 3}}}})
    arguments = train_arguments(turbulence, tmp_path / "out")
    result = symbench("train", "--config", path, *arguments)
    assert "Model 'fno' (fno) does not take these settings" in sentence(result)


def test_parameters_that_a_task_does_not_take(tmp_path):
    path = overlay(tmp_path, {"tasks": {"gray_scott": {"parameters": {"resolutoin": 16}}}})
    arguments = [
        "--study",
        "group_averaging",
        "--task",
        "gray_scott",
        "--output",
        tmp_path / "data",
    ]
    result = symbench("fetch", "--config", path, *arguments)
    assert "Task 'gray_scott' (gray_scott) does not take these parameters" in sentence(result)


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("study", "gravity", "Unknown study 'gravity'; allowed: ace, group_averaging"),
        ("task", "gray_scot", "Did you mean 'gray_scott'?"),
        ("model", "unet", "Unknown model 'unet'; allowed: fno, tfno"),
        ("treatment", "mixup", "Unknown treatment 'mixup'; allowed: architecture, augment"),
    ],
)
def test_unknown_names(tmp_path, option, value, message):
    arguments = train_arguments(tmp_path, tmp_path / "out")
    arguments[arguments.index(f"--{option}") + 1] = value
    assert message in sentence(symbench("train", *arguments))


def test_checkpoint_of_another_width(turbulence, tmp_path):
    first = symbench("train", *train_arguments(turbulence, tmp_path / "out"))
    assert first.returncode == 0, first.stderr
    path = overlay(tmp_path, {"models": {"fno": {"settings": {"hidden_channels": 6}}}})
    arguments = train_arguments(turbulence, tmp_path / "evaluations")
    arguments += ["--weights", tmp_path / "out" / "weights.safetensors"]
    result = symbench("evaluate", "--config", path, *arguments)
    assert "the model has" in sentence(result)
    assert not (tmp_path / "evaluations").exists()


def test_killed_training_resumes_to_the_same_weights(turbulence, tmp_path):
    """kill -9 in the middle, then the same command again."""
    slow = overlay(tmp_path, {"training": {"epochs": 8, "samples_per_epoch": 48, "save_every": 2}})
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    command = ["train", "--config", "config/smoke.yaml", "--config", str(slow)]
    assert run("symbench", *command, *train_arguments(turbulence, whole)).returncode == 0
    full = [str(BIN / "symbench"), *command, *map(str, train_arguments(turbulence, broken))]
    process = subprocess.Popen(full, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (broken / "state.pt").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (broken / "weights.safetensors").exists()
    assert run("symbench", *command, *train_arguments(turbulence, broken)).returncode == 0
    name = "weights.safetensors"
    assert (whole / name).read_bytes() == (broken / name).read_bytes()
    assert not (broken / "state.pt").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux")
def test_full_disk_leaves_no_half_written_artifact(tmp_path):
    """A file system of 64 KiB, where one can be mounted; else a limit on the size of files."""
    target = tmp_path / "artifact.bin"
    code = (
        "import resource, signal; from pathlib import Path;"
        "from symbench.files import write_whole;"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536));"
        f"cm = write_whole(Path({str(target)!r}));"
        "path = cm.__enter__();\n"
        "try:\n    path.write_bytes(bytes(10**6))\n"
        "except OSError as error:\n    cm.__exit__(type(error), error, None) or print(error.errno)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert "File too large" in result.stderr or result.stdout.strip() == "27"
    assert list(tmp_path.iterdir()) == []


def test_failed_block_keeps_the_old_artifact(tmp_path):
    target = tmp_path / "table.csv"
    target.write_text("old")

    def write_half() -> None:
        with write_whole(target) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_half()
    assert target.read_text() == "old"
    assert list(tmp_path.glob("[!.]*")) == [target]
