"""Encoders learn the columns that moves have made."""

import torch

from mssvae.moves.parts import Part
from mssvae.moves.thresholds import LESSONS


@torch.enable_grad()
def teach(part: Part, inputs: torch.Tensor) -> None:
    """Train an encoder until its new columns have their scores, and the others what they had.

    A factor that no column held need not be in the hidden layers.

    Parameters
    ----------
    part : Part
        With columns ``to_learn``; its encoder is changed in place.
    inputs : Tensor [N, G]
        What encoders see of all samples.
    """
    inputs = inputs[part.rows]
    part.encoder.eval()
    with torch.no_grad():
        means, log_variances = part.encoder(inputs)
    for k in part.to_learn:
        means[:, k] = part.means[:, k]
        log_variances[:, k] = LESSONS.log_variance
    targets = torch.cat([means[:, part.alive], log_variances[:, part.alive]], 1)
    part.encoder.train()
    optimiser = torch.optim.Adam(part.encoder.parameters(), lr=LESSONS.rate)
    generator = torch.Generator().manual_seed(0)
    for _ in range(LESSONS.steps):
        rows = torch.randint(len(inputs), (LESSONS.samples,), generator=generator)
        outputs = torch.cat([output[:, part.alive] for output in part.encoder(inputs[rows])], 1)
        loss = (outputs - targets[rows]).square().sum(1).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    optimiser.zero_grad()
