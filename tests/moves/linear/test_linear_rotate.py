"""`rotate`: factors mixed with each other come apart."""

import torch
from linear_states import blocks, outputs, state_of

from mssvae.moves.linear import rotate


def test_rotation_finds_separate_blocks(scores):
    turn = torch.tensor([[0.6, -0.8], [0.8, 0.6]])
    truth = blocks(slice(0, 10), slice(10, 20))
    state = state_of(truth @ turn, [z @ turn for z in scores], 2)
    before = outputs(state)
    assert rotate(state) > 0
    small = state.parameters.loadings.abs().min(1).values[:20]
    assert small.max() < 0.1  # Angles are tried on a grid.
    for one, other in zip(outputs(state), before, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)
