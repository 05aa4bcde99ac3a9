"""The audit: what no training could use is refused before the first one."""

import warnings

import pandas as pd
from torch import nn

from symbench.config.read import Configuration
from symbench.config.run import Run, Task
from symbench.data.batch import ModelInputs
from symbench.data.dataset import Data
from symbench.errors import ConfigError, SymBenchError
from symbench.evaluation.measure import Measurement
from symbench.files import write_json, write_whole
from symbench.models.homotopy import parameters_in_use
from symbench.models.uncompiled import check_compilable
from symbench.provenance import describe
from symbench.stages.data import open_data
from symbench.stages.networks import build_model, build_treatment
from symbench.symmetry.audit import refuse_broken, undecided
from symbench.symmetry.symmetry import Symmetry
from symbench.training.failures import is_too_small_for_batch_norm


def audit_task(configuration: Configuration, task: Task) -> None:
    """Audit the declared symmetry of a task, and refuse here what no training could use.

    Writes one row per element, and warns of what too few samples leave undecided. The networks and
    treatments of all runs of the task are built once, so that settings that they do not take are
    found before anything is trained.

    Raises:
        AuditError: if the symmetry is declared exact and fails.
        SymBenchError: for settings that do not fit data, model or treatment.

    """
    settings = task.settings
    data = open_data(configuration, task)
    audits = data.audit(settings.group, task.dataset)
    if settings.exact:
        refuse_broken(task.name, settings.group, audits)
    if open_question := undecided(task.name, settings.group, audits):
        warnings.warn(open_question, stacklevel=2)
    symmetry = data.symmetry(settings.group, settings.exact)
    study = configuration.study(task.study)
    for runs in study.groups.values():
        if runs[0].task.name == task.name:
            check_run(runs[0], data, symmetry)
    table = pd.DataFrame([{**vars(element), "passed": element.passed} for element in audits])
    layout = configuration.layout
    with write_whole(layout.audit(task.study, task.name)) as temporary:
        table.to_csv(temporary, index=False)
    record = {**describe(task.audit_fingerprint), "undecided": open_question}
    write_json(layout.audit_provenance(task.study, task.name), record)


def check_run(run: Run, data: Data[ModelInputs], symmetry: Symmetry[ModelInputs]) -> None:
    """Raise `SymBenchError` if the settings of a run do not fit data, model or treatment."""
    try:
        if run.checkpoint is None:
            model, _ = build_model(run, data, symmetry)
            if parameters_in_use(model):
                if run.training.compiled:
                    check_compilable(model)
                _check_parts(run, data, model)
                build_treatment(run, symmetry).attach(model)
        Measurement.check(data, symmetry, run.evaluation, run.evaluations)
    except SymBenchError as error:
        raise type(error)(f"{run}: {error}") from None


def _check_parts(run: Run, data: Data[ModelInputs], model: nn.Module) -> None:
    """Raise `ConfigError` if batches are trained in parts of one sample, too few for the model."""
    split = data.split("train")
    if min(run.training.batch_size, len(split.samples)) // run.training.accumulate > 1:
        return
    try:
        model.train()(split.batch(split.samples[:1]).inputs)
    except (ValueError, RuntimeError) as error:
        if not is_too_small_for_batch_norm(error):
            raise
        raise ConfigError(
            "batch norm cannot train on single samples: raise batch_size or lower accumulate."
        ) from None
