"""Moves of the fit of the networks."""
