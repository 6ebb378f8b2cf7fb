"""Synthetic data with known factors.

``gaussian`` and ``rnaseq`` are the simulation studies of sections 4.1 and 4.2; ``cohort`` plants
GO terms, or made-up ones, in platelet-like counts.
"""

from mssvae.simulate._cohort import TERM_SIZE, cohort, made_up_processes
from mssvae.simulate._factors import gaussian, rnaseq

__all__ = ["TERM_SIZE", "cohort", "gaussian", "made_up_processes", "rnaseq"]
