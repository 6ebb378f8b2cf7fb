"""Add features to columns whose factor explains their residuals."""

from collections import Counter

import torch

from mssvae.moves.dependence import explained
from mssvae.moves.networks.evidence import Evidence
from mssvae.moves.parts import Part, likelihood_gain


def grow(evidence: Evidence) -> Counter:
    """Add features to columns whose factor explains their residuals.

    An entry at zero has no gradient towards an even function of its factor: the first layer
    has no bias, and the skip is linear. Training alone does not bring it back. A feature enters
    the column that gains it most: others often explain some of the same residuals, as the
    posterior means of all depend on outlying features.
    """
    moves: Counter = Counter()
    columns, gains = [], []
    for part in filter(Part.is_large_enough, evidence.parts):
        of_part = evidence.residuals[part.rows]
        for k in part.columns():
            gain = likelihood_gain(explained(part.means[:, k], of_part), part)
            gain -= evidence.price.of_entry(float(part.eta[k]))
            columns.append((part, k))
            gains.append(gain.masked_fill(part.support[:, k], 0))
    if not columns:
        return moves
    most, best = torch.stack(gains).max(0)
    for i, (part, k) in enumerate(columns):
        new = (best == i) & (most > 0)
        if new.any():
            part.enter(new, k)
            moves["features added"] += int(new.sum())
    return moves
