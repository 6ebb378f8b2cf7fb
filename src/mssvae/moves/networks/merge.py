"""Merge columns that hold the same factor."""

from collections import Counter

import torch
from torch import Tensor

from mssvae.moves.dependence import (
    explained_by_any_function,
    jaccard,
    mutual_information,
)
from mssvae.moves.networks.evidence import Evidence
from mssvae.moves.parts import Part, means_of
from mssvae.moves.thresholds import NETWORKS


def merge(evidence: Evidence) -> Counter:
    """Join columns that hold the same factor, and drop own copies of shared factors."""
    shared, own = evidence.shared, evidence.own
    moves = _merge_into([], shared)
    for part in own:
        moves += _merge_into([(shared, k) for k in shared.columns()], part)
    return moves


def _merge_into(held: list[tuple[Part, int]], part: Part) -> Counter:
    """Let columns of a part go into held ones, or into each other, that have their factors."""
    moves: Counter = Counter()
    columns = [*held, *((part, k) for k in part.columns())]
    if not columns or not part.is_large_enough():
        return moves
    means = means_of(columns, part)
    information = mutual_information(means, means)
    share = torch.stack([explained_by_any_function(z, part.outputs) for z in means.T])
    kept = list(range(len(held)))
    live = set(range(len(columns)))
    for i in range(len(held), len(columns)):
        j = max(kept, key=lambda other: information[i, other], default=None)
        if j is None or information[i, j] <= NETWORKS.same_factor:
            kept.append(i)
            continue
        others = sorted(live - {i, j})
        of_others = share[others].amax(0) if others else torch.zeros_like(share[i])
        supports = [part.support[:, columns[i][1]], columns[j][0].support[:, columns[j][1]]]
        if not _same_factor(*supports, share[i], share[j], of_others, information[i, j]):
            kept.append(i)
            continue
        lost, stays = i, j
        if j < len(held):
            moves["own copies of shared factors dropped"] += 1
        else:
            # Of a factor and its square the factor stays: it explains what the square does.
            either = supports[0] | supports[1]
            if share[i, either].sum() > share[j, either].sum():
                lost, stays = j, i
                kept[kept.index(j)] = i
            new = part.support[:, columns[lost][1]] & (share[lost] >= of_others)
            k = columns[stays][1]
            part.enter(new & ~part.support[:, k], k)
            moves["columns merged"] += 1
        live.remove(lost)
        part.drop(columns[lost][1])
    return moves


def _same_factor(
    one: Tensor,
    two: Tensor,
    of_one: Tensor,
    of_two: Tensor,
    of_others: Tensor,
    information: float,
) -> bool:
    """Return whether two columns that tell of each other hold the same factor.

    Factors may depend on each other. Those of two columns are the same if one of them explains the
    features of both, or both are needed for the same ones. What another column explains better says
    nothing about these two.

    Parameters
    ----------
    one, two : Tensor of bool [G]
        Their supports.
    of_one, of_two, of_others : Tensor [G]
        The share of each feature's variance that a function of one factor explains; the largest
        one of all other columns.
    information : float
        Mutual information of the two, in nats.
    """
    if jaccard(one, two) > NETWORKS.same_support and information > NETWORKS.two_sides:
        return True
    # Explaining a feature better does not make up for explaining another worse.
    both = torch.minimum(of_one, of_two)
    for support, share in ((one, of_one), (two, of_two)):
        features = support & (share >= of_others)
        if both[features].sum() > NETWORKS.as_well * share[features].sum():
            return True
    return False
