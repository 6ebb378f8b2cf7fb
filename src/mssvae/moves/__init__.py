"""Moves between local optima, which gradient steps and single loadings cannot leave.

``linear`` has those of linear fits, ``networks`` those of the networks: one move a file, in an
ordered list. They go by ``parts``, the columns of each mask with their factors, and by what
``dependence`` and ``theorem2`` say of these; their ``thresholds`` are in one place.
"""

from collections.abc import Iterable, Sequence

from mssvae.errors import InputError


def chosen(moves: Iterable[str], names: Sequence[str] | None) -> list[str]:
    """Return which of the moves of a fit may be made, in their order; None stands for all.

    Raises InputError if a name is none of them.
    """
    moves = list(moves)
    if unknown := [name for name in names or () if name not in moves]:
        raise InputError(f"moves has {unknown}: this fit has {', '.join(dict.fromkeys(moves))}")
    return [name for name in moves if names is None or name in names]
