"""Share factors that some studies have in own columns, and the others in their data alone."""

from collections import Counter

from mssvae.moves.networks.columns import share_columns
from mssvae.moves.networks.evidence import Evidence
from mssvae.moves.theorem2 import followed_columns


def follow(evidence: Evidence) -> Counter:
    """Share such columns, as long as there are free ones (Theorem 2)."""
    factors = followed_columns(evidence.parts)
    return share_columns(evidence, factors, "columns of some studies shared with all")
