"""The numbers that moves go by."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class LinearThresholds:
    """When a move of a linear fit is worth trying; whether it stays is judged by the objective.

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


@dataclass(frozen=True)
class NetworkThresholds:
    """When a move of the fit of networks is made.

    Chosen on the simulations of section 4.1, on seeds that are not reported (docs/method.md).

    Attributes
    ----------
    least_kl : float
        Nats that the posterior of a column's factor is away from the prior; else it holds none.
    least_samples : int
        Fewer samples of a study say nothing about a column.
    least_features : int
        Of a factor: two anchor features, and one to tell it by.
    price_of_a_factor : float
        Nats per sample that a factor has to pay for its posterior, beyond those of its entries.
    slopes : int
        Of the regression on a factor: linear, quadratic, cubic and absolute value.
    same_support : float
        Factors with anchor features have different supports: columns with a larger Jaccard index
        hold the same, or are mixed. Half-overlapping blocks have 1/3.
    as_well : float
        A factor explains features as well as another if it explains this share of what that does.
    same_factor : float
        Nats of information that two columns share if they may hold the same factor: a correlation
        of 0.57 between normal variables. They do if the one that explains more features explains
        those of the other as well.
    two_sides : float
        Or if they have the same features and share more nats than this, a correlation of 0.71: then
        each may hold one side of zero.
    function : float
        A column is a function of others if they explain more of the variance of its means.
    smallest_angle : float
        Radians; columns are turned by no less.
    same_loadings : float
        Loadings of a column in different studies with a smaller cosine are of different factors.
    negligible : float
        A loading below this share of its column's largest is none.
    no_effect : float
        A feature on which a factor has less than this share of its largest effect in a study is not
        affected by it.
    new_factor : float
        A direction of the residuals is a new factor if it shares fewer nats with every column.
    not_linear : float
        A column holds a function of a direction, not the direction, if their correlation is less.
    much : float
        A factor explains much of a feature if it explains this share of its variance; a new factor
        does, beside related columns, of some features.
    same_direction : float
        Directions of the residuals of studies, or of loadings, with larger cosines are one.
    outlying : float
        Residuals are cut at so many median absolute deviations, three standard deviations of normal
        ones: a few outlying samples are no factor.
    """

    least_kl: float = 0.1
    least_samples: int = 30
    least_features: int = 3
    price_of_a_factor: float = 1.5
    slopes: int = 4
    same_support: float = 0.5
    as_well: float = 0.8
    same_factor: float = 0.2
    two_sides: float = 0.35
    function: float = 0.9
    smallest_angle: float = math.pi / 36
    same_loadings: float = 0.7
    negligible: float = 0.3
    no_effect: float = 0.25
    new_factor: float = 0.15
    not_linear: float = 0.5
    much: float = 0.25
    same_direction: float = 0.8
    outlying: float = 4.5


@dataclass(frozen=True)
class Bins:
    """How scores are cut into quantiles of as many samples each.

    Attributes
    ----------
    most, samples : int
        Of histograms over two scores: bins by score at most, and samples by cell.
    most_steps, samples_of_step : int
        Of means over one score: bins at most, and samples by bin.
    least : int
        Bins in any case.
    """

    most: int = 8
    samples: int = 6
    most_steps: int = 16
    samples_of_step: int = 20
    least: int = 3


@dataclass(frozen=True)
class Lessons:
    """How an encoder learns new columns: Adam on squared errors.

    Attributes
    ----------
    steps, samples : int
        Of gradient, and samples of each.
    rate : float
        The learning rate.
    log_variance : float
        Of the posterior that a new column starts with: a standard deviation of 0.37.
    """

    steps: int = 300
    samples: int = 256
    rate: float = 3e-3
    log_variance: float = -2.0


LINEAR, NETWORKS, BINS, LESSONS = LinearThresholds(), NetworkThresholds(), Bins(), Lessons()
