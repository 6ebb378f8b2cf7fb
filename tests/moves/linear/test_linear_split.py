"""`split`: a study's own factor leaves a shared column."""

import torch
from linear_states import blocks, state_of

from mssvae.moves.linear import split


def test_a_shared_factor_of_one_study_becomes_its_own(scores):
    present, absent = scores[0].clone(), scores[1].clone()
    present[:, 1] = 0.001  # Nothing is in the own columns.
    absent[:] = 0.001
    state = state_of(blocks(slice(0, 10), slice(10, 12), slice(10, 12)), [present, absent], 1)
    assert split(state) == 1
    loadings = state.parameters.loadings
    assert not loadings[:, 0].any()
    assert loadings[:, 1].nonzero().flatten().tolist() == list(range(10))
    torch.testing.assert_close(state.posteriors[0].mean[:, 1], scores[0][:, 0])


def test_a_shared_factor_of_all_studies_stays(scores):
    state = state_of(blocks(slice(0, 10), slice(10, 20), slice(20, 30)), scores, 1)
    assert split(state) == 0
