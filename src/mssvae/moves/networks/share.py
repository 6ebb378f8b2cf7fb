"""Share columns that all studies have of their own (Theorem 2)."""

from collections import Counter

from mssvae.moves.networks.columns import start_column
from mssvae.moves.networks.evidence import Evidence
from mssvae.moves.theorem2 import common_columns


def share(evidence: Evidence) -> Counter:
    """Share the columns that all studies have, as long as there are free ones (Theorem 2)."""
    moves: Counter = Counter()
    shared, own = evidence.shared, evidence.own
    for columns, features, scores in common_columns(evidence.parts):
        if not shared.unused():
            break
        for part, k in zip(own, columns, strict=True):
            part.drop(k)
        start_column(evidence.module.decoder, shared, scores, features)
        moves["columns of all studies shared"] += 1
    return moves
