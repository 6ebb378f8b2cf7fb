"""Let factors correlate where that makes loadings sparser."""

import torch

from mssvae.core.linear.state import LinearState
from mssvae.moves.thresholds import LINEAR


def shear(state: LinearState) -> int:
    """Take a multiple of one column's loadings out of another's, and add the factors.

    ``w_k z_k + w_l z_l = w_k (z_k + d z_l) + (w_l - d w_k) z_l``: if factors are not independent,
    in the samples or in truth, a column holds a copy of another, that single loadings cannot leave.
    ``d`` minimises the sum of absolute loadings of column l. Factor k is shared, or of the same
    study as l: the loadings of a shared factor are the same for all studies.
    """
    loadings = state.relative_loadings
    n_factors = loadings.shape[1]
    part = torch.zeros(n_factors, dtype=torch.long)
    for study in range(len(state.data)):
        part[state.own(study).cpu()] = study + 1
    live, matrix = state.live.tolist(), torch.eye(n_factors).to(loadings)
    sheared = 0
    for _ in range(LINEAR.sweeps):
        before = sheared
        for k in filter(live.__getitem__, range(n_factors)):
            others = [
                other
                for other in range(n_factors)
                if other != k and live[other] and part[k] in (0, part[other])
            ]
            for other, multiple in zip(others, _multiples(loadings, k, others), strict=True):
                size = abs(multiple)
                if not LINEAR.smallest_shear < size < LINEAR.largest_shear:
                    continue
                sparser = loadings[:, other] - multiple * loadings[:, k]
                limit = (1 - LINEAR.improvement) * loadings[:, other].abs().sum()
                if sparser.abs().sum() < limit:
                    loadings[:, other] = sparser
                    matrix[k] += multiple * matrix[other]
                    sheared += 1
        if sheared == before:
            break
    state.parameters.loadings = loadings * state.spread[:, None]
    state.transform(matrix)
    state.unit_moments()
    return sheared


def _multiples(loadings: torch.Tensor, k: int, others: list[int]) -> list[float]:
    """Return what to take of column k from each other, weighted medians of their ratios."""
    inside = loadings[:, k] != 0
    if not others or not inside.any():
        return [0.0] * len(others)
    column = loadings[inside, k]
    ratios = loadings[inside][:, others] / column[:, None]
    order = ratios.argsort(0)
    weights = column.abs()[order].cumsum(0)
    half = (weights >= 0.5 * weights[-1]).byte().argmax(0, keepdim=True)
    return ratios.gather(0, order.gather(0, half))[0].tolist()
