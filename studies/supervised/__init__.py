"""Factors in supervised learning: features for a classifier, and draws for a small class.

docs/supervised.md has what came out.
"""

from studies.supervised.data import samples
from studies.supervised.study import PARTS, Design, scores, summary

__all__ = ["PARTS", "Design", "samples", "scores", "summary"]
