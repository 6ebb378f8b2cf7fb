"""Rotate the factors of a part to sparse loadings."""

import math

import torch
from torch import Tensor

from mssvae.core.linear.state import LinearState
from mssvae.moves.thresholds import LINEAR


def rotate(state: LinearState) -> int:
    """Rotate shared factors, and each study's own, to the smallest sum of absolute loadings.

    By plane rotations in turn, which change neither outputs nor prior. Unlike varimax, the
    criterion is not drawn off the axes by features with two factors.
    """
    loadings = state.relative_loadings
    rotation, rotated = torch.eye(len(state.price)).to(loadings), 0
    parts = [torch.arange(state.n_shared), *(state.own(m) for m in range(len(state.data)))]
    for part in parts:
        live = part.to(loadings.device)[state.live[part]]
        block, n = _rotation(loadings[:, live])
        rotation[live[:, None], live] = block
        rotated += n
    state.parameters.loadings = state.parameters.loadings @ rotation
    state.transform(rotation.T)
    return rotated


def _rotation(loadings: Tensor) -> tuple[Tensor, int]:
    """Return the rotation of loadings [G, k], [k, k], and how many planes were turned."""
    count = LINEAR.angles
    angles = (torch.arange(count).to(loadings) / count - 0.5) * (math.pi / 2)
    cosine, sine = torch.cos(angles), torch.sin(angles)
    k, turned = loadings.shape[1], 0
    loadings, rotation = loadings.clone(), torch.eye(k).to(loadings)
    for _ in range(LINEAR.sweeps):
        before = turned
        for i in range(k):
            for j in range(i):
                one, two = loadings[:, i, None], loadings[:, j, None]
                sizes = (one * cosine + two * sine).abs() + (two * cosine - one * sine).abs()
                sizes = sizes.sum(0)
                best = int(sizes.argmin())
                if sizes[best] < (1 - LINEAR.improvement) * sizes[count // 2]:
                    turn = torch.stack(
                        [
                            torch.stack([cosine[best], -sine[best]]),
                            torch.stack([sine[best], cosine[best]]),
                        ]
                    )
                    loadings[:, [i, j]] = loadings[:, [i, j]] @ turn
                    rotation[:, [i, j]] = rotation[:, [i, j]] @ turn
                    turned += 1
        if turned == before:
            break
    return rotation, turned
