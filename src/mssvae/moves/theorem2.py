"""Which columns Theorem 2 has elsewhere: shared are those that all studies have."""

from itertools import combinations

import torch
from torch import Tensor

from mssvae.moves.dependence import explained, jaccard, slopes, unexplained
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
    own = parts[1:]
    if len(own) < 2:
        return []
    left = [{k: part.support[:, k] for k in part.columns()} for part in own]
    common = []
    for k in list(left[0]):
        columns, supports = _alike(left, 0, k)
        if len(supports) == len(own) and _all_similar(supports):
            features = _of_most(supports)
            common.append((columns, features, _side_by_side(parts, columns, features, 0)))
            _take(columns, left)
    return common


@torch.no_grad()
def followed_columns(parts: list[Part]) -> list[tuple[list[int | None], Tensor, Tensor]]:
    """Return factors that two studies or more have in own columns, and the others in their data.

    A study of few samples may hold such a factor in the same column as one of its own, or not at
    all. Features of a column are those in its support, or that it explains much of: weights of
    features that are linear in their factor are small, and may be taken for the spike's. A study
    has the factor if what shared columns leave of these features varies most in the direction of
    the factor's loadings elsewhere, and this direction explains much of most of them.

    Returns
    -------
    list of (list of int or None, Tensor of bool [G], Tensor [N])
        As of ``common_columns``, with None for a study that has no such column.
    """
    own = parts[1:]
    left = [{k: _features(part, k) for k in part.columns()} for part in own]
    followed = []
    for m in sorted(range(len(own)), key=lambda m: -len(own[m].rows)):
        for k in list(left[m]):
            columns, held = _alike(left, m, k)
            features = _of_most(held)
            if len(held) < 2 or features.sum() < NETWORKS.least_features:
                continue
            scores = _side_by_side(parts, columns, features, m)
            if scores is not None:
                followed.append((columns, features, scores))
                _take(columns, left)
    return followed


def _alike(left: list[dict[int, Tensor]], m: int, k: int) -> tuple[list[int | None], list[Tensor]]:
    """Return by study the column with the same features as column k of study m, and those of each.

    ``left`` has the features of the columns by study. None for a study without such a column.
    """
    columns = [_most_similar(left[m][k], of_part) for of_part in left]
    columns[m] = k
    return columns, [on[j] for on, j in zip(left, columns, strict=True) if j is not None]


def _most_similar(features: Tensor, columns: dict[int, Tensor]) -> int | None:
    similarity = {j: jaccard(features, on) for j, on in columns.items()}
    similar = [j for j, index in similarity.items() if index > NETWORKS.same_support]
    return max(similar, key=lambda j: similarity[j], default=None)


def _of_most(supports: list[Tensor]) -> Tensor:
    """Return the features that are in most supports."""
    return torch.stack(supports).float().mean(0) > 0.5


def _take(columns: list[int | None], left: list[dict[int, Tensor]]) -> None:
    """Leave out a group of columns: none is in two of them."""
    for of_part, k in zip(left, columns, strict=True):
        if k is not None:
            del of_part[k]


def _features(part: Part, k: int) -> Tensor:
    """Return the features of an own column, bool [G]."""
    return part.support[:, k] | _explains_much(part.means[:, k], part.outputs)


def _explains_much(scores: Tensor, y: Tensor) -> Tensor:
    """Return of which features scores explain much, beyond what chance does, bool [G]."""
    return explained(scores, y) - NETWORKS.slopes / len(y) > NETWORKS.much


def _side_by_side(
    parts: list[Part], columns: list[int | None], features: Tensor, reference: int
) -> Tensor | None:
    """Return the scores of a factor in all studies [N], by its loadings in one that holds it.

    None if a study that has no column of it does not have it in its data.
    """
    shared, *own = parts
    holder = own[reference]
    loadings = slopes(holder.means[:, columns[reference]], holder.outputs[:, features])
    scores = shared.means.new_zeros(len(shared.means))
    for part, k in zip(own, columns, strict=True):
        if k is not None:
            of_part = _turned(part, k, features, loadings)
        elif (of_part := _direction(shared, part, features, loadings)) is None:
            return None
        scores[part.rows] = of_part
    return scores


def _direction(shared: Part, part: Part, features: Tensor, loadings: Tensor) -> Tensor | None:
    """Return the scores [n] of a factor by its loadings, if the features of a study have it."""
    columns = shared.columns()
    if 2 * NETWORKS.slopes * (len(columns) + 1) > len(part.rows):
        return None  # Too few samples to tell.
    y = part.outputs[:, features]
    left = unexplained(shared.means[part.rows][:, columns], y) if columns else y - y.mean(0)
    direction = torch.linalg.svd(left, full_matrices=False).Vh[0]
    cosine = direction @ loadings / loadings.norm()
    if cosine.abs() < NETWORKS.same_direction:
        return None
    scores = left @ direction * cosine.sign()
    # Of all that the features vary by: what is left of shared factors explains little.
    if _explains_much(scores, y).float().mean() <= NETWORKS.same_support:
        return None
    return scores / scores.std()


def _turned(part: Part, k: int, features: Tensor, loadings: Tensor) -> Tensor:
    """Return the centred means of a column, with the sign that makes its loadings like these."""
    z = part.means[:, k] - part.means[:, k].mean()
    return -z if slopes(z, part.outputs[:, features]) @ loadings < 0 else z


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
