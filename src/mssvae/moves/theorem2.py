"""Which columns Theorem 2 has elsewhere: shared are those that all studies have."""

from itertools import combinations

import numpy as np
import torch
from torch import Tensor

from mssvae.moves.dependence import explained, jaccard, slopes
from mssvae.moves.parts import Part, Price, likelihood_gain
from mssvae.moves.thresholds import NETWORKS


@torch.no_grad()
def split_columns(parts: list[Part], price: Price) -> list[tuple[int, list[Tensor]]]:
    """Return the shared columns that do not act on the same features in every study.

    Parameters
    ----------
    parts : list of Part
        The shared one, then each study's own.
    price : Price

    Returns
    -------
    list of (int, list of Tensor of bool [G])
        The column, and by study the features that it acts on; none, if fewer than three.
    """
    splits = []
    for k in parts[0].columns():
        acts = _acts_on(parts, price, k)
        judged = zip(parts[1:], acts, strict=True)
        if not _all_similar([on for part, on in judged if part.is_large_enough()]):
            splits.append((k, acts))
    return splits


@torch.no_grad()
def common_columns(parts: list[Part]) -> list[tuple[list[int], Tensor, Tensor]]:
    """Return the columns that all studies have of their own, with the same support.

    No column is in two of the groups.

    Returns
    -------
    list of (list of int, Tensor of bool [G], Tensor [N])
        The column of each study, the features in most of them, and their posterior means side
        by side, each study's with the sign that makes its loadings like the first study's.
    """
    _, first, *others = parts
    if not others:
        return []
    left = [part.columns() for part in others]
    common = []
    for k in first.columns():
        columns, supports = [k], [first.support[:, k]]
        for part, candidates in zip(others, left, strict=True):
            similarity = [jaccard(supports[0], part.support[:, j]) for j in candidates]
            if candidates:
                columns.append(candidates[int(np.argmax(similarity))])
                supports.append(part.support[:, columns[-1]])
        if len(columns) == len(others) + 1 and _all_similar(supports):
            features = torch.stack(supports).float().mean(0) > 0.5
            common.append((columns, features, _side_by_side(parts, columns, features)))
            for candidates, j in zip(left, columns[1:], strict=True):
                candidates.remove(j)
    return common


def _side_by_side(parts: list[Part], columns: list[int], features: Tensor) -> Tensor:
    shared, *own = parts
    scores = shared.means.new_zeros(len(shared.means))
    reference = slopes(own[0].means[:, columns[0]], own[0].outputs[:, features])
    for part, k in zip(own, columns, strict=True):
        z = part.means[:, k] - part.means[:, k].mean()
        opposite = slopes(z, part.outputs[:, features]) @ reference < 0
        scores[part.rows] = torch.where(opposite, -z, z)
    return scores


def _acts_on(parts: list[Part], price: Price, k: int) -> list[Tensor]:
    """Return by study the features that shared column k affects, bool [G]."""
    shared, *own = parts
    scores = [shared.means[part.rows, k] for part in own]
    # In variance explained, not as a share of it: other factors add to a feature's variance, by
    # study. What chance explains is taken off.
    effects = shared.outputs.new_zeros(len(own), shared.outputs.shape[1])
    gains = torch.zeros_like(shared.outputs[0])
    for m, (z, part) in enumerate(zip(scores, own, strict=True)):
        y = part.outputs
        chance = NETWORKS.slopes / len(y)
        share = explained(z, y)
        # Of the factor, in nats: what its posterior means vary by, against their uncertainty.
        information = 0.5 * torch.log1p(z.var() / shared.variances[part.rows, k].mean())
        effects[m] = (share - chance) * y.var(0) * (information >= NETWORKS.least_kl)
        gains += likelihood_gain(share, part)
    # Entries that do not pay in all studies together say nothing about where the factor acts.
    features = shared.support[:, k] & (gains > price.of_entry(float(shared.eta[k])))
    affected = features & (effects >= NETWORKS.no_effect * effects.amax(0))
    return [features & (features.sum() >= NETWORKS.least_features) for features in affected]


def _all_similar(supports: list[Tensor]) -> bool:
    return all(jaccard(one, two) > NETWORKS.same_support for one, two in combinations(supports, 2))
