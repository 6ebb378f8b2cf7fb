"""`drop`: columns that do not pay for their entries go."""

from linear_states import blocks, state_of

from mssvae.moves.linear import drop


def test_columns_that_do_not_pay_are_dropped(scores):
    weak = [z.clone() for z in scores]
    for z in weak:
        z[:, 1] *= 0.1
    state = state_of(blocks(slice(0, 10), slice(10, 20)), weak, 2)
    state.price[:] = 40.0
    assert drop(state) == 1
    assert state.live.tolist() == [True, False]
