"""From YAML files to a checked configuration; the only reader of config.

A size file in config/sizes says what a size differs in; the file of each study in config/studies
lies below it; overlays lie on top. A file that names a `size` replaces, one that names a `base`
lies upon it. Every mistake is one sentence that names the file, the key, the value, what is allowed
and the nearest name. Nothing here imports torch: the workflow plans thousands of jobs in seconds.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from symbench.config import registry
from symbench.config.mistakes import MisplacedError, at, placed, validated
from symbench.config.patterns import Everywhere, matching
from symbench.config.resolve import build_study
from symbench.config.run import SweepPoint, Task
from symbench.config.schema import Checkpoint, Configured
from symbench.config.study import Study
from symbench.config.sweeps import with_sweeps
from symbench.config.yaml_files import (
    Content,
    Layer,
    mapping,
    merge,
    merged,
    parse,
    read_yaml,
    without,
)
from symbench.data.raw_files import FOLDERS_VARIABLE, RawFiles
from symbench.errors import ConfigError, choose
from symbench.layout import Layout, from_home
from symbench.strict_yaml import one_line

DEFAULT_SIZE = "laptop"
CONFIG = Path("config")


@dataclass(frozen=True)
class Configuration:
    """All that the config says, checked.

    Attributes:
        size: of the size file.
        name: of the folder of results.
        layout: every path.
        studies: by name.
        files: the size file and all overlays, in order.
        overrides: single keys set on top, as "studies.ace.training.epochs=3".
        raw_files: folders where raw files are looked for.
        scratch: folder of a node for data, if any.
        limit_gb: how much may be downloaded at once, if that is limited.
        left_out: a sentence for each optional study whose raw files are not at hand.

    """

    size: str
    name: str
    layout: Layout
    studies: dict[str, Study]
    files: tuple[Path, ...]
    overrides: tuple[str, ...] = ()
    raw_files: tuple[Path, ...] = ()
    scratch: str | None = None
    limit_gb: float | None = None
    left_out: tuple[str, ...] = ()

    @cached_property
    def data(self) -> dict[tuple[str, str], Task]:
        """A task for each folder of data: tasks that describe their data alike share one."""
        return {
            (task.dataset_folder, task.data_fingerprint): task
            for study in self.studies.values()
            for task in study.tasks.values()
        }

    @property
    def published(self) -> dict[str, Checkpoint]:
        """Weights that come from the Hub, by the fingerprint of their repository."""
        return {
            run.published: run.checkpoint
            for study in self.studies.values()
            for run in study.runs
            if run.published is not None and run.checkpoint is not None
        }

    def study(self, name: str) -> Study:
        """A study by name; raises `ConfigError` if it is not in the configuration."""
        return self.studies[choose(name, self.studies, "study")]

    def data_folder(self, task: Task) -> Path:
        """Where the data of a task are."""
        return self.layout.data_folder(task.dataset_folder, task.data_fingerprint)


def read_configuration(
    files: Sequence[Path] = (),
    studies: Sequence[str] | None = None,
    *,
    size: str | None = None,
    overrides: Sequence[str] = (),
    folder: Path = CONFIG,
) -> Configuration:
    """Read and check config files.

    Args:
        files: a size file or overlays, in order.
        studies: names of the studies to keep; by default those that overlays name, or else all.
        size: the size that overlays without a base lie upon; laptop by default.
        overrides: single keys on top of all files, as "studies.ace.training.epochs=3".
        folder: the folder of config; where a size file is given, the one that it lies in.

    Raises:
        ConfigError: for the first mistake found.

    """
    given = [Path(file) for file in files]
    # Overlays may lie anywhere: sizes are those beside a size file that is given with them.
    beside = [_folder(path) for path in given if "size" in read_yaml(path)]
    chain = _chain(given, size, beside[0] if beside else folder)
    folder = _folder(chain[0])
    layers = [(str(path), read_yaml(path)) for path in chain]
    layers += [(f"set '{one_line(text)}'", _override(text)) for text in overrides]
    try:
        return _checked(chain, layers, studies, overrides)
    except MisplacedError as error:
        raise placed(error, [*_study_layers(chain, layers), *layers]) from None


def read_as_run(
    files: Sequence[Path], studies: Sequence[str], overrides: Sequence[str] = ()
) -> Configuration:
    """The configuration of results that are there: raw files of its studies were at hand."""
    there = [f"studies.{study}.optional=false" for study in studies]
    return read_configuration(files, studies, overrides=[*overrides, *there])


def _checked(
    chain: Sequence[Path],
    layers: Sequence[Layer],
    asked: Sequence[str] | None,
    overrides: Sequence[str],
) -> Configuration:
    """The configuration that files and overrides say, each as a layer; see `read_configuration`."""
    folder = _folder(chain[0])
    together = without(merged(layers), "base")
    contents: Content = {}
    sweeps: dict[str, dict[str, list[SweepPoint]]] = {}
    for name in _chosen_studies(together, layers[1 : len(chain)], asked, folder):
        said = mapping(together["studies"])[name]
        content = merge({name: read_yaml(_study_file(name, folder))}, {name: said})[name]
        with at("studies", name):
            contents[name], sweeps[name] = with_sweeps(content)
    parsed = validated({**together, "studies": contents or together.get("studies")})
    everywhere = {
        name: _Everywhere(folder, name, chain, mapping(said))
        for name, said in mapping(together.get("studies")).items()
    }
    # A job is asked for one study alone, of a configuration whose patterns are for several.
    _check_only_tasks(parsed, [everywhere[name] for name in (everywhere if asked else contents)])
    built = {}
    for name, settings in parsed.studies.items():
        with at("studies", name):
            built[name] = build_study(
                name, settings, sweeps[name], everywhere[name], parsed.only_tasks, parsed.scratch
            )
        if not built[name].runs:
            raise MisplacedError(["only_tasks"], f"no run of {name} is left.")
    with at("raw_files"):
        raw_files = tuple(folder.parent / from_home(path) for path in parsed.raw_files)
    with at("data"):
        data = from_home(parsed.data)
    with at("results"):
        results = from_home(parsed.results)
    lacking = _lacking(built, RawFiles(raw_files))
    for name, sentence in lacking.items():
        if name in (asked or ()) or len(lacking) == len(built):
            raise MisplacedError(["studies", name], sentence)
    name = parsed.name or parsed.size
    return Configuration(
        size=parsed.size,
        name=name,
        layout=Layout(data, results / name),
        studies={name: study for name, study in built.items() if name not in lacking},
        files=tuple(chain),
        overrides=tuple(overrides),
        raw_files=raw_files,
        scratch=parsed.scratch,
        limit_gb=parsed.limit_gb,
        left_out=tuple(f"{name} is left out: {sentence}" for name, sentence in lacking.items()),
    )


def _lacking(studies: Mapping[str, Study], raw_files: RawFiles) -> dict[str, str]:
    """A sentence for each optional study that needs a raw file which is not at hand."""
    found = {}
    for name, study in studies.items():
        if not study.settings.optional:
            continue
        needed = [file for task in study.tasks.values() for file in task.dataset.raw_files_needed]
        needed += [
            run.checkpoint.file for run in study.runs if run.checkpoint and run.checkpoint.file
        ]
        if missing := [file for file in dict.fromkeys(needed) if raw_files.find(file) is None]:
            found[name] = (
                f"it needs {', '.join(missing)} in or below a folder of {FOLDERS_VARIABLE} or of "
                "the key 'raw_files'."
            )
    return found


def _study_file(name: str, folder: Path) -> Path:
    files = {path.stem: path for path in (folder / "studies").glob("*.yaml")}
    with at("studies", name):
        if not files:
            raise ConfigError(f"there is no file of a study in {folder / 'studies'}.")
        return files[choose(name, files, "study")]


def _study_layers(chain: Sequence[Path], layers: Sequence[Layer]) -> list[Layer]:
    """What the files of studies say, below all other layers."""
    folder = _folder(chain[0])
    names = mapping(merged(layers).get("studies"))
    paths = [path for path in (folder / "studies").glob("*.yaml") if path.stem in names]
    return [(str(path), {"studies": {path.stem: read_yaml(path)}}) for path in sorted(paths)]


def _check_only_tasks(parsed: Configured, studies: Sequence[Everywhere]) -> None:
    """Refuse a pattern that stands for no task of any of some studies."""
    for number, pattern in enumerate(parsed.only_tasks or ()):
        known = {task for names in studies for task in names("tasks")}
        with at("only_tasks", str(number)):
            matching(pattern, known, "task")


def _folder(size: Path) -> Path:
    """The folder of config of a size file: where it was given, or else where a link leads."""
    given = Path(os.path.abspath(size)).parents[1]
    places = (given, size.resolve().parents[1])
    return next((place for place in places if (place / "studies").is_dir()), given)


def size_file(size: str, folder: Path = CONFIG) -> Path:
    """The file of a size; raises `ConfigError` that names the sizes there are."""
    sizes = {path.stem: path for path in (folder / "sizes").glob("*.yaml")}
    if not sizes:
        raise ConfigError(f"{folder / 'sizes'} holds no size file: start in the project's folder.")
    return sizes[choose(size, sizes, "size")]


def _chain(files: Sequence[Path], size: str | None, folder: Path) -> list[Path]:
    """The size file and overlays in order, each file once, with all bases."""
    chain: list[Path] = []
    for file in files:
        _add_with_bases(file, folder, chain, ())
    naming = [path for path in chain if "size" in read_yaml(path)]
    if len(naming) > 1:
        raise ConfigError(
            f"{naming[0]} and {naming[1]} both name a size: a file with 'size' replaces, give one."
        )
    if naming and size is not None and (named := read_yaml(naming[0])["size"]) != size:
        raise ConfigError(f"size={size} was asked for, but {naming[0]} is of size {named}.")
    start = naming[0] if naming else size_file(size or DEFAULT_SIZE, folder)
    return [start, *(path for path in chain if path != start)]


def _add_with_bases(file: Path, folder: Path, chain: list[Path], above: tuple[Path, ...]) -> None:
    known = {path.resolve() for path in chain}
    if file.resolve() in known:
        return
    if file.resolve() in above:
        raise ConfigError(f"{file}: its 'base' leads back to itself.")
    content = read_yaml(file)
    if "base" in content:
        if "size" in content:
            raise ConfigError(f"{file} names both 'size' and 'base': one of them.")
        _add_with_bases(_base(file, folder), folder, chain, (*above, file.resolve()))
    chain.append(file)


def _base(file: Path, folder: Path) -> Path:
    """The file that an overlay lies upon: another one beside it, or a size."""
    base = str(read_yaml(file)["base"])
    if base.endswith((".yaml", ".yml")):
        if not (file.parent / base).is_file():
            raise ConfigError(f"{file}: key 'base': there is no file {base} beside it.")
        return file.parent / base
    own = file.resolve().parents[1]
    where = next((each for each in (folder, own) if (each / "sizes").is_dir()), folder)
    try:
        return size_file(base, where)
    except ConfigError as error:
        raise ConfigError(f"{file}: key 'base': {error}") from None


def _chosen_studies(
    together: Content, overlays: Sequence[Layer], asked: Sequence[str] | None, folder: Path
) -> list[str]:
    """Studies that are asked for, or that overlays name, or all of the size."""
    known = mapping(together.get("studies"))
    for name in known:
        _study_file(name, folder)
    if asked and known:
        return [choose(name, known, "study") for name in dict.fromkeys(asked)]
    named = {name for _, content in overlays for name in mapping(content.get("studies"))}
    return [name for name in known if name in named] if named else list(known)


def _override(text: str) -> Content:
    """A single key as the content of a file; raises `ConfigError` unless it reads key=value."""
    key, equals, value = text.partition("=")
    parts = [part.strip() for part in key.split(".")]
    where = f"set '{one_line(text)}'"
    if not equals or not all(parts):
        raise ConfigError(f"{where}: write key=value, such as studies.ace.training.epochs=3.")
    if parts[0] in ("size", "base"):
        raise ConfigError(f"{where}: this is no single key; give another size, or a file with it.")
    content = parse(value, f"{where}: the value is")
    for part in reversed(parts):
        content = {part: content}
    return mapping(content)


class _Everywhere:
    """Names of tasks, models and treatments that a study has at any size; read when asked for."""

    def __init__(self, folder: Path, study: str, files: Sequence[Path], content: Content) -> None:
        """Say which study, which files the run has beside those of the folder, and what it says."""
        self.folder = folder
        self.study = study
        self.files = files
        self.content = content

    def __call__(self, what: str) -> set[str]:
        """Names of "tasks", "models" or "treatments"."""
        return self._names[what]

    @cached_property
    def _names(self) -> dict[str, set[str]]:
        names: dict[str, set[str]] = {
            "tasks": set(),
            "models": set(),
            "treatments": set(registry.names("treatments")),
        }
        base = self.folder / "studies" / f"{self.study}.yaml"
        others = [*self.folder.glob("sizes/*.yaml"), *self.folder.glob("overlays/*.yaml")]
        for path in (None, *dict.fromkeys((*others, *self.files))):
            try:
                said = self.content if path is None else self._said(path)
                content, _ = with_sweeps(merge(read_yaml(base), said))
            except ConfigError:
                # A mistake in a file that is not asked for is none of this configuration.
                continue
            for what, found in names.items():
                found |= set(mapping(mapping(content).get(what)))
        return names

    def _said(self, path: Path) -> Content:
        """What a file of a size or an overlay says about the study."""
        return mapping(mapping(read_yaml(path).get("studies")).get(self.study))
