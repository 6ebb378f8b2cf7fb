"""When training has converged, and when columns are in order."""

from collections import deque
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class AtRest:
    """When a fit has come to rest (docs/method.md, "The engine").

    Attributes
    ----------
    changed : float
        Training has converged when a smaller share of the entries in the slab comes and goes, from
        the first epoch of the patience to the last.
    rounds : int
        Columns are in order when so many rounds of moves in a row changed none of them.
    """

    changed: float = 0.01
    rounds: int = 2


AT_REST = AtRest()


def has_converged(slabs: deque[list[Tensor]]) -> bool:
    """Return whether hardly an entry of any mask changed sides from the first epoch to the last.

    Slabs are by epoch; they are full when they span the patience.
    """
    if len(slabs) < slabs.maxlen:
        return False
    before, now = slabs[0], slabs[-1]
    changed = sum(int((one ^ other).sum()) for one, other in zip(now, before, strict=True))
    return changed < AT_REST.changed * sum(int(slab.sum()) for slab in now)
