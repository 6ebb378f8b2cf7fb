"""`merge`: columns that hold the same factor become one."""

from collections import Counter

import numpy as np
import pytest
from made_modules import (
    OWN,
    SHARED_BLOCKS,
    assert_supports,
    correlation,
    flat,
    moves,
    posterior_means,
    truth,
)


def test_two_columns_of_a_factor_become_one_with_the_features_of_both(made, rng):
    shared, own = truth(rng)
    (first, _), second = shared
    columns = [(first, range(4)), second, (-first, range(2, 5))]
    module, x = made(flat(shared, own), columns, own)
    found = moves(module, x)
    assert found["columns merged"] == 1
    assert_supports(module, SHARED_BLOCKS, OWN)


@pytest.mark.parametrize("n_linear", [2, 3])
def test_a_factor_and_its_square_become_one_and_the_factor_stays(made, rng, n_linear):
    (first, second), own = truth(rng)
    factor = (first[0], range(n_linear))
    square = (first[0] ** 2, range(n_linear, 5))
    effects = [factor, square, second, *flat([], own)]
    columns = [factor, second, square]
    module, x = made(effects, columns, own)
    found = moves(module, x)
    assert found["columns merged"] == 1
    assert_supports(module, SHARED_BLOCKS, OWN)
    assert abs(correlation(posterior_means(module, x)[:, 0], first[0])) > 0.95


def test_a_mixture_of_two_others_brings_no_features(made, rng):
    shared, own = truth(rng)
    mixture = (shared[0][0] + shared[1][0], range(3, 7))
    module, x = made(flat(shared, own), [*shared, mixture], own)
    assert moves(module, x) == Counter({"columns merged": 1})
    assert_supports(module, SHARED_BLOCKS, OWN)


def test_an_own_mixture_of_a_shared_and_an_own_factor_brings_no_features(made, rng):
    shared, own = truth(rng)
    mixture = (shared[0][0] + own[2][0][0], [*range(2), *range(18, 20)])
    module, x = made(flat(shared, own), shared, [*own[:2], [*own[2], mixture]])
    assert sum(moves(module, x).values()) == 1
    assert_supports(module, SHARED_BLOCKS, OWN)


def test_features_that_a_third_column_explains_do_not_keep_two_apart(made, rng):
    (first, second), own = truth(rng)
    mixture = 1.4 * np.sin(1.8 * first[0]) + 0.3 * second[0]
    effects = [first, (mixture, range(24, 28)), second, *flat([], own)]
    both = (second[0], [*second[1], *range(24, 28)])
    columns = [first, both, (mixture, [*second[1], *range(24, 28)])]
    module, x = made(effects, columns, own)
    assert moves(module, x) == Counter({"columns merged": 1})
    assert_supports(module, [[*first[1], *range(24, 28)], both[1]], OWN)


def test_columns_of_a_study_are_merged_as_well(made, rng):
    shared, own = truth(rng)
    values = own[1][0][0]
    columns = [own[0], [(values, range(14, 16)), (values, range(16, 18))], own[2]]
    module, x = made(flat(shared, own), shared, columns)
    found = moves(module, x)
    assert found["columns merged"] == 1
    assert_supports(module, SHARED_BLOCKS, OWN)


def test_an_own_copy_of_a_shared_factor_is_dropped(made, rng):
    shared, own = truth(rng)
    copied = (shared[0][0], range(3))
    module, x = made(flat(shared, own), shared, [own[0], [*own[1], copied], own[2]])
    assert moves(module, x) == Counter({"own copies of shared factors dropped": 1})
    assert_supports(module, SHARED_BLOCKS, OWN)
