"""`grow`: columns take the features that are nonlinear in their factor."""

from collections import Counter

import numpy as np
import pytest
import torch
from made_modules import OWN, OWN_BLOCKS, SHARED_BLOCKS, assert_supports, flat, moves, truth


def test_a_square_of_a_factor_is_added(made, rng):
    shared, own = truth(rng)
    effects = [*flat(shared, own), (shared[0][0] ** 2, [24])]
    module, x = made(effects, shared, own)
    assert moves(module, x) == Counter({"features added": 1})
    assert_supports(module, [[*range(5), 24], SHARED_BLOCKS[1]], OWN)


def test_a_square_of_an_own_factor_is_added(made, rng):
    shared, own = truth(rng)
    effects = [*flat(shared, own), (own[2][0][0] ** 2, [24])]
    module, x = made(effects, shared, own)
    assert moves(module, x) == Counter({"features added": 1})
    assert_supports(module, SHARED_BLOCKS, [*OWN[:2], [[*OWN_BLOCKS[2], 24]]])


def test_a_feature_is_added_to_the_column_that_explains_it_best(made, rng):
    (first, second), own = truth(rng)
    dependent = ((first[0] + second[0]) / np.sqrt(2), second[1])
    effects = [first, dependent, *flat([], own), (first[0] ** 2, [24])]
    module, x = made(effects, [first, dependent], own)
    assert moves(module, x) == Counter({"features added": 1})
    assert_supports(module, [[*range(5), 24], SHARED_BLOCKS[1]], OWN)


def test_enters_with_the_columns_typical_weight(made, rng):
    shared, own = truth(rng)
    effects = [*flat(shared, own), (shared[0][0] ** 2, [24])]
    module, x = made(effects, shared, own)
    with torch.no_grad():
        module.shared_mask[:, 0] *= -0.3
    moves(module, x)
    assert module.shared_mask[24, 0].item() == pytest.approx(-1, rel=0.1)
