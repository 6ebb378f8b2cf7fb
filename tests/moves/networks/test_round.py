"""A round of moves: what it selects, leaves alone, and does the same again."""

import copy
from collections import Counter

import pytest
import torch
from made_modules import (
    N_STUDIES,
    OWN,
    OWN_BLOCKS,
    PRICE,
    ROWS,
    SHARED_BLOCKS,
    assert_supports,
    flat,
    moves,
    repairs,
    restructuring,
    truth,
)
from torch import nn

from mssvae.core.module import MultiStudyModule
from mssvae.fitting.networks.restructuring import Restructuring


def test_a_complete_solution_is_left_alone(made, rng):
    shared, own = truth(rng)
    module, x = made(flat(shared, own), shared, own)
    before = copy.deepcopy(module.state_dict())
    assert moves(module, x) == Counter()
    for name, value in module.state_dict().items():
        torch.testing.assert_close(value, before[name], msg=name)


@pytest.mark.parametrize("step", ["select", "run"])
def test_zeroes_spike_entries_and_keeps_the_slab(made, rng, step):
    shared, own = truth(rng)
    module, x = made(flat(shared, own), shared, own)
    with torch.no_grad():
        module.shared_mask[20, 0] = 0.05
        module.specific_masks[1][2, 0] = -0.05
        module.shared_mask[0, 0] = -0.8
    getattr(restructuring(module, x), step)()
    assert_supports(module, SHARED_BLOCKS, OWN)
    assert module.shared_mask[0, 0].item() == pytest.approx(-0.8, rel=0.1)


def test_drops_a_column_without_slab_entries(made, rng):
    shared, own = truth(rng)
    module, x = made(flat(shared, own), shared, own)
    with torch.no_grad():  # The prior calls every entry of so rare a column a spike.
        module.eta_0[1] = 1e-9
    restructuring(module, x).select()
    assert_supports(module, SHARED_BLOCKS[:1], OWN)
    assert module.alive_0.tolist() == [True, False, False, False]


def test_drops_a_column_whose_posterior_is_the_prior(made, rng):
    shared, own = truth(rng)
    module, x = made(flat(shared, own), shared, own)
    with torch.no_grad():
        module.shared_encoder.mean.weight[0] = 0
        module.shared_encoder.mean.bias[0] = 0
        module.shared_encoder.log_variance.bias[0] = 0
    restructuring(module, x).select()
    assert_supports(module, SHARED_BLOCKS[1:], OWN)
    assert module.alive_0.tolist() == [False, True, False, False]


def test_keeps_a_shared_column_that_one_study_uses(made, rng):
    shared, own = truth(rng)
    columns = [*shared, own[0][0]]
    module, x = made(flat(shared, own), columns, [[], *own[1:]])
    with torch.no_grad():  # A posterior that is close to the prior on average.
        module.shared_encoder.mean.weight[2] *= 0.6
        module.shared_encoder.mean.bias[2] *= 0.6
        module.shared_encoder.log_variance.bias[2] = 0
    restructuring(module, x).select()
    assert_supports(module, [*SHARED_BLOCKS, OWN_BLOCKS[0]], [[], *OWN[1:]])


def test_too_few_samples_for_a_regression_add_nothing(rng):
    x = torch.from_numpy(rng.normal(size=(27, 40)))
    study = torch.arange(27) % 3
    module = MultiStudyModule(x, 3, 4, 2, (6, 5), "gaussian").double()
    made = repairs(Restructuring(module, x, study, PRICE).run())
    assert not made.keys() & {"features added", "columns started"}


@torch.no_grad()
def test_columns_of_too_few_samples_are_not_judged_by_each_other(rng):
    """Of seven factors in six samples some depend on each other by chance."""
    x = torch.from_numpy(rng.normal(size=(206, 40)))
    study = torch.arange(206).clamp_max(200) // 100
    module = MultiStudyModule(x, 3, 1, 7, (6, 5), "gaussian").double()
    state = Restructuring(module, x, study, PRICE)
    *large, small = state.parts
    for part in large:
        part.mask.zero_()
        part.alive.fill_(False)
    small.means = torch.from_numpy(rng.normal(size=(6, 7)))
    small.support = torch.from_numpy(rng.random((40, 7)) < 0.3)
    small.mask.copy_(small.support)
    small.alive.fill_(True)
    assert repairs(state.run()) == Counter()


def test_batch_norm_keeps_its_averages_where_nothing_is_learned(made):
    plain, x = made([], [], [[], [], []])
    likelihood = plain.likelihood.name
    module = MultiStudyModule(x, N_STUDIES, 4, 3, (6, 5), likelihood).double()
    before = {name: b.clone() for name, b in module.named_buffers() if "running" in name}
    for mask, alive in zip(module.masks, module.alive, strict=True):
        nn.init.zeros_(mask)
        alive.fill_(False)
    assert moves(module, x) == Counter()
    assert module.training
    for name, value in before.items():
        assert torch.equal(module.get_buffer(name), value)


def test_the_same_state_gives_the_same_result(made, rng):
    shared, own = truth(rng)
    (one, _), (two, _) = shared
    columns = [(one + two, range(10)), (one - two, range(10))]
    square = (own[0][0][0] ** 2, range(30, 32))
    module, x = made([*flat(shared, own), square], columns, [2 * own[0], [], own[2]])
    again = copy.deepcopy(module)
    found = moves(module, x)
    assert found["pairs rotated"] == found["columns merged"] == found["columns started"] == 1
    assert found["features added"] > 0
    assert moves(again, x) == found
    for one, two in zip(module.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(one, two)


def test_single_precision_makes_the_same_moves(made, rng):
    shared, own = truth(rng)
    module, x = made(flat(shared, own), shared[:1], [2 * own[0], [], own[2]])
    single = copy.deepcopy(module).float()
    assert moves(single, x.float()) == moves(module, x) != Counter()
    for one, two in zip(single.masks, module.masks, strict=True):
        torch.testing.assert_close(one, two, check_dtype=False)


def test_constant_features_are_added_to_no_column(made, rng):
    shared, own = truth(rng)
    module, x = made(flat(shared, own), shared, own)
    x[ROWS[1], 40] = 0
    x[:, 41] = 0
    assert moves(module, x) == Counter()


def test_masks_of_one_column(made, rng):
    shared, own = truth(rng)
    effects = [shared[0], *flat([], own)]
    module, x = made(effects, shared[:1], own, sizes=(1, 1))
    assert moves(module, x) == Counter()
    module, x = made(effects, [], own, sizes=(1, 1))
    assert moves(module, x) == Counter({"columns started": 1})
    assert_supports(module, SHARED_BLOCKS[:1], OWN)
