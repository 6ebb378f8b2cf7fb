"""Give shared factors that some studies do not have to those that do."""

import torch

from mssvae.core.linear.state import LinearState


def split(state: LinearState) -> int:
    """Move shared factors that a study shows no evidence for to the others' own (Theorem 2).

    Each study that has the factor takes it into its own column with the least evidence, if that
    has less than the factor.
    """
    evidence = (state.evidence() * state.live).cpu()
    moved = 0
    for k in state.live[: state.n_shared].nonzero().flatten().tolist():
        having = (evidence[:, k] > 0).nonzero().flatten().tolist()
        if len(having) == len(state.data):
            continue
        places = {study: _place(state, evidence, study, k) for study in having}
        if None in places.values():
            continue
        for study, place in places.items():
            _hand_over(state, study, k, place)
            evidence[study, state.own(study)[place]] = evidence[study, k]
        for posterior in state.posteriors:
            posterior.forget(k)
        state.parameters.loadings[:, k] = 0
        moved += 1
    return moved


def _place(state: LinearState, evidence: torch.Tensor, study: int, k: int) -> int | None:
    """Return which of a study's own columns shared factor k may replace."""
    own = evidence[study, state.own(study).cpu()]
    if not len(own) or own.min() >= evidence[study, k]:
        return None
    return int(own.argmin())


def _hand_over(state: LinearState, study: int, k: int, place: int) -> None:
    posterior, column = state.posteriors[study], state.n_shared + place
    own = state.own(study)[place]
    state.parameters.loadings[:, own] = state.parameters.loadings[:, k]
    state.price[own] = state.price[k]
    posterior.forget(column)
    posterior.mean[:, column] = posterior.mean[:, k]
    for rows in (posterior.covariance, posterior.covariance.transpose(1, 2)):
        rows[:, column, :] = rows[:, k, :]
    posterior.covariance[:, column, column] = posterior.covariance[:, k, k]
    posterior.covariance[:, column, k] = posterior.covariance[:, k, column] = 0
