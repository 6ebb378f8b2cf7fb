"""`drop`: columns that hold no factor of their own go."""

from collections import Counter

import numpy as np
import torch
from made_modules import (
    N_PER_STUDY,
    OWN,
    SHARED_BLOCKS,
    assert_supports,
    flat,
    moves,
    new_factor,
    truth,
)


def test_a_column_that_explains_none_of_its_features_is_dropped(made, rng):
    shared, own = truth(rng)
    module, x = made(flat(shared, own), [*shared, (new_factor(rng), range(24, 40))], own)
    with torch.no_grad():  # A posterior that is far from the prior, and tells nothing.
        module.shared_encoder.mean.bias[2] = 3
    assert moves(module, x) == Counter({"idle columns dropped": 1})
    assert_supports(module, SHARED_BLOCKS, OWN)


def test_a_function_of_others_is_dropped_whatever_it_explains(made, rng):
    blocks = [range(start, start + 4) for start in (0, 4, 8, 12)]
    columns = [(new_factor(rng), block) for block in blocks]
    mixture = sum(values for values, _ in columns)
    effects = [*columns, (np.sin(mixture), range(24, 27))]
    module, x = made(effects, [*columns, (mixture, range(24, 27))], [[], [], []], (6, 3))
    assert moves(module, x, last=True) == Counter({"idle columns dropped": 1})
    assert_supports(module, blocks, [[], [], []])


def test_too_many_columns_for_the_samples_are_not_judged(made, rng):
    shared, own = truth(rng)
    n_idle = N_PER_STUDY // 8  # Four slopes of each column, and two samples for each slope.
    columns = [*shared, *((new_factor(rng), range(24, 40)) for _ in range(n_idle))]
    module, x = made(flat(shared, own), columns, own, sizes=(n_idle + 2, 3))
    assert moves(module, x)["idle columns dropped"] == 0
