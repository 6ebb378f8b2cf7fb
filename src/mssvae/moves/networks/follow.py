"""Share factors that some studies have in own columns, and the others in their data alone."""

from collections import Counter

from mssvae.moves.networks.columns import start_column
from mssvae.moves.networks.evidence import Evidence
from mssvae.moves.theorem2 import followed_columns


def follow(evidence: Evidence) -> Counter:
    """Share such columns, as long as there are free ones (Theorem 2)."""
    moves: Counter = Counter()
    shared, own = evidence.shared, evidence.own
    for columns, features, scores in followed_columns(evidence.parts):
        if not shared.unused():
            break
        for part, k in zip(own, columns, strict=True):
            if k is not None:
                part.drop(k)
        start_column(evidence.module.decoder, shared, scores, features)
        moves["columns of some studies shared with all"] += 1
    return moves
