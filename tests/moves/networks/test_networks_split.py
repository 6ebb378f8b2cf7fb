"""`split`: shared columns that are several factors go to their studies."""

from collections import Counter

import numpy as np
import torch
from made_modules import (
    N_FEATURES,
    N_STUDIES,
    OWN,
    OWN_BLOCKS,
    PRICE,
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
    restructuring,
    supports,
    truth,
)

from mssvae.moves.theorem2 import split_columns


def test_a_shared_column_that_acts_in_one_study_becomes_its_own(made, rng):
    shared, own = truth(rng)
    columns = [*shared, own[1][0]]
    module, x = made(flat(shared, own), columns, [own[0], [], own[2]])
    assert moves(module, x) == Counter({"shared columns split by study": 1})
    assert_supports(module, SHARED_BLOCKS, OWN)
    started = posterior_means(module, x, 2)[:, 0]
    assert abs(correlation(started, own[1][0][0][ROWS[2]])) > 0.95


def switching(rng):
    """A shared column that stands for another own factor in each study."""
    shared, own = truth(rng)
    switched = sum(values for ((values, _),) in own)
    effects = flat(shared, own)
    return effects, [*shared, (switched, range(10, 22))], own


def test_a_shared_column_of_different_features_by_study_is_split(made, rng):
    effects, columns, _ = switching(rng)
    module, x = made(effects, columns, [[], [], []])
    found = moves(module, x)
    assert found["shared columns split by study"] == 1
    assert_supports(module, SHARED_BLOCKS, OWN)


def test_a_shared_and_an_own_factor_that_changed_places_in_one_study_change_back(made, rng):
    shared, own = truth(rng)
    # It varies less where it is the shared factor, but is known there as well.
    switched = np.where(ROWS[3], 3 * own[2][0][0], 0.5 * shared[0][0])
    columns = [(switched, [*SHARED_BLOCKS[0], *OWN_BLOCKS[2]]), shared[1]]
    held = [*own[:2], [(shared[0][0] * ROWS[3], SHARED_BLOCKS[0])]]
    module, x = made(flat(shared, own), columns, held)
    found = moves(module, x)
    assert found["shared columns split by study"] == 1
    assert found["columns of all studies shared"] == 1
    assert_supports(module, SHARED_BLOCKS, OWN)


def test_the_last_round_does_not_split(made, rng):
    effects, columns, _ = switching(rng)
    module, x = made(effects, columns, [[], [], []])
    found = moves(module, x, last=True)
    assert found["shared columns split by study"] == 0
    assert len(supports(module.shared_mask)) == 3


def test_a_shared_column_is_not_split_for_features_that_it_does_not_affect(made, rng):
    shared, own = truth(rng)
    held = [(shared[0][0], [*SHARED_BLOCKS[0], *range(40, 60)]), shared[1]]
    module, x = made(flat(shared, own), held, own)
    assert split_columns(restructuring(module, x).parts, PRICE) == []


def test_a_split_column_explains_its_features(made, rng):
    effects, columns, own = switching(rng)
    # Whatever is constant within a study is no part of a loading.
    effects.append((np.ones(len(STUDY)), range(N_FEATURES)))
    columns[2] = (columns[2][0] + STUDY, columns[2][1])
    module, x = made(effects, columns, [[], [], []])
    moves(module, x)
    for i, ((values, block),) in enumerate(own, start=1):
        assert explained(module, x, values, block, i) > 0.6


def test_a_shared_column_is_not_split_without_free_own_columns(made, rng):
    full = [
        [(new_factor(rng, m), range(9 * m + start, 9 * m + start + 3)) for start in (10, 13, 16)]
        for m in range(N_STUDIES)
    ]
    switched = new_factor(rng)
    effects = [
        *flat([], full),
        (switched * ROWS[1], range(5)),
        (switched * ~ROWS[1], range(5, 10)),
    ]
    module, x = made(effects, [(switched, range(10))], full)
    assert moves(module, x)["shared columns split by study"] == 0
    assert supports(module.shared_mask) == [set(range(10))]


def test_a_shared_column_that_is_constant_in_a_study_does_not_act_there(made, rng):
    shared, own = truth(rng)
    module, x = made(flat(shared, own), [*shared, own[1][0]], [own[0], [], own[2]])
    block = list(OWN_BLOCKS[1])
    with torch.no_grad():
        module.shared_encoder.mean.weight[2] = 0
        module.shared_encoder.mean.weight[2, block] = 1
    x[np.ix_(~ROWS[2], block)] = 1
    ((k, acts),) = split_columns(restructuring(module, x).parts, PRICE)
    assert k == 2
    assert [features.nonzero().flatten().tolist() for features in acts] == [[], block, []]
