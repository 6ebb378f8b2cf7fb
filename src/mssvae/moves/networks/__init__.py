"""Moves of the fit of the networks: each a function of the evidence that changes the module.

Gradient steps cannot leave some solutions that the objective likes less than the truth: a factor
held by two columns of a mask, two factors mixed in two columns with the same support, a column
without the features that are nonlinear in its factor, a factor that no column holds. Each move
recognises one of them from posterior means and residuals, never from a truth, and repairs it;
training goes on from there. docs/method.md has a row for each.
"""

from mssvae.moves.networks.drop import drop
from mssvae.moves.networks.follow import follow
from mssvae.moves.networks.grow import grow
from mssvae.moves.networks.merge import merge
from mssvae.moves.networks.rotate import rotate
from mssvae.moves.networks.share import share
from mssvae.moves.networks.split import split
from mssvae.moves.networks.start import start

MOVES = {
    "grow": grow,
    "split": split,
    "start": start,
    "share": share,
    "merge": merge,
    "drop": drop,
    "rotate": rotate,
    "follow": follow,
}
# The order in which they are made. What a study had of a shared factor may have been mixed with
# another of its own, so columns are shared again after rotations, and others follow last.
ORDER = ("grow", "split", "start", "share", "merge", "drop", "rotate", "share", "follow")
# Moves that make columns, which only a later round could undo if they were wrong.
MAKE_COLUMNS = {"split", "start", "follow"}
# Moves that change no columns but their features, which training could mostly do by itself.
KEEP_COLUMNS = {"grow"}

__all__ = ["KEEP_COLUMNS", "MAKE_COLUMNS", "MOVES", "ORDER"]
