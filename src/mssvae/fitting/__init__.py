"""Fits (appendix B.2): their settings, and the two ways to make them.

``linear`` is the fit of a decoder without hidden layers, ``networks`` that of the paper's;
``nonlinearity`` tells which of the two data call for. ``selection`` chooses numbers of factors by
``held_out`` samples.
"""
