"""Share columns that all studies have of their own (Theorem 2)."""

from collections import Counter

from mssvae.moves.networks.columns import share_columns
from mssvae.moves.networks.evidence import Evidence
from mssvae.moves.theorem2 import common_columns


def share(evidence: Evidence) -> Counter:
    """Share the columns that all studies have, as long as there are free ones (Theorem 2)."""
    factors = common_columns(evidence.parts)
    return share_columns(evidence, factors, "columns of all studies shared")
