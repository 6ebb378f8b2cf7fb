"""The talk's study of simulated data: what five methods find of two factors that are correlated.

The Sparse VAE, which is the MSSVAE with one study, beside four models without masks: VAE, beta-VAE,
variational sparse coding and oi-VAE. docs/talk.md has what came out.
"""

from studies.talk.study import MODELS, Design, scores, summary

__all__ = ["MODELS", "Design", "scores", "summary"]
