"""Split shared columns that are not the same factor in all studies (Theorem 2)."""

from collections import Counter

from mssvae.moves.networks.columns import start_column
from mssvae.moves.networks.evidence import Evidence
from mssvae.moves.theorem2 import split_columns


def split(evidence: Evidence) -> Counter:
    """Move shared columns that are not the same in all studies to each in which they act.

    The proof of Theorem 2. A column stays where it is if there is none free for it there.
    """
    moves: Counter = Counter()
    shared, own = evidence.shared, evidence.own
    for k, acts in split_columns(evidence.parts, evidence.price):
        acting = [(part, on) for part, on in zip(own, acts, strict=True) if on.any()]
        if not all(part.unused() for part, _ in acting):
            continue
        for part, features in acting:
            start_column(evidence.module.decoder, part, shared.means[part.rows, k], features)
        shared.drop(k)
        moves["shared columns split by study"] += 1
    return moves
