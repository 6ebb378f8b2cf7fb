"""How a move puts a factor into a column."""

from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor

from mssvae.core.decoder import Decoder
from mssvae.moves.dependence import slopes
from mssvae.moves.networks.evidence import Evidence
from mssvae.moves.parts import Part


def share_columns(
    evidence: Evidence,
    factors: Sequence[tuple[Sequence[int | None], Tensor, Tensor]],
    repair: str,
) -> Counter:
    """Share factors, as long as there are free columns; return how often, as ``repair``.

    Parameters
    ----------
    factors : sequence of (sequence of int or None, Tensor of bool [G], Tensor [N])
        The column of each study, if it has one, which is dropped; the features; the scores.
    """
    moves: Counter = Counter()
    for columns, features, scores in factors:
        if not evidence.shared.unused():
            break
        for part, k in zip(evidence.own, columns, strict=True):
            if k is not None:
                part.drop(k)
        start_column(evidence.module.decoder, evidence.shared, scores, features)
        moves[repair] += 1
    return moves


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
