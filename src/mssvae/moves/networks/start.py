"""Start columns on factors that no column holds."""

from collections import Counter

import numpy as np
import torch
from scipy.sparse.linalg import svds
from torch import Tensor

from mssvae.moves.dependence import explained, mutual_information
from mssvae.moves.networks.columns import hold, start_column
from mssvae.moves.networks.evidence import Evidence
from mssvae.moves.parts import Part, Price, likelihood_gain, means_of
from mssvae.moves.thresholds import NETWORKS


def start(evidence: Evidence) -> Counter:
    """Let a column hold the direction in which the residuals vary most, if it is a factor.

    In all studies together if it is the same direction in each of them, else by study. If no
    study shows a new one, all of them together may.
    """
    shared, own, residuals = evidence.shared, evidence.own, evidence.residuals
    moves: Counter = Counter()
    candidates = [_candidate(residuals[part.rows], part, evidence.price) for part in own]
    if not _all_alike(candidates):
        for part, candidate in zip(own, candidates, strict=True):
            if candidate is not None:
                moves += _add_factor(evidence, part, *candidate[1:])
        if moves["columns started"]:
            return moves
    candidate = _candidate(residuals, shared, evidence.price)
    if candidate is not None:
        moves += _add_factor(evidence, shared, *candidate[1:])
    return moves


def _add_factor(evidence: Evidence, part: Part, scores: Tensor, features: Tensor) -> Counter:
    """Start a column on scores [n], or correct the one that holds a function of them.

    Such as their absolute values: then features that are odd in the factor are missing, and
    the scores explain what the column does. Nothing is done if they are otherwise known.
    """
    decoder = evidence.module.decoder
    related = _related(evidence, scores, part)
    if len(related) == 1 and related[0][0] is part:
        k = related[0][1]
        means, y = part.means[:, k], part.outputs[:, part.support[:, k]]
        linear = torch.corrcoef(torch.stack([means, scores]))[0, 1].abs()
        before, after = (explained(z, y).sum() for z in (means, scores))
        if linear < NETWORKS.not_linear and after > NETWORKS.as_well * before:
            hold(decoder, part, k, scores, features)
            return Counter({"columns corrected": 1})
    if part.unused() and (not related or _explains_more(evidence, part, scores, features, related)):
        start_column(decoder, part, scores, features)
        return Counter({"columns started": 1})
    return Counter()


def _explains_more(
    evidence: Evidence,
    part: Part,
    scores: Tensor,
    features: Tensor,
    related: list[tuple[Part, int]],
) -> bool:
    """Return whether scores [n] explain much of a few features that related columns do not.

    As one of two factors does that one column mixes. What is left of a factor because its
    posterior means are not exact explains little.
    """
    shared = evidence.shared
    if part is shared and any(other is not shared for other, _ in related):
        return False  # These know some of the samples only.
    known = means_of(related, part)
    y = part.outputs[:, features]
    before = explained(known, y)
    after = explained(torch.cat([known, scores[:, None]], 1), y)
    return int((after - before > NETWORKS.much).sum()) >= NETWORKS.least_features


def _related(evidence: Evidence, scores: Tensor, part: Part) -> list[tuple[Part, int]]:
    """Return the columns that share information with scores [n] of a part's samples."""
    shared, own = evidence.shared, evidence.own
    if part is shared:
        known = [(shared, shared), *((one, one) for one in own if one.is_large_enough())]
    else:
        known = [(shared, part), (part, part)]
    related = []
    for other, samples in known:
        columns = other.columns()
        values = scores if samples is part else scores[samples.rows]
        means = other.means_on(samples, columns)
        information = mutual_information(values[:, None], means)[0]
        related += [
            (other, k)
            for k, nats in zip(columns, information, strict=True)
            if nats > NETWORKS.new_factor
        ]
    return related


def _candidate(residuals: Tensor, part: Part, price: Price) -> tuple[Tensor, Tensor, Tensor] | None:
    """Return direction [G], scores [n] and features [G] of a factor of the residuals."""
    if not part.is_large_enough():
        return None
    limit = NETWORKS.outlying * residuals.abs().median(0).values
    scaled = residuals.clamp(-limit, limit)
    scaled -= scaled.mean(0)
    # Nothing varies if all samples are the same.
    if scaled.shape[1] < NETWORKS.least_features or not scaled.any():
        return None
    start = np.random.default_rng(0).normal(size=min(scaled.shape))
    direction = svds(scaled.double().cpu().numpy(), k=1, v0=start)[2][0]
    direction = torch.as_tensor(direction.copy(), dtype=scaled.dtype, device=scaled.device)
    scores = scaled @ direction
    scores = (scores - scores.mean()) / scores.std()
    gain = likelihood_gain(explained(scores, scaled), part)
    eta = 1 / len(direction)
    features = gain > price.of_entry(eta)
    if features.sum() < NETWORKS.least_features or not price.is_paid(gain, eta, part):
        return None
    return direction, scores, features


def _all_alike(candidates: list[tuple[Tensor, Tensor, Tensor] | None]) -> bool:
    """Return whether there is a candidate of each study, all with nearly the same direction."""
    if any(candidate is None for candidate in candidates):
        return False
    directions = torch.stack([direction for direction, _, _ in candidates])
    return bool((directions @ directions.T).abs().min() > NETWORKS.same_direction)
