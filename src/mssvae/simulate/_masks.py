"""Which features each true factor loads on."""

import numpy as np

from mssvae.errors import InputError

LAYOUTS = ("blocks", "overlapping")
# The first features of a block load on its factor alone: of three in a row, two are linear.
_N_ANCHORS = 3
# The smallest block whose first half has as many.
_MIN_BLOCK = 5


def supports(
    layout: str,
    n_features: int,
    n_shared: int,
    n_specific: list[int],
    stray: float,
    rng: np.random.Generator,
) -> list[np.ndarray]:
    """Return the supports of the true masks, the shared one first, then each study's own.

    The features are split into consecutive blocks of equal size: one for each shared factor, then
    one for each factor of study 1, of study 2, and so on. A factor loads on its block, and on the
    second halves of others: a specific factor on that of one shared block, in turn; with the
    layout "overlapping", every factor on that of the block before its own. Stray entries come on
    top. No other factor loads on the first three features of a block. At least two of them are
    linear, so the anchor assumption (Assumption 1) holds in every study, and no two columns are
    equal, so shared and specific structure can be told apart (Theorem 2).

    Parameters
    ----------
    layout
        "blocks" or "overlapping".
    n_features, n_shared
        Sizes.
    n_specific
        Number of factors of each study.
    stray
        Share of the entries that are non-zero at random, of those outside the blocks and their
        first three features; 0 to 1.
    rng
        Draws the stray entries.

    Returns
    -------
    list of ndarray of bool [n_features x n_shared], [n_features x n_specific[m]] for each m

    Raises
    ------
    InputError
        If the layout is unknown, there is no factor, or ``n_features`` is
        too small for all factors.
    """
    if layout not in LAYOUTS:
        raise InputError(f"there is no layout {layout!r}: choose one of {', '.join(LAYOUTS)}")
    n_factors = n_shared + sum(n_specific)
    if n_factors == 0:
        raise InputError("there is no factor to simulate: raise n_shared or n_specific")
    if n_features < _MIN_BLOCK * n_factors:
        raise InputError(
            f"{n_features} features are too few for {n_factors} factors, shared and of all "
            f"studies: each needs a block of {_MIN_BLOCK} to have two anchor features, so ask for "
            f"at least {_MIN_BLOCK * n_factors} features or for fewer factors"
        )

    blocks = np.array_split(np.arange(n_features), n_factors)
    second_halves = [block[(len(block) + 1) // 2 :] for block in blocks]
    support = np.zeros((n_features, n_factors), dtype=bool)
    for k, block in enumerate(blocks):
        support[block, k] = True
        if layout == "overlapping" and k > 0:
            support[second_halves[k - 1], k] = True
        if k >= n_shared > 0:
            support[second_halves[k % n_shared], k] = True

    empty = ~support
    empty[np.concatenate([block[:_N_ANCHORS] for block in blocks])] = False
    candidates = np.flatnonzero(empty)
    chosen = rng.choice(candidates, round(stray * len(candidates)), replace=False)
    support.flat[chosen] = True
    return np.split(support, np.cumsum([n_shared, *n_specific])[:-1], axis=1)
