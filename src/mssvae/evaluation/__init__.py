"""Do factors hold on data they have not seen? Scores that need no truth.

``unseen`` is the one to trust for bulk data and wide matrices; ``split_counts`` suits UMI-like
counts alone; ``split_counts_overdispersed`` is right where the inverse dispersions are known.
``agreement`` compares two fits, and ``peer_gene_sets`` are of other models. Scores against a truth
are in ``mssvae.metrics``.
"""

from mssvae.evaluation._agreement import agreement
from mssvae.evaluation._gene_sets import peer_gene_sets
from mssvae.evaluation._splitting import split_counts, split_counts_overdispersed
from mssvae.evaluation._unseen import held_out_samples, unseen

__all__ = [
    "agreement",
    "held_out_samples",
    "peer_gene_sets",
    "split_counts",
    "split_counts_overdispersed",
    "unseen",
]
