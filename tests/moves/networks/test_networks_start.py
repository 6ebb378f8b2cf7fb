"""`start`: factors that no column holds get one."""

from collections import Counter

import numpy as np
import pytest
from made_modules import (
    N_FEATURES,
    OWN,
    OWN_BLOCKS,
    ROWS,
    SHARED_BLOCKS,
    STUDY,
    assert_supports,
    correlation,
    explained,
    flat,
    moves,
    new_factor,
    posterior_means,
    truth,
)


def test_a_factor_missing_in_all_studies_is_started_as_shared(made, rng):
    shared, own = truth(rng)
    module, x = made(flat(shared, own), shared[:1], own)
    assert moves(module, x) == Counter({"columns started": 1})
    assert_supports(module, SHARED_BLOCKS, OWN)
    started = posterior_means(module, x)[:, 1]
    assert abs(correlation(started, shared[1][0])) > 0.95
    assert abs(started.mean()) < 0.1
    assert module.eta_0[1].item() == pytest.approx(len(SHARED_BLOCKS[1]) / N_FEATURES)


def test_a_factor_of_all_features_leaves_the_prior_a_spike(made, rng):
    module, x = made([(new_factor(rng), range(N_FEATURES))], [], [[], [], []])
    assert moves(module, x) == Counter({"columns started": 1})
    assert 0.99 < module.eta_0[0].item() < 1


def test_a_factor_missing_in_one_study_is_started_as_its_own(made, rng):
    shared, own = truth(rng)
    module, x = made(flat(shared, own), shared, [[], *own[1:]])
    assert moves(module, x) == Counter({"columns started": 1})
    assert_supports(module, SHARED_BLOCKS, OWN)
    started = posterior_means(module, x, 1)[:, 0]
    assert abs(correlation(started, own[0][0][0][ROWS[1]])) > 0.95


def test_the_posterior_is_learned_and_that_of_other_columns_kept(made, rng):
    shared, own = truth(rng)
    module, x = made(flat(shared, own), shared[:1], own)
    inputs = module.likelihood.encoder_input(x)
    before = module.shared_encoder(inputs)[0][:, 0]
    moves(module, x)
    means, log_variances = module.shared_encoder(inputs)
    assert correlation(means[:, 0].detach(), before.detach()) > 0.95
    assert log_variances[:, 1].mean() < -0.5


def test_each_study_gets_the_factor_it_misses(made, rng):
    shared, own = truth(rng)
    module, x = made(flat(shared, own), shared, [[], [], []])
    assert moves(module, x) == Counter({"columns started": 3})
    assert_supports(module, SHARED_BLOCKS, OWN)


def test_a_started_column_explains_its_features(made, rng):
    shared, own = truth(rng)
    shared[1] = (3 * shared[1][0], shared[1][1])
    module, x = made(flat(shared, own), shared[:1], own)
    moves(module, x)
    assert explained(module, x, *shared[1]) > 0.6


def test_a_factor_that_a_column_mixes_with_another_is_started(made, rng):
    shared, own = truth(rng)
    other = new_factor(rng, 0)
    effects = [*flat(shared, own), (other, range(24, 32))]
    mixed = (own[0][0][0] + other) / np.sqrt(2)
    module, x = made(effects, shared, [[(mixed, OWN_BLOCKS[0])], *own[1:]])
    assert moves(module, x)["columns started"] == 1
    started = posterior_means(module, x, 1)[:, 1]
    assert abs(correlation(started, other[ROWS[1]])) > 0.9


def test_the_last_round_starts_none(made, rng):
    shared, own = truth(rng)
    module, x = made(flat(shared, own), shared[:1], own)
    assert moves(module, x, last=True) == Counter()


def test_nothing_is_started_or_added_on_noise(made, rng):
    module, x = made([], [], [[], [], []])
    assert moves(module, x) == Counter()
    assert_supports(module, [], [[], [], []])


def test_a_direction_of_too_few_features_is_no_factor(made, rng):
    shared, own = truth(rng)
    effects = [*flat(shared, own), (new_factor(rng), [24, 25])]
    module, x = made(effects, shared, own)
    assert moves(module, x) == Counter()


@pytest.mark.parametrize("samples", [1, 2])
def test_outlying_samples_are_no_factor(made, rng, samples):
    shared, own = truth(rng)
    outlying = (np.arange(len(STUDY)) < samples) * 20.0
    module, x = made([*flat(shared, own), (outlying, range(30, 50))], shared, own)
    assert moves(module, x) == Counter()


def test_a_column_that_holds_the_square_of_a_factor_takes_the_factor(made, rng):
    shared, own = truth(rng)
    factor = new_factor(rng, 0)
    effects = [*flat(shared, own), (factor, range(30, 36)), (factor**2, range(36, 39))]
    held = [[*own[0], (factor**2 - ROWS[1], range(36, 39))], *own[1:]]
    module, x = made(effects, shared, held)
    assert moves(module, x) == Counter({"columns corrected": 1})
    assert_supports(module, SHARED_BLOCKS, [[OWN_BLOCKS[0], range(30, 39)], *OWN[1:]])
    corrected = posterior_means(module, x, 1)[:, 1]
    assert abs(correlation(corrected, factor[ROWS[1]])) > 0.7


def test_nothing_is_started_without_a_free_column(made, rng):
    blocks = [range(0, 3), range(3, 6), range(6, 9), range(22, 25)]
    columns = [(new_factor(rng), block) for block in blocks]
    missing = (new_factor(rng), range(10, 22))
    module, x = made([*columns, missing], columns, [[], [], []])
    assert moves(module, x) == Counter()
    assert_supports(module, blocks, [[], [], []])
