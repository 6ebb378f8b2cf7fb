"""Do factors hold on data they have not seen? Scores that need no truth.

``unseen`` is the one to trust for bulk data and wide matrices; ``split_counts`` suits UMI-like
counts alone; ``split_counts_overdispersed`` is right where the inverse dispersions are known.
``path`` has ``unseen`` along the weight of the prior, beside study means and dense models.
``agreement`` compares two fits, ``consensus`` fits to subsamples with that to all samples;
``peer_gene_sets`` and ``peer_factors`` are of other models; ``projected`` takes factors to other
studies, and ``replication`` tells whether they come back there. Scores against a truth are in
``mssvae.metrics``.
"""

from mssvae.evaluation._agreement import agreement
from mssvae.evaluation._consensus import (
    Consensus,
    Stability,
    consensus,
    seed_of_run,
    stability,
    subsample,
)
from mssvae.evaluation._gene_sets import peer_factors, peer_gene_sets
from mssvae.evaluation._path import path
from mssvae.evaluation._projection import projected
from mssvae.evaluation._replication import replication
from mssvae.evaluation._splitting import split_counts, split_counts_overdispersed
from mssvae.evaluation._unseen import unseen
from mssvae.fitting.held_out import held_out_samples

__all__ = [
    "Consensus",
    "Stability",
    "agreement",
    "consensus",
    "held_out_samples",
    "path",
    "peer_factors",
    "peer_gene_sets",
    "projected",
    "replication",
    "seed_of_run",
    "split_counts",
    "split_counts_overdispersed",
    "stability",
    "subsample",
    "unseen",
]
