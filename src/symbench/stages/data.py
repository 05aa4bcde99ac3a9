"""Data of tasks and published weights, fetched and opened."""

import shutil
from pathlib import Path

from symbench.config.read import Configuration
from symbench.config.run import Task
from symbench.data.batch import ModelInputs
from symbench.data.dataset import Data
from symbench.data.manifest import check_data, write_manifest
from symbench.data.raw_files import RawFiles
from symbench.errors import DataError, choose
from symbench.files import copy_near, write_whole


def fetch_data(configuration: Configuration, task: Task, threads: int = 1) -> None:
    """Simulate or download the data of a task; the manifest comes last."""
    directory = configuration.data_folder(task)
    directory.mkdir(parents=True, exist_ok=True)
    raw_files = RawFiles(configuration.raw_files)
    manifest = task.dataset.fetch(directory, raw_files, threads)
    write_manifest(directory, manifest, task.settings.dataset, task.data_fingerprint, raw_files)


def fetch_published(configuration: Configuration, weights: str) -> None:
    """Download the published weights of a fingerprint; raises `DataError` if there are none."""
    from symbench.hub import download

    taken = configuration.published[choose(weights, configuration.published, "published weights")]
    for target in configuration.layout.published_files(weights):
        path = download(str(taken.repository), target.name, revision=taken.revision)
        with write_whole(target) as temporary:
            shutil.copyfile(path, temporary)


def open_data(configuration: Configuration, task: Task, seed: int = 0) -> Data[ModelInputs]:
    """The data of a task for a seed, checked against their manifest and the config."""
    directory = configuration.data_folder(task)
    check_data(directory, task.data_fingerprint, RawFiles(configuration.raw_files))
    near = copy_near(
        directory, configuration.scratch, lambda copy: _is_whole(copy, task.data_fingerprint)
    )
    return task.dataset.open(near, task.options, seed)


def _is_whole(copy: Path, fingerprint: str) -> bool:
    """Whether a copy of data on a node is what was copied."""
    try:
        check_data(copy, fingerprint)
    except DataError:
        return False
    return True
