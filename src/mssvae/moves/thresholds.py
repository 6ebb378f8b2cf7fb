"""The numbers that moves go by."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Thresholds:
    """When a move is worth trying; whether it stays is judged by the objective.

    Attributes
    ----------
    improvement : float
        A rotation or shear has to lower the sum of absolute loadings by this share.
    angles : int
        Plane rotations that are tried, evenly spaced over a quarter of a turn.
    largest_shear : float
        What is taken of one column from another, at most, times the other.
    smallest_shear : float
        And at least.
    sweeps : int
        Over all pairs of columns, at most.
    """

    improvement: float = 0.001
    angles: int = 24
    largest_shear: float = 0.7
    smallest_shear: float = 0.001
    sweeps: int = 5


THRESHOLDS = Thresholds()
