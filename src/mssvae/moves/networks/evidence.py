"""What moves are given: the parts of the module, residuals, and what the prior asks for."""

from dataclasses import dataclass

import torch
from torch import Tensor

from mssvae.core.module import MultiStudyModule
from mssvae.moves.parts import Part, Price


@dataclass
class Evidence:
    """A module at one time of training, as moves see and change it.

    Attributes
    ----------
    module : MultiStudyModule
    parts : list of Part
        The shared one, then each study's own.
    price : Price
        What the prior asks for now.
    residuals : Tensor [N, G]
        Of the data at the posterior means, before any move: moves leave the decoder behind.
    """

    module: MultiStudyModule
    parts: list[Part]
    price: Price
    residuals: Tensor

    @property
    def shared(self) -> Part:
        """The shared part."""
        return self.parts[0]

    @property
    def own(self) -> list[Part]:
        """Each study's own part."""
        return self.parts[1:]


def residuals_at_means(
    module: MultiStudyModule, x: Tensor, inputs: Tensor, parts: list[Part]
) -> Tensor:
    """Return the residuals of the data at the posterior means, [N, G].

    Less their medians in each study: how studies differ on the whole is no factor.

    Parameters
    ----------
    x, inputs : Tensor [N, G]
        The data, and what the encoders see of them.
    """
    shared = parts[0]
    residuals = torch.zeros_like(x)
    log_library = module.library_encoder(inputs)[0] if module.likelihood.uses_library else None
    live = module.live_columns()
    *_, output_weight, output_bias, log_noise = module.tables
    for m, own in enumerate(parts[1:]):
        rows, columns = own.rows, live[m + 1]
        z = torch.cat([shared.means[rows][:, live[0]], own.means[:, columns]], 1)
        mask = module.columns_of(module.masks, [m], live)
        library = None if log_library is None else log_library[rows]
        for chunk in module.decoder.feature_chunks(len(z), len(mask)):
            output = module.decoder(
                z,
                mask[chunk],
                module.dimensions([m], live),
                output_weight[chunk],
                output_bias[chunk],
            )
            of_chunk = module.likelihood.residual(x[rows, chunk], output, library, log_noise[chunk])
            residuals[rows, chunk] = of_chunk - of_chunk.median(0).values
    return residuals
