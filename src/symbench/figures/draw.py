"""Find a figure by name, draw it and save it as PNG and PDF."""

from importlib import import_module
from pathlib import Path

import matplotlib.pyplot as plt

from symbench.config.study import Study
from symbench.errors import choose
from symbench.figures.results import StudyResults
from symbench.figures.style import apply_style
from symbench.files import write_whole
from symbench.provenance import describe


def draw(name: str, study: Study, results: Path, output: Path) -> None:
    """Draw one figure of a study.

    Args:
        name: name of the figure in the study, which is the name of its module here.
        study: the study.
        results: folder of its results.
        output: path without suffix.

    """
    choose(name, [figure.name for figure in study.description.figures], "figure")
    apply_style()
    figure = import_module(f"symbench.figures.{name}").draw(StudyResults(study, results))
    record = describe(study.comparison_fingerprint())
    note = f"symbench {record['packages']['symbench']}, commit {record['commit']}"
    for suffix, key in (("png", "Description"), ("pdf", "Subject")):
        with write_whole(output.with_suffix(f".{suffix}")) as temporary:
            figure.savefig(temporary, format=suffix, metadata={key: note})
    plt.close(figure)
