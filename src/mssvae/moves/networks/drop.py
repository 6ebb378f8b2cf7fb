"""Drop columns that hold no factor of their own."""

from collections import Counter

import torch
from torch import Tensor

from mssvae.moves.dependence import explained
from mssvae.moves.networks.evidence import Evidence
from mssvae.moves.parts import Part, likelihood_gain, means_of
from mssvae.moves.thresholds import NETWORKS


def drop(evidence: Evidence) -> Counter:
    """Drop columns whose features gain less by them than they cost, the smallest ones first.

    By them beside all other columns: so goes a column whose posterior hardly varies, or one that is
    a function of two others.
    """
    moves: Counter = Counter()
    parts, shared, own = evidence.parts, evidence.shared, evidence.own
    for part in parts:
        for k in reversed(part.columns()):
            studies = own if part is shared else [part]
            gains = [_gain_of_column(shared, study, part, k) for study in studies]
            gains = [gain for gain in gains if gain is not None]
            if gains and not evidence.price.is_paid(sum(gains), float(part.eta[k]), part):
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
    if 2 * NETWORKS.slopes * len(columns) > len(y):
        return None
    means = means_of(columns, study)
    is_other = torch.tensor([one is not part or j != k for one, j in columns])
    others = means[:, is_other]
    after = explained(means, y)
    if not others.shape[1]:
        return likelihood_gain(after, study)
    if explained(others, means[:, ~is_other]) > NETWORKS.function:
        return torch.zeros_like(after)
    without = explained(others, y)
    return likelihood_gain(((after - without) / (1 - without)).clamp_min(0), study)
