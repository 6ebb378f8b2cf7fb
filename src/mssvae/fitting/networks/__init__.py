"""Fits of the networks (appendix B.2): ``loop`` alternates expectation and gradient steps."""
