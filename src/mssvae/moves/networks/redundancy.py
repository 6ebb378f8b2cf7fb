"""Columns that hold what others hold."""

from collections import Counter

import torch
from torch import Tensor

from mssvae.moves.dependence import (
    AS_WELL,
    N_SLOPES,
    SAME_SUPPORT,
    explained,
    explained_by_any_function,
    jaccard,
    mutual_information,
)
from mssvae.moves.parts import Part, Price, likelihood_gain, means_of

# Two columns may hold the same factor if they share more information than this, in nats: a
# correlation of 0.57 between normal variables. They do if the one that explains more features
# explains those of the other as well, or if they have the same features and share more than the
# second value (a correlation of 0.8): then each may hold one side of zero.
_SAME_FACTOR, _TWO_SIDES = 0.2, 0.5
# A column is a function of others if they explain more of the variance of its posterior means.
_FUNCTION = 0.9


def merge(parts: list[Part]) -> Counter:
    """Join columns that hold the same factor, and drop own copies of shared factors.

    Parameters
    ----------
    parts : list of Part
        The shared one, then each study's own; changed in place.

    Returns
    -------
    Counter
        How often each of the two moves was made.
    """
    shared, *own = parts
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
        if j is None or information[i, j] <= _SAME_FACTOR:
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


def drop_idle(parts: list[Part], price: Price) -> Counter:
    """Drop columns that are not worth their features and a posterior beside all others.

    Such as one that hardly varies, or is a function of two others. The smallest go first.

    Parameters
    ----------
    parts : list of Part
        The shared one, then each study's own; changed in place.
    price : Price

    Returns
    -------
    Counter
        How many were dropped.
    """
    moves: Counter = Counter()
    shared, *own = parts
    for part in parts:
        for k in reversed(part.columns()):
            studies = own if part is shared else [part]
            gains = [_gain_of_column(shared, study, part, k) for study in studies]
            gains = [gain for gain in gains if gain is not None]
            if gains and not price.is_paid(sum(gains), float(part.eta[k]), part):
                part.drop(k)
                moves["idle columns dropped"] += 1
    return moves


def _gain_of_column(shared: Part, study: Part, part: Part, k: int) -> Tensor | None:
    """Return what the features of a column gain by it in a study [g], beside all others there.

    Nothing if it is a function of the others: the decoder can have its features from them. None
    where there are too few samples for so many columns.
    """
    y = study.outputs[:, part.support[:, k]]
    columns = [(one, j) for one in (shared, study) for j in one.columns()]
    if 2 * N_SLOPES * len(columns) > len(y):
        return None
    means = means_of(columns, study)
    is_other = torch.tensor([one is not part or j != k for one, j in columns])
    others = means[:, is_other]
    after = explained(means, y)
    if not others.shape[1]:
        return likelihood_gain(after, study)
    if explained(others, means[:, ~is_other]) > _FUNCTION:
        return torch.zeros_like(after)
    without = explained(others, y)
    return likelihood_gain(((after - without) / (1 - without)).clamp_min(0), study)


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
    if jaccard(one, two) > SAME_SUPPORT and information > _TWO_SIDES:
        return True
    # Explaining a feature better does not make up for explaining another worse.
    both = torch.minimum(of_one, of_two)
    for support, share in ((one, of_one), (two, of_two)):
        features = support & (share >= of_others)
        if both[features].sum() > AS_WELL * share[features].sum():
            return True
    return False
