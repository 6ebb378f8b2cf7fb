"""Synthetic data with known factors.

``gaussian`` and ``rnaseq`` are the simulation studies of sections 4.1 and 4.2; ``cohort`` plants
GO terms in platelet-like counts.
"""

from mssvae.simulate._cohort import cohort
from mssvae.simulate._factors import gaussian, rnaseq

__all__ = ["cohort", "gaussian", "rnaseq"]
