"""`share`: columns that all studies have become one."""

from collections import Counter

import numpy as np
from made_modules import (
    N_STUDIES,
    OWN,
    ROWS,
    SHARED_BLOCKS,
    STUDY,
    assert_supports,
    correlation,
    flat,
    moves,
    new_factor,
    posterior_means,
    restructuring,
    truth,
)

from mssvae.moves.theorem2 import common_columns


def copies(rng):
    """A shared factor that every study holds in a column of its own."""
    shared, own = truth(rng)
    values, block = shared[1]
    # Loadings of both signs, the largest another one in each study.
    loadings = np.array([1, -1, 1, -1, 1]) * (1 + np.eye(5)[STUDY])
    effects = [shared[0], (values[:, None] * loadings, block), *flat([], own)]
    held = [
        [*columns, (sign * (values + 2 * m) * ROWS[m + 1], block)]
        for m, (columns, sign) in enumerate(zip(own, (1, -1, 1), strict=True))
    ]
    return effects, shared, held


def test_columns_of_all_studies_become_one_whatever_their_signs(made, rng):
    effects, shared, held = copies(rng)
    module, x = made(effects, shared[:1], held)
    assert moves(module, x) == Counter({"columns of all studies shared": 1})
    assert_supports(module, SHARED_BLOCKS, OWN)
    assert abs(correlation(posterior_means(module, x)[:, 1], shared[1][0])) > 0.95


def test_no_column_is_shared_twice(made, rng):
    first, second = (new_factor(rng), range(10)), (new_factor(rng), range(10))
    sign = np.where(np.arange(10) % 2, 1, -1)
    effects = [first, (second[0][:, None] * sign, range(10))]
    held = [[(z * ROWS[m + 1], block) for z, block in (first, second)] for m in range(N_STUDIES)]
    module, x = made(effects, [], held)
    groups = [columns for columns, _, _ in common_columns(restructuring(module, x).parts)]
    assert [sorted(of_study) for of_study in zip(*groups, strict=True)] == [[0, 1]] * N_STUDIES


def test_columns_of_two_of_three_studies_stay(made, rng):
    effects, shared, held = copies(rng)
    block = shared[1][1]
    # The third study has no such factor.
    effects[1] = (effects[1][0] * ~ROWS[3][:, None], block)
    held[2] = held[2][:1]
    module, x = made(effects, shared[:1], held)
    assert moves(module, x) == Counter()
    blocks = [[*OWN[m], *([block] if m < 2 else [])] for m in range(N_STUDIES)]
    assert_supports(module, SHARED_BLOCKS[:1], blocks)


def test_columns_of_all_studies_stay_without_a_free_shared_column(made, rng):
    blocks = [range(0, 3), range(3, 6), range(6, 9), range(9, 12)]
    columns = [(new_factor(rng), block) for block in blocks]
    values = new_factor(rng)
    held = [[(values * ROWS[m + 1], range(14, 19))] for m in range(N_STUDIES)]
    module, x = made(flat(columns, held), columns, held)
    assert moves(module, x) == Counter()
    assert_supports(module, blocks, [[range(14, 19)]] * 3)
