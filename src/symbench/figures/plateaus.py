"""Random circuits of growing size: variance of gradients, and which states are reached."""

from collections.abc import Callable

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from symbench.figures.results import StudyResults
from symbench.figures.style import WIDTH, model_palette

ACTIVE = (1, 2, 3, 4)
GRADIENT_DRAWS = 5
STATE_DRAWS = 2


def draw(results: StudyResults) -> Figure:
    """Against the number of qubits, for one to four active atoms; nothing here is trained."""
    from symbench.models.molecules.circuit_statistics import expressibility, gradient_variance, star
    from symbench.models.molecules.quantum_circuits import (
        Circuit,
        GraphCircuit,
        PlainCircuit,
        RotationCircuit,
        RotationPermutationCircuit,
    )

    kinds: dict[str, Callable[..., Circuit]] = {
        "plain": PlainCircuit,
        "rotation": RotationCircuit,
        "rotation_permutation": RotationPermutationCircuit,
        "graph": GraphCircuit,
    }
    palette = model_palette(kinds)
    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 3.2))
    for name, kind in kinds.items():
        qubits = [kind(star(active)).wires for active in ACTIVE]
        variances = [gradient_variance(kind, active, GRADIENT_DRAWS) for active in ACTIVE]
        divergences = [expressibility(kind, active, STATE_DRAWS) for active in ACTIVE]
        left.plot(qubits, variances, "o-", color=palette[name], label=name)
        right.plot(qubits, divergences, "o-", color=palette[name], label=name)
    left.set(yscale="log", xlabel="qubits", ylabel="variance of derivatives by angles")
    right.set(yscale="log", xlabel="qubits", ylabel="divergence from random states")
    for axis in (left, right):
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure
