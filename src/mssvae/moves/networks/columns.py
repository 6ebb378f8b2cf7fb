"""How a move puts a factor into a column."""

import torch
from torch import Tensor

from mssvae.core.decoder import Decoder
from mssvae.moves.dependence import slopes
from mssvae.moves.parts import Part


def start_column(decoder: Decoder, part: Part, scores: Tensor, features: Tensor) -> None:
    """Let an unused column hold scores [n]."""
    k = part.unused()[0]
    part.alive[k] = True
    hold(decoder, part, k, scores, features)
    # Not 1, with which the prior has no spike.
    share = features.to(part.eta.dtype).mean()
    part.eta[k] = share.clamp_max(1 - torch.finfo(share.dtype).eps)


def hold(decoder: Decoder, part: Part, k: int, scores: Tensor, features: Tensor) -> None:
    """Let a column hold scores [n], also for new features; the encoder learns them later."""
    part.enter(features, k)
    part.means[:, k] = scores
    part.to_learn.add(k)
    inside = part.support[:, k]
    loadings = slopes(scores, part.outputs[:, inside])
    decoder.output.weight[inside, part.offset + k] = loadings
