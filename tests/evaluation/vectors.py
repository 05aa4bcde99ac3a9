"""Small vectors in the plane that the tests of evaluation share, and a study of them."""

from typing import ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from symbench.config.resolve import build_study
from symbench.config.schema import StudySettings
from symbench.data.batch import Batch
from symbench.data.dataset import Data, Dataset, Score, Split
from symbench.evaluation.measure import Measurement
from symbench.evaluation.scores import Metric, own_metric
from symbench.files import write_whole
from symbench.symmetry.grids.isometries import named_group
from symbench.symmetry.symmetry import Symmetry

GROUP = named_group("C4", 2)
MATRICES = torch.tensor(np.stack([element.matrix for element in GROUP.elements])).float()


def rotate(element, values):
    return values @ MATRICES[int(element)].T.to(values)


class Vectors(Dataset):
    """Vectors and their doubles."""

    kind = "points"

    samples: int = 12
    blocks: int = 12
    samples_of_seed: dict[str, int] = Field({})
    scores: ClassVar = (
        Score("mse", "length squared"),
        Score("hit", better="higher"),
        Score("norm"),
    )
    test_sets: ClassVar = ("far",)

    def fetch(self, directory, raw_files, threads=1):
        raise NotImplementedError

    def open(self, directory=None, options=None, seed=0):
        return VectorData(self.samples_of_seed.get(str(seed), self.samples), self.blocks)

    def check_group(self, name):
        named_group(name, 2)


class VectorData(Data[Tensor]):
    def __init__(self, samples=12, blocks=12):
        self.counts = samples, blocks

    def split(self, name):
        return VectorSplit(*self.counts)

    def test_sets(self):
        return {"far": VectorSplit(5, 5, scale=3.0)}

    def model_arguments(self):
        return {}

    def symmetry(self, group, exact=True):
        return Symmetry(named_group(group, 2), rotate, rotate, exact)

    def audit(self, group, dataset):
        return []


class VectorSplit(Split[Tensor]):
    quantities = ("position",)
    scales = {"position": 4.0}  # noqa: RUF012

    def __init__(self, samples, blocks, scale=1.0):
        generator = torch.Generator().manual_seed(samples)
        self.inputs = scale * torch.randn(samples, 2, generator=generator)
        self._blocks = np.arange(samples) % blocks

    @property
    def samples(self):
        return np.arange(len(self.inputs))[:, None]

    @property
    def blocks(self):
        return self._blocks

    def batch(self, rows, generator=None):
        inputs = self.inputs[torch.from_numpy(rows[:, 0])]
        return Batch(inputs, 2 * inputs, len(rows))

    def loss(self, prediction, batch):
        return nn.functional.mse_loss(prediction, batch.targets)

    def scores(self, prediction, batch):
        return {
            "mse": batch.mean_per_sample((prediction - batch.targets).square()),
            "hit": (prediction.argmax(dim=1) == batch.targets.argmax(dim=1)).float(),
            "norm": batch.inputs.norm(dim=1),
        }

    def values_of(self, outputs, batch):
        return {"position": outputs}

    def disturbed(self, batch, generator):
        return batch.inputs + 0.1, 0.1


class Network(nn.Module):
    """Not equivariant; not finite for inputs beyond a length."""

    def __init__(self, bias=0.5, beyond=float("inf")):
        super().__init__()
        self.bias = bias
        self.beyond = beyond
        self.mixing = nn.Parameter(torch.eye(2) + 0.3 * torch.randn(2, 2))

    def forward(self, values):
        moved = values @ self.mixing + self.bias * values.new_tensor([1.0, -0.5])
        return moved.masked_fill(values.norm(dim=1, keepdim=True) > self.beyond, float("nan"))


class Double(nn.Module):
    """Exactly right and equivariant."""

    def __init__(self):
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(2.0))

    def forward(self, values):
        return self.factor * values


def _largest(prediction, batch):
    return (prediction - batch.targets).abs().flatten(1).amax(dim=1)


LARGEST = Metric("largest_error", _largest, "length")

VECTORS = f"{__name__}:Vectors"


def a_study(runs=None, **changes):
    """A study of vectors; keywords replace its settings."""
    content = {
        "title": "t",
        "paper": "p",
        "question": "q",
        "reference_metrics": ["mse"],
        "seeds": [0, 1],
        "evaluations": ["plain", "average"],
        "tasks": {"v": {"dataset": VECTORS, "group": "C4"}},
        "models": {
            "network": {"architecture": f"{__name__}:Network"},
            "double": {"architecture": f"{__name__}:Double"},
        },
        "training": {"epochs": 1, "batch_size": 4, "learning_rate": 0.01},
        "evaluation": {"batch_size": 5},
        "runs": runs or [{"tasks": ["v"], "models": ["*"], "treatments": ["none"]}],
        **changes,
    }
    names = {
        "tasks": {"v", "elsewhere"},
        "models": {"network", "double"},
        "treatments": {"none", "augment"},
    }
    settings = StudySettings.model_validate(content)
    return build_study("s", settings, {}, lambda what: names[what])


def evaluate(study, layout, only=""):
    """Evaluate all runs of a study, without training, and leave the files that there must be."""
    for run in study.runs:
        if only not in str(run):
            continue
        torch.manual_seed(run.seed)
        model = {"network": Network, "double": Double}[run.model](**run.model_settings)
        data = run.task.dataset.open(seed=run.seed)
        symmetry = data.symmetry(run.task.settings.group, run.task.settings.exact)
        metrics = [own_metric(path) for path in run.task.settings.metrics]
        measurement = Measurement(model, data, symmetry, run.evaluation, run.task.dataset, metrics)
        for evaluation in run.evaluations:
            dataset = measurement.run(evaluation)
            dataset.attrs["config"] = run.evaluation_fingerprint
            path = layout.evaluation(run.study, *run.key, evaluation, run.seed)
            with write_whole(path) as temporary:
                dataset.to_netcdf(temporary, engine="h5netcdf")
        write_history(layout, run, "epoch,train_loss,valid_loss,seconds\n0,2,1,0.5\n1,1,0.5,0.7\n")


def write_history(layout, run, text):
    path = layout.trained("history.csv", run.study, *run.key, run.seed)
    with write_whole(path) as temporary:
        temporary.write_text(text)
