"""Fits (appendix B.2): their settings, and the two ways to make them.

``decoders`` makes the fit that was asked for: ``linear`` of a decoder without hidden layers, or
``networks``, the paper's; ``nonlinearity`` tells which of the two data call for. ``selection``
chooses numbers of factors by ``held_out`` samples, ``checkpoints`` keep the state of a fit.
"""
