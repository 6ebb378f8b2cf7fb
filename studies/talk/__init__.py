"""The talk's studies: what five methods find in simulated and in real data.

The Sparse VAE, which is the MSSVAE with one study, beside four models without masks: VAE, beta-VAE,
variational sparse coding and oi-VAE. docs/talk.md has what came out.
"""

from studies.talk.study import MODELS, Design, scores, summary
from studies.talk.unseen import Folds, unseen_scores, unseen_summary

__all__ = [
    "MODELS",
    "Design",
    "Folds",
    "scores",
    "summary",
    "unseen_scores",
    "unseen_summary",
]
