"""The numbers that a linear fit goes by. What they were measured on: docs/method.md."""

from collections.abc import Mapping
from dataclasses import dataclass, field


def _moves_by_rung() -> dict[str, tuple[int, ...]]:
    return {"drop": (1, 2), "rotate": (0, 1), "shear": (0, 1), "split": (0, 1, 2)}


@dataclass(frozen=True)
class Schedule:
    """How long each stage of a linear fit takes, in iterations.

    Attributes
    ----------
    dense : int
        With all loadings, at most: until the objective gains less than ``tolerance``.
    rung : int
        With each rate of the spike.
    trial : int
        Of them after a move, and without it, before the two are compared.
    held : int
        With the supports held, at most: until the objective gains less than ``tolerance``.
    projected : int
        Of a fit to other samples, whose loadings are given.
    tolerance : float
        Nats per sample and feature.
    moves : mapping of str to tuple of int
        By move, the rungs before which it is tried. Columns are dropped once entries were selected;
        factors are turned until their supports are known.
    """

    dense: int = 20
    rung: int = 6
    trial: int = 2
    held: int = 20
    projected: int = 30
    tolerance: float = 1e-4
    moves: Mapping[str, tuple[int, ...]] = field(default_factory=_moves_by_rung)


@dataclass(frozen=True)
class Start:
    """Where a linear fit starts.

    Attributes
    ----------
    samples_per_factor : int
        A study has at least so many samples for each factor of its own.
    iterations : int
        Of factor analysis: the fit goes on from there.
    variance : float
        Of the factors' posteriors.
    """

    samples_per_factor: int = 4
    iterations: int = 20
    variance: float = 0.1


@dataclass(frozen=True)
class LoadingSteps:
    """How loadings, biases and intercepts are updated.

    Attributes
    ----------
    ridge : float
        Prior precision of loadings, over their mean square in the column: what is estimated from
        few samples is drawn towards zero.
    intercept_ridge : float
        And of intercepts, over the square of the feature's spread.
    sweeps : int
        Of coordinate descent at a time.
    longest : float
        No bias or intercept moves by more spreads at a time, nor a loading while all are free.
    shorter, tries : float, int
        Steps that lower the likelihood of a feature are tried again this much shorter, so often.
    least_entries : int
        Columns with fewer entries hold no factor.
    """

    ridge: float = 1.0
    intercept_ridge: float = 5.0
    sweeps: int = 4
    longest: float = 3.0
    shorter: float = 0.4
    tries: int = 4
    least_entries: int = 3


@dataclass(frozen=True)
class PosteriorSteps:
    """How posteriors of the factors are updated.

    Attributes
    ----------
    longest : float
        No step is longer, in standard deviations of the factors' prior.
    longest_library : float
        Logarithms of library sizes move by no more at a time.
    shorter, tries : float, int
        A step that lowers the posterior is tried again this much shorter, so often.
    from_nothing : int
        Steps for samples that were not seen in training, at most.
    small_change : float
        Of the factors' means, in standard deviations of their prior, that ends these.
    independent : float
        The covariance of a study's factors is estimated as if so many samples more had
        independent ones.
    """

    longest: float = 2.0
    longest_library: float = 0.5
    shorter: float = 0.4
    tries: int = 4
    from_nothing: int = 100
    small_change: float = 1e-4
    independent: float = 2.0


SCHEDULE, START, LOADINGS, POSTERIORS = Schedule(), Start(), LoadingSteps(), PosteriorSteps()
