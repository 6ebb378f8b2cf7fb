"""`shear`: copies of one column leave another."""

import torch
from linear_states import blocks, outputs, state_of

from mssvae.moves.linear import shear


def test_shear_takes_a_copy_of_one_column_out_of_another(scores):
    truth = blocks(slice(0, 10), slice(10, 20))
    mixed = truth.clone()
    mixed[:, 1] += 0.3 * truth[:, 0]
    state = state_of(mixed, scores, 2)
    before = outputs(state)
    assert shear(state) == 1
    assert state.parameters.loadings[:10, 1].abs().max() < 1e-5
    for one, other in zip(outputs(state), before, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


def test_own_factors_may_give_up_shared_ones_but_not_the_reverse(scores):
    loadings = blocks(slice(0, 10), slice(10, 20), slice(20, 30))
    loadings[:10, 1] = 0.3  # The first study's own column, of the shared one.
    state = state_of(loadings, scores, 1)
    shear(state)
    assert state.parameters.loadings[:10, 1].abs().max() < 1e-5
    loadings = blocks(slice(0, 10), slice(10, 20), slice(20, 30))
    loadings[10:20, 0] = 0.3  # The shared column, of an own one.
    state = state_of(loadings, scores, 1)
    shear(state)
    assert state.parameters.loadings[10:20, 0].abs().min() > 0.1
