"""Rotate pairs of columns that mix two factors."""

from collections import Counter
from itertools import combinations, product

import numpy as np
import torch
from torch import Tensor, nn

from mssvae.core.decoder import Decoder
from mssvae.moves.dependence import (
    jaccard,
    slopes,
    slopes_of_pair,
    sparsest_rotation,
)
from mssvae.moves.networks.evidence import Evidence
from mssvae.moves.parts import Part
from mssvae.moves.thresholds import NETWORKS


def rotate(evidence: Evidence) -> Counter:
    """Turn pairs of columns with the same support onto the axes of their linear loadings.

    Two normal factors and any rotation of them fit linear features alike; only sparsity tells
    them apart, and its pull vanishes once all weights are in the slab. Encoders and decoder follow.
    """
    moves: Counter = Counter()
    shared, own, decoder = evidence.shared, evidence.own, evidence.module.decoder
    for part in evidence.parts:
        rotated: set[int] = set()
        for a, b in combinations(sorted(part.columns()), 2):
            if not rotated & {a, b} and _rotate_pair(part, [a, b], decoder):
                rotated |= {a, b}
                moves["pairs rotated"] += 1
    for part in own:
        rotated = set()
        for j, k in product(sorted(shared.columns()), sorted(part.columns())):
            if k not in rotated and _rotate_with_shared(shared, part, j, k, decoder):
                rotated.add(k)
                moves["own columns rotated with shared ones"] += 1
    return moves


def _rotate_pair(part: Part, pair: list[int], decoder: Decoder) -> bool:
    """Turn two columns of a part; return whether they are mixed."""
    features = _common_features(*part.support[:, pair].T)
    if features is None or not part.is_large_enough():
        return False
    loadings = slopes_of_pair(part.means[:, pair], part.outputs[:, features])
    rotation = sparsest_rotation(loadings)
    if not _turns(rotation):
        return False
    loadings = loadings @ rotation
    part.means[:, pair] = part.means[:, pair] @ rotation
    if not part.to_learn.isdisjoint(pair):
        part.to_learn.update(pair)
    places = [part.offset + k for k in pair]
    head, spread = part.encoder.mean, part.encoder.log_variance
    head.weight[pair] = rotation.T @ head.weight[pair]
    head.bias[pair] = rotation.T @ head.bias[pair]
    spread.weight[pair] = spread.weight[pair].mean(0)
    spread.bias[pair] = spread.bias[pair].mean()
    decoder.first.weight[:, places] = decoder.first.weight[:, places] @ rotation
    scale = part.mask[:, pair].abs().amax()
    for k, loading, keep in zip(pair, loadings.T, _kept(loadings).T, strict=True):
        part.mask[features, k] = scale * keep
        part.support[features, k] = keep
        inside = _large(loading)
        decoder.output.weight[features[inside], part.offset + k] = loading[inside] / scale
    return True


def _rotate_with_shared(shared: Part, part: Part, j: int, k: int, decoder: Decoder) -> bool:
    """Turn shared column j and own column k in one study; return whether they are mixed there.

    The axis that is more like the shared column in the other studies becomes the shared one.
    """
    features = _common_features(shared.support[:, j], part.support[:, k])
    elsewhere = torch.ones(len(shared.rows), dtype=torch.bool)
    elsewhere[part.rows] = False
    if features is None or not part.is_large_enough() or elsewhere.sum() < NETWORKS.least_samples:
        return False
    z = torch.stack([shared.means[part.rows, j], part.means[:, k]], 1)
    loadings = slopes_of_pair(z, part.outputs[:, features])
    reference = slopes(shared.means[elsewhere, j], shared.outputs[elsewhere][:, features])
    rotation = sparsest_rotation(loadings)
    likeness = nn.functional.cosine_similarity(loadings @ rotation, reference[:, None], 0)
    order = likeness.abs().argsort(descending=True)
    rotation = rotation[:, order] * likeness[order].sign()
    if not _turns(rotation) or likeness.abs().max() < NETWORKS.same_loadings:
        return False
    loadings, z = loadings @ rotation, z @ rotation
    shared.means[part.rows, j], part.means[:, k] = z.T
    shared.to_learn.add(j)
    part.to_learn.add(k)
    keep = _kept(loadings)
    keep[:, 0] |= _large(reference)
    for one, column, kept in zip((shared, part), (j, k), keep.T, strict=True):
        one.enter(features[kept], column)
        one.mask[features[~kept], column] = 0
        one.support[features[~kept], column] = False
    scale = part.mask[features[keep[:, 1]], k].median()
    inside = _large(loadings[:, 1])
    decoder.output.weight[features[inside], part.offset + k] = loadings[inside, 1] / scale
    return True


def _common_features(one: Tensor, two: Tensor) -> Tensor | None:
    """Return the features of two supports [G] that are nearly the same; None, if they are not."""
    return (one | two).nonzero().flatten() if jaccard(one, two) > NETWORKS.same_support else None


def _turns(rotation: Tensor) -> bool:
    """Return whether an axis is turned by more than a small angle."""
    return bool(rotation.diagonal().abs().min() < np.cos(NETWORKS.smallest_angle))


def _large(loadings: Tensor) -> Tensor:
    """Return which loadings are not negligible beside the largest of their column."""
    return loadings.abs() > NETWORKS.negligible * loadings.abs().amax(0)


def _kept(loadings: Tensor) -> Tensor:
    """Return which features remain in which of two columns, bool [G, 2].

    Those without a linear loading stay in both, and training decides.
    """
    linear = _large(loadings)
    return linear | ~linear.any(1, keepdim=True)
