"""`follow`: a factor that some studies have in own columns, and the others in their data alone."""

from collections import Counter

import numpy as np
import pytest
from made_modules import (
    N_STUDIES,
    OWN,
    ROWS,
    SHARED_BLOCKS,
    assert_supports,
    correlation,
    flat,
    new_factor,
    posterior_means,
    repairs,
    restructuring,
    truth,
)

SHARED = Counter({"columns of some studies shared with all": 1})
LOADINGS = np.array([1, -1, 1, -1, 1])


def followed(module, x, last=False):
    return repairs(restructuring(module, x).run(["follow"], last=last))


@pytest.fixture
def held_by_two(rng):
    """True effects, shared ones, and columns: studies 1 and 2 hold the second shared factor."""
    shared, own = truth(rng)
    values, block = shared[1]
    effects = [shared[0], (values[:, None] * LOADINGS, block), *flat([], own)]
    signs = (1, -1)
    held = [[*own[m], (sign * values * ROWS[m + 1], block)] for m, sign in enumerate(signs)]
    return effects, shared, [*held, own[2]]


def test_a_factor_of_two_studies_is_shared_where_the_third_has_it_in_its_data(made, held_by_two):
    effects, shared, held = held_by_two
    module, x = made(effects, shared[:1], held)
    assert followed(module, x) == SHARED
    assert_supports(module, SHARED_BLOCKS, OWN)
    scores = posterior_means(module, x)[:, 1]
    assert all(abs(correlation(scores[rows], shared[1][0][rows])) > 0.95 for rows in ROWS)


def test_a_column_that_has_it_mixed_with_another_factor_stays(made, held_by_two):
    effects, shared, held = held_by_two
    (values, block), own, own_block = shared[1], held[2][0][0], range(18, 26)
    mixed = [*own_block, *block]
    held[2] = [((own + values) / np.sqrt(2) * ROWS[3], mixed)]
    module, x = made([*effects, (own, own_block)], shared[:1], held)
    assert followed(module, x) == SHARED
    assert_supports(module, SHARED_BLOCKS, [*OWN[:2], [mixed]])


def test_features_that_columns_explain_without_having_them_come_along(made, held_by_two):
    effects, shared, held = held_by_two
    for m, features in enumerate(([5, 6, 7], [5, 8, 9])):
        held[m][1] = (held[m][1][0], features)
    module, x = made(effects, shared[:1], held)
    assert followed(module, x) == SHARED
    assert_supports(module, SHARED_BLOCKS, OWN)


@pytest.mark.parametrize("loadings", [0, np.ones(5), np.eye(5)[0]])
def test_nothing_is_shared_where_the_third_study_has_another_factor_or_none(
    made, rng, held_by_two, loadings
):
    effects, shared, held = held_by_two
    values, block = effects[1]
    elsewhere = values * ~ROWS[3][:, None]
    effects[1] = (elsewhere + new_factor(rng, 2)[:, None] * loadings, block)
    module, x = made(effects, shared[:1], held)
    assert followed(module, x) == Counter()
    assert_supports(module, SHARED_BLOCKS[:1], [[*OWN[0], block], [*OWN[1], block], OWN[2]])


def test_a_shared_factor_that_acts_on_the_features_does_not_count(made, rng, held_by_two):
    """In the third study it is what varies most in them, with the same loadings."""
    effects, shared, held = held_by_two
    values, block = effects[1]
    known = new_factor(rng)
    effects[1] = (values * ~ROWS[3][:, None] + (2 * known * ROWS[3])[:, None] * LOADINGS, block)
    module, x = made([*effects, (known, range(30, 35))], [shared[0], (known, range(30, 35))], held)
    assert followed(module, x) == Counter()


def test_one_study_is_not_followed(made, held_by_two):
    effects, shared, held = held_by_two
    held[1] = held[1][:1]
    module, x = made(effects, shared[:1], held)
    assert followed(module, x) == Counter()


def test_columns_stay_without_a_free_shared_one(made, rng):
    blocks = [range(0, 3), range(3, 6), range(6, 9), range(9, 12)]
    columns = [(new_factor(rng), block) for block in blocks]
    values, block = new_factor(rng), range(14, 19)
    held = [*([(values * ROWS[m + 1], block)] for m in range(N_STUDIES - 1)), []]
    module, x = made([*columns, (values, block)], columns, held)
    assert followed(module, x) == Counter()


def test_nothing_is_shared_in_the_last_round_as_none_could_undo_it(made, held_by_two):
    effects, shared, held = held_by_two
    module, x = made(effects, shared[:1], held)
    assert followed(module, x, last=True) == Counter()
