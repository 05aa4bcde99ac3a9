"""Power spectra of truth and rollouts at three lead times."""

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from symbench.figures.results import StudyResults
from symbench.figures.style import COLOURS, OPERATORS, WIDTH


def draw(results: StudyResults) -> Figure:
    """A row for each task, with the last of its models; a column for each lead time."""
    chosen = {f.task: f for f in results.grid_families if f.treatment == "none"}
    most = max(family.open("none").sizes["panel_lead"] for family in chosen.values())
    figure, axes = plt.subplots(
        len(chosen), most, figsize=(WIDTH, 0.8 + 1.9 * len(chosen)), squeeze=False, sharey="row"
    )
    for row, (task, family) in zip(axes, chosen.items(), strict=True):
        plain, averaged = family.open("none"), family.open("average")
        for axis in row[plain.sizes["panel_lead"] :]:
            axis.set_visible(False)
        for axis, lead in zip(row, plain.panel_lead.values, strict=False):
            at = {"panel_lead": lead}
            waves = plain.wavenumber.values[1:]
            truth = plain.spectrum_truth.sel(at).sel(operator="plain").mean("seed")
            axis.loglog(waves, truth.values[1:], color="0.7", linewidth=3, label="truth")
            for dataset in (plain, averaged):
                for operator in dataset.operator.values:
                    label = OPERATORS[str(operator)]
                    power = dataset.spectrum.sel(at).sel(operator=operator).mean("seed")
                    axis.loglog(waves, power.values[1:], color=COLOURS[label], label=label)
            axis.set_title(f"{task}, {family.model}, lead {lead}", fontsize="small")
            bottom = float(truth.values[1:].max()) * 1e-9
            axis.set_ylim(bottom=max(bottom, float(truth.values[1:].min()) / 10))
        row[0].set_ylabel("power")
    for axis in axes[-1]:
        axis.set_xlabel("wavenumber (waves per box)")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure
