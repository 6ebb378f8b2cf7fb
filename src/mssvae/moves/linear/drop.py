"""Drop columns that do not pay for their entries."""

from mssvae.core.linear.state import LinearState


def drop(state: LinearState) -> int:
    """Drop columns whose factors' evidence is less than the price of their entries.

    Evidence is the log Bayes factor of a factor over all samples, of studies that have it.
    """
    evidence = state.evidence().clamp_min(0).sum(0)
    idle = state.live & (evidence < state.support.sum(0) * state.price)
    state.parameters.loadings = state.parameters.loadings * ~idle
    return int(idle.sum())
