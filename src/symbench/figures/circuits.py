"""The circuits, one block each, as PennyLane draws them."""

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure

from symbench.config import registry
from symbench.figures.results import StudyResults
from symbench.figures.style import WIDTH, nothing_to_draw


def draw(results: StudyResults) -> Figure:
    """A panel for each circuit of the study, on the largest of its molecules."""
    import pennylane as qml

    from symbench.data.molecules.potential_surfaces import AMMONIA
    from symbench.models.molecules.quantum_circuits import QuantumPotential

    models = results.study.settings.models
    used = dict.fromkeys(models[cell.model].architecture for cell in results.study.cells)
    scales = {"energy_scale": 1.0, "energy_shift": 0.0, "node_scalars": 2, "edge_scalars": 0}
    images: dict[str, np.ndarray] = {}
    for name in used:
        build = registry.resolve("models", name)
        if not name.endswith("circuit"):
            continue
        potential = build(molecule=AMMONIA, blocks=1, **scales)
        assert isinstance(potential, QuantumPotential)
        positions = torch.randn(1, 4, 3, generator=torch.Generator().manual_seed(0))
        drawing, _ = qml.draw_mpl(potential.atoms.exact, style="black_white")(positions)
        drawing.set_layout_engine("none")
        drawing.set_dpi(100)
        drawing.canvas.draw()
        images[name] = np.asarray(drawing.canvas.buffer_rgba()).copy()
        plt.close(drawing)
    if not images:
        return nothing_to_draw()
    heights = [image.shape[0] / image.shape[1] for image in images.values()]
    figure, axes = plt.subplots(
        len(images),
        1,
        figsize=(WIDTH, WIDTH * min(sum(heights), 3.0)),
        squeeze=False,
        height_ratios=heights,
    )
    for axis, (name, image) in zip(axes[:, 0], images.items(), strict=True):
        axis.imshow(image)
        axis.set_axis_off()
        axis.set_title(f"{name.replace('_', ' ')}, one block, NH3")
    return figure
