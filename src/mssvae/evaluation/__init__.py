"""Do factors hold on data they have not seen? Scores that need no truth.

``unseen`` is the one to trust for bulk data and wide matrices; ``split_counts`` suits UMI-like
counts alone; ``split_counts_overdispersed`` is right where the inverse dispersions are known.
``agreement`` compares two fits, ``consensus`` fits to subsamples with that to all samples. Scores
against a truth are in ``mssvae.metrics``.
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
from mssvae.evaluation._splitting import split_counts, split_counts_overdispersed
from mssvae.evaluation._unseen import held_out_samples, unseen

__all__ = [
    "Consensus",
    "Stability",
    "agreement",
    "consensus",
    "held_out_samples",
    "seed_of_run",
    "split_counts",
    "split_counts_overdispersed",
    "stability",
    "subsample",
    "unseen",
]
