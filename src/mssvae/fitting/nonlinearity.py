"""Do factors act nonlinearly? Then the networks are trained instead of a linear decoder.

A factor and its square, or its sine, are two factors of a linear analysis. So where several of its
factors are functions of single others, without being correlated with them, the linear model is
wrong.
"""

import logging
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from mssvae.core.linear.observations import OBSERVATIONS
from mssvae.fitting.linear.start import start

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Thresholds:
    """When data call for a nonlinear decoder.

    Attributes
    ----------
    explained : float
        Share of what a line leaves of a factor's variance that a curve in another one explains, on
        samples that it was not fitted to. Largest on real data: 0.56, for one factor; on the
        simulations, of values and of counts: 0.72 to 0.97, for five factors or more
        (docs/method.md).
    factors : int
        How many factors it has to be so for.
    outlying : float
        Factors are cut at so many standard deviations before curves are taken.
    """

    explained: float = 0.65
    factors: int = 2
    outlying: float = 3.0


THRESHOLDS = Thresholds()


def calls_for_networks(likelihood: str, x: Tensor, study: Tensor, n_factors: int) -> bool:
    """Return whether the factors of a linear analysis are functions of each other.

    Parameters
    ----------
    likelihood, x, study
        As in ``fit_linear``.
    n_factors : int
        Of the linear analysis, of all samples: as many as all studies have together, since a
        factor and its square take two.
    """
    state = start(OBSERVATIONS[likelihood], x, study, n_factors, n_specific=0)
    scores = np.concatenate([one.mean.cpu().numpy() for one in state.posteriors])
    shares = curved_shares(scores[:, scores.std(0) > 0].astype(float))
    n = int((shares > THRESHOLDS.explained).sum())
    nonlinear = n >= THRESHOLDS.factors
    log.info(
        "decoder auto: %s, as %d of %d factors of a linear analysis are curves in others (at most "
        "%.2f of what lines leave is explained)",
        "nonlinear" if nonlinear else "linear",
        n,
        len(shares),
        shares.max(initial=0),
    )
    return nonlinear


def curved_shares(scores: np.ndarray) -> np.ndarray:
    """Return by factor what curves in single others explain beyond lines, held out, [K].

    Curves are cubic, and absolute values; each half of the samples is predicted from the other.

    Parameters
    ----------
    scores : array [N, K]
    """
    scores = (scores - scores.mean(0)) / (scores.std(0) + 1e-9)
    half = np.random.default_rng(0).permutation(len(scores)) % 2 == 0
    most = np.zeros(scores.shape[1])
    for k, values in enumerate(scores.T):
        z = values.clip(-THRESHOLDS.outlying, THRESHOLDS.outlying)
        line = np.stack([np.ones_like(z), z], 1)
        curve = np.column_stack([line, z**2, z**3, np.abs(z)])
        shares = []
        for seen, unseen in ((half, ~half), (~half, half)):
            left = [
                scores[unseen]
                - basis[unseen] @ np.linalg.lstsq(basis[seen], scores[seen], rcond=None)[0]
                for basis in (line, curve)
            ]
            of_line, of_curve = (np.square(one).sum(0) for one in left)
            shares.append(1 - of_curve / np.maximum(of_line, 1e-9))
        explained = np.mean(shares, 0)
        explained[k] = 0
        most = np.maximum(most, explained)
    return most
