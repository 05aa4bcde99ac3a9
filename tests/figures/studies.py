"""Small made-up studies with evaluations, for figures and the report: nothing is trained."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from pydantic import Field

from symbench.comparison import compare_study
from symbench.config.resolve import build_study
from symbench.config.run import Run, SweepPoint
from symbench.config.schema import StudySettings
from symbench.config.study import Study
from symbench.data.dataset import Dataset, Score
from symbench.figures.results import StudyResults
from symbench.files import write_json, write_whole
from symbench.layout import Layout

HERE = "tests.figures.studies"
Change = Callable[[xr.Dataset, Run, str], xr.Dataset]


class Made(Dataset):
    """A data set that is never fetched."""

    kind = "points"

    names: list[str] = Field(["mse"], alias="scores")
    further: list[str] = Field([], alias="test_sets")
    dimension: int = 3
    samples: dict[str, int] | None = None

    @property
    def scores(self) -> tuple[Score, ...]:
        higher = ("auc", "accuracy", "oracle_auc")
        return tuple(
            Score(name, better="higher" if name in higher else "lower") for name in self.names
        )

    @property
    def test_sets(self) -> tuple[str, ...]:
        return tuple(self.further)

    def check_group(self, name):
        return None

    def fetch(self, directory, raw_files, threads=1):
        raise NotImplementedError

    def open(self, directory, options, seed):
        raise NotImplementedError


class MadeFields(Made):
    """Fields with trajectories."""

    kind = "fields"
    has_trajectories = True


def study(
    tasks: Mapping[str, object] | None = None,
    models: Mapping[str, Mapping[str, object]] | Sequence[str] = ("first", "second"),
    treatments: Sequence[str] = ("none",),
    evaluations: Sequence[str] = ("plain", "average"),
    seeds: Sequence[int] = (0, 1),
    sweeps: Mapping[str, Sequence[SweepPoint]] | None = None,
    **more: object,
) -> Study:
    """A study with a run of every model and treatment on every task."""
    tasks = tasks or {"points": points()}
    settings = StudySettings.model_validate(
        {
            "title": "A made-up study",
            "paper": "No paper",
            "question": "Does it draw?",
            "reference_metrics": [],
            "seeds": list(seeds),
            "evaluations": list(evaluations),
            "tasks": tasks,
            "models": {
                name: {
                    "architecture": f"{HERE}:model_{name}",
                    **(models[name] if isinstance(models, Mapping) else {}),
                }
                for name in models
            },
            "training": {"epochs": 2, "batch_size": 2, "learning_rate": 0.1},
            "evaluation": {},
            "runs": [{"tasks": ["*"], "models": ["*"], "treatments": list(treatments)}],
            **more,
        }
    )
    known = {"tasks": set(tasks), "models": set(models), "treatments": set(treatments)}
    return build_study("made", settings, sweeps or {}, known.__getitem__)


def points(**parameters: object) -> dict[str, object]:
    """A task of points."""
    return {"dataset": f"{HERE}:Made", "group": "rotations", "parameters": parameters}


def fields(exact: bool = True) -> dict[str, object]:
    """A task of fields."""
    return {
        "dataset": f"{HERE}:MadeFields",
        "group": "D4",
        "exact": exact,
        "parameters": {"scores": ["vrmse"]},
    }


def results(
    made: Study, folder: Path, change: Change | None = None, compare: bool = True
) -> StudyResults:
    """Write evaluations and histories of all runs, compare them, and open the results.

    Args:
        made: the study.
        folder: where to.
        change: what becomes of each evaluation before it is written; None for as it is.
        compare: whether metrics and claims are written.

    """
    layout = Layout(folder / "data", folder / "results")
    for number, run in enumerate(made.runs):
        for evaluation in run.evaluations:
            dataset = evaluated(run, evaluation, number)
            dataset = change(dataset, run, evaluation) if change else dataset
            dataset.attrs |= {"config": run.evaluation_fingerprint, "parameters": 10 + number}
            path = layout.evaluation(made.name, *run.key, evaluation, run.seed)
            with write_whole(path) as temporary:
                dataset.to_netcdf(temporary, engine="h5netcdf")
        write_history(layout, run, [1.0 / (1 + number), 0.5 / (1 + number)])
        record = {"parameters": 10 + number, "seconds": 2.0, "processor": "abacus", "cores": 1}
        write_json(layout.trained("provenance.json", made.name, *run.key, run.seed), record)
    for task in made.tasks:
        audit = pd.DataFrame(
            {
                "element": ["x", "-x"],
                "dynamics_error": [0.0, np.nan],
                "asymmetry": [1.0, 1.0],
                "p_value": [0.5, 0.001],
                "passed": [True, False],
                "verdict": ["holds", "broken"],
                "samples": 20,
                "needed": 0,
            }
        )
        with write_whole(layout.audit(made.name, task)) as temporary:
            audit.to_csv(temporary, index=False)
    if compare:
        compare_study(made, layout)
    return StudyResults(made, layout)


def write_history(layout: Layout, run: Run, losses: Sequence[float]) -> None:
    """A history with these validation losses, an epoch each."""
    history = pd.DataFrame(
        {"epoch": range(len(losses)), "train_loss": losses, "valid_loss": losses}
    )
    with write_whole(layout.trained("history.csv", run.study, *run.key, run.seed)) as temporary:
        history.to_csv(temporary, index=False)


def evaluated(run: Run, evaluation: str, number: int) -> xr.Dataset:
    """An evaluation of four samples, in two blocks, with random scores."""
    rng = np.random.default_rng([number, len(evaluation)])
    fields_ = run.task.dataset.has_trajectories
    dataset = xr.Dataset(coords={"block": ("sample", [0, 0, 1, 1])})
    dataset["seconds_per_sample"] = ("call", rng.uniform(1e-3, 2e-3, 3))
    for name in (score.name for score in run.task.dataset.scores):
        for further in ("", *run.task.dataset.test_sets):
            suffix = f"_{further}" if further else ""
            values = rng.uniform(0.1, 1, 4)
            dataset[f"{name}{suffix}"] = (f"sample{suffix}", values)
            if suffix:
                dataset = dataset.assign_coords(
                    {f"block{suffix}": (f"sample{suffix}", [0, 1, 2, 3])}
                )
        if evaluation == "average":
            dataset[f"{name}_by_elements"] = (("elements", "sample"), rng.uniform(0.1, 1, (2, 4)))
            dataset = dataset.assign_coords(elements=[1, 2])
    if fields_:
        return fields_of(dataset, evaluation, rng)
    dataset["equivariance_error"] = ("sample", np.full(4, 0.0 if evaluation == "average" else 0.1))
    return dataset


def fields_of(dataset: xr.Dataset, evaluation: str, rng: np.random.Generator) -> xr.Dataset:
    """With channels, orbits over two elements, and rollouts of two frames."""
    coords = {"channel": ["u"], "scale": ("channel", [2.0]), "lead_time": [1, 2]}
    dataset["vrmse"] = dataset.vrmse.expand_dims("channel", 1)
    if evaluation == "average":
        errors = rng.standard_normal((4, 1, 2, 5))
        gram = np.einsum("scgx,schx->scgh", errors, errors) / 5
        mean = errors.mean(axis=2, keepdims=True)
        names = ["x,y", "-x,y"]
        coords |= {"element": names, "element_b": names}
        dataset["error_gram"] = (("sample", "channel", "element", "element_b"), gram)
        dataset["variance"] = (("sample", "channel"), np.ones((4, 1)))
        spread = (errors - mean) ** 2
        dataset["orbit_variance"] = (("sample", "channel"), spread.mean(axis=(2, 3)))
        dataset["orbit_distance"] = (("sample", "channel"), spread[:, :, 0].mean(axis=2))
        each = np.sqrt(np.einsum("scgg->sgc", gram))
        dataset["element_vrmse"] = (("sample", "element", "channel"), each)
        average = np.sqrt(gram.mean(axis=(2, 3)))
        dataset["vrmse"] = (("sample", "channel"), average)
        by_elements = np.stack([np.sqrt(gram[:, :, 0, 0]), average])
        dataset["vrmse_by_elements"] = (("elements", "sample", "channel"), by_elements)
    operators = {"plain": ["plain"], "average": ["stepwise", "trajectory"], "frame": ["stepwise"]}
    names = operators[evaluation]
    count = len(names)
    lead = ("operator", "lead_time", "trajectory", "channel")
    dataset["rollout_vrmse"] = (lead, rng.uniform(0.5, 1, (count, 2, 3, 1)))
    dataset["rollout_seconds"] = ("operator", np.ones(count))
    dataset["rollout_peak_memory"] = ("operator", np.full(count, 1e6))
    panel = ("operator", "panel_lead", "channel", "x", "y")
    dataset["panel"] = (panel, rng.standard_normal((count, 1, 1, 6, 6)))
    truth = np.random.default_rng(5).standard_normal((1, 1, 6, 6))
    dataset["panel_truth"] = (panel, np.stack([truth] * count))
    spectrum = ("operator", "panel_lead", "wavenumber")
    for name in ("spectrum", "spectrum_truth"):
        dataset[name] = (spectrum, rng.uniform(0.1, 1, (count, 1, 4)))
    return dataset.assign_coords(
        **coords, operator=names, trajectory=[0, 1, 2], panel_lead=[1], wavenumber=[0, 1, 2, 3]
    )
