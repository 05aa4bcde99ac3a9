"""A price on the equivariance error, in place of a constraint on the weights."""

import torch
from torch import Tensor, nn

from symbench.data.batch import V
from symbench.data.parameters import positive_number
from symbench.symmetry.symmetry import Symmetry
from symbench.training.treatments.augment import act_on_each, moved_to
from symbench.training.treatments.treatment import Treatment

_TINY = 1e-12


class EquivariancePenalty(Treatment[V]):
    """`penalty`: loss + w |f(φ(g) x) - ψ(g) f(x)|² with a random g for each sample.

    The weight w adapts: it is such that the gradients of both terms at the outputs of a squared
    loss have sizes in the ratio 1 to `strength`. In the spirit of REMUL (Elhag et al., arXiv
    2410.17878), whose weighting is another.
    """

    def __init__(self, symmetry: Symmetry[V], *, strength: float = 1.0) -> None:
        """Set the strength, above 0; raises `ConfigError` for others."""
        super().__init__(symmetry)
        self.strength = positive_number(strength, f"{type(self).__name__}: strength")

    def loss_term(
        self,
        network: nn.Module,
        inputs: V,
        prediction: Tensor,
        loss: Tensor,
        samples: int,
        generator: torch.Generator,
    ) -> Tensor:
        """The weighted violation; one more pass of the network."""
        elements = moved_to(self.symmetry.group.sample(samples, generator), inputs.device)
        moved: Tensor = network(act_on_each(self.symmetry.act_on_input, elements, inputs))
        expected = act_on_each(self.symmetry.act_on_output, elements, prediction)
        violation = (moved - expected).square().mean()
        weight = (loss.detach() / violation.detach().clamp(min=_TINY)).sqrt()
        return self.strength * weight * violation
