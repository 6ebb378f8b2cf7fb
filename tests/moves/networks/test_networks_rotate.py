"""`rotate`: two factors mixed in two columns come apart."""

from collections import Counter

import numpy as np
import pytest
import torch
from made_modules import (
    N_STUDIES,
    OWN,
    OWN_BLOCKS,
    ROWS,
    SHARED_BLOCKS,
    assert_supports,
    correlation,
    explained,
    flat,
    moves,
    posterior_means,
    truth,
)


def rotated(made, rng, degrees):
    """Two shared columns of all ten shared features, turned away from the factors."""
    shared, own = truth(rng)
    angle = np.radians(degrees)
    one, two = (values for values, _ in shared)
    columns = [
        (np.cos(angle) * one + np.sin(angle) * two, range(10)),
        (-np.sin(angle) * one + np.cos(angle) * two, range(10)),
    ]
    return *made(flat(shared, own), columns, own), shared


@pytest.mark.parametrize("degrees", [30, -20, 44])
def test_a_mixed_pair_comes_back_onto_the_axes(made, rng, degrees):
    module, x, shared = rotated(made, rng, degrees)
    assert moves(module, x) == Counter({"pairs rotated": 1})
    assert_supports(module, SHARED_BLOCKS, OWN)
    means = posterior_means(module, x)
    order = 0 if module.shared_mask[0, 0] else 1
    for k, (values, _) in enumerate(shared):
        assert abs(correlation(means[:, k ^ order], values)) > 0.98


def test_the_decoder_follows_the_turn(made, rng):
    module, x, shared = rotated(made, rng, 30)
    moves(module, x)
    for values, block in shared:
        assert explained(module, x, values, block) > 0.8


def test_posterior_and_first_layer_turn_alike(made, rng):
    module, x, _ = rotated(made, rng, 30)
    encoder = module.shared_encoder
    with torch.no_grad():
        encoder.mean.bias[:2] += 2
        encoder.log_variance.bias[:2] = torch.tensor([-5, -3])
        decoded = encoder(x)[0] @ module.decoder.first.weight[:, : module.n_shared].T
        assert moves(module, x)["pairs rotated"] == 1
        turned = encoder(x)[0] @ module.decoder.first.weight[:, : module.n_shared].T
    torch.testing.assert_close(turned, decoded)
    assert encoder.log_variance.bias[:2].tolist() == [-4, -4]


def test_a_pair_close_to_the_axes_is_left_alone(made, rng):
    module, x, _ = rotated(made, rng, 2)
    assert moves(module, x) == Counter()


def test_columns_of_all_studies_are_shared_once_none_is_mixed(made, rng):
    """In study 2 the common factor is mixed with one of its own, of more features."""
    shared, own = truth(rng)
    (common, block), large = shared[1], [*OWN_BLOCKS[1], *range(30, 34)]
    own[1] = [(own[1][0][0], large)]
    held = [[*own[m], (common * ROWS[m + 1], block)] for m in range(N_STUDIES)]
    mixed = [(own[1][0][0] + sign * common) / np.sqrt(2) for sign in (1, -1)]
    held[1] = [(z, [*large, *block]) for z in mixed]
    module, x = made(flat(shared, own), shared[:1], held)
    assert moves(module, x) == {"pairs rotated": 1, "columns of all studies shared": 1}
    assert_supports(module, SHARED_BLOCKS, [OWN[0], [large], OWN[2]])


def test_columns_that_were_just_started_turn_as_well(made, rng):
    shared, own = truth(rng)
    (one, _), (two, _) = shared
    mixed = [(one + two) / np.sqrt(2), (one - two) / np.sqrt(2)]
    held = [
        [*columns, *[(z * ROWS[m + 1], range(10)) for z in mixed]] for m, columns in enumerate(own)
    ]
    module, x = made(flat(shared, own), [], held)
    found = moves(module, x)
    assert (found["columns of all studies shared"], found["pairs rotated"]) == (2, 1)
    assert_supports(module, SHARED_BLOCKS, OWN)
    means = posterior_means(module, x)
    order = 0 if module.shared_mask[0, 0] else 1
    for k, (values, _) in enumerate(shared):
        assert abs(correlation(means[:, k ^ order], values)) > 0.95


def test_features_without_a_linear_loading_stay_in_both(made, rng):
    shared, own = truth(rng)
    (one, _), (two, _) = shared
    effects = [(one, range(4)), (two**2, [4]), *flat(shared[1:], own)]
    half = np.sqrt(0.5)
    columns = [(half * (one + two), range(10)), (half * (one - two), range(10))]
    module, x = made(effects, columns, own)
    assert moves(module, x)["pairs rotated"] == 1
    assert_supports(module, [range(5), range(4, 10)], OWN)


def mixed_with_shared(made, rng, degrees):
    """A shared and an own column, both of ten features, turned in study 0 alone."""
    shared, own = truth(rng)
    (one, two), angle = (shared[0][0], own[0][0][0]), np.radians(degrees)
    turned = np.where(ROWS[1], np.cos(angle) * one + np.sin(angle) * two, one)
    mixed = [*SHARED_BLOCKS[0], *OWN_BLOCKS[0]]
    columns = [(turned, mixed), shared[1]]
    own_columns = [[(np.cos(angle) * two - np.sin(angle) * one, mixed)], *own[1:]]
    return *made(flat(shared, own), columns, own_columns), one, two


@pytest.mark.parametrize("degrees", [30, -20, 44])
def test_a_shared_and_an_own_column_mixed_in_one_study_come_apart(made, rng, degrees):
    module, x, one, two = mixed_with_shared(made, rng, degrees)
    assert moves(module, x)["own columns rotated with shared ones"] == 1
    assert_supports(module, SHARED_BLOCKS, OWN)
    means, own_means = (posterior_means(module, x, i)[:, 0] for i in (0, 1))
    assert correlation(means[ROWS[1]], one[ROWS[1]]) > 0.8
    assert correlation(means[~ROWS[1]], one[~ROWS[1]]) > 0.8
    assert abs(correlation(own_means, two[ROWS[1]])) > 0.8


def test_the_axis_like_the_shared_column_elsewhere_becomes_the_shared_one(made, rng):
    module, x, one, two = mixed_with_shared(made, rng, 48)
    assert moves(module, x)["own columns rotated with shared ones"] == 1
    means = posterior_means(module, x)[ROWS[1], 0]
    assert correlation(means, one[ROWS[1]]) > 0.8 > 0.5 > correlation(means, two[ROWS[1]])


def test_a_shared_and_an_own_column_on_the_axes_are_left_alone(made, rng):
    module, x, *_ = mixed_with_shared(made, rng, 3)
    assert moves(module, x)["own columns rotated with shared ones"] == 0


def test_a_separated_pair_is_left_alone(made, rng):
    shared, own = truth(rng)
    # Half of each block belongs to both: a Jaccard index of 1/3.
    both = [(shared[0][0], range(6)), (shared[1][0], range(3, 9))]
    module, x = made(flat(both, own), both, own)
    assert moves(module, x) == Counter()
    assert_supports(module, [range(6), range(3, 9)], OWN)
