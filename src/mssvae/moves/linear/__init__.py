"""Moves of a linear fit between local optima that single loadings and factors cannot leave.

Each is a function of the state that changes it and returns how many columns it touched. The loop
(``mssvae.fitting.linear.loop``) keeps a move where the objective after a short training is better
with it than without. docs/method.md has a row for each.
"""

from mssvae.moves.linear.drop import drop
from mssvae.moves.linear.rotate import rotate
from mssvae.moves.linear.shear import shear
from mssvae.moves.linear.split import split

# In the order in which they are tried.
MOVES = {"drop": drop, "rotate": rotate, "shear": shear, "split": split}

__all__ = ["MOVES", "drop", "rotate", "shear", "split"]
