"""Scores on unseen samples along the weight of the prior, beside dense models."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from mssvae.data.validation import whole
from mssvae.evaluation._peers import FactorAnalysis, Nmf
from mssvae.fitting.held_out import StudyMeans, gain, standard_error, warn_unless_better
from mssvae.model import MSSVAE

# Of the prior, from strong to weak.
WEIGHTS = (8.0, 4.0, 2.0, 1.0, 0.5, 0.25)
_COLUMNS = ["method", "weight", "prior_scale", "entries", "n_shared", "n_specific"]


def path(
    model: MSSVAE,
    weights: Sequence[float] = WEIGHTS,
    peers: Sequence[int] = (5, 15),
    share: float = 0.2,
    seed: int = 0,
    **settings,
) -> pd.DataFrame:
    """Return scores on unseen samples, and entries, of fits from sparse to dense and of others.

    Linear fits to the same samples with each weight of the prior, all from one start; the means of
    studies; factor analysis and, for counts, non-negative matrix factorisation of all studies
    together. Scores are those of ``unseen``, of the same samples and halves for all; Gaussian
    values are in the units of the model. Where the best fit with factors is not better than the
    means of studies by one standard error, there is a warning.

    Parameters
    ----------
    model : MSSVAE
        Its data and numbers of factors are taken. It stays as it is, fitted or not.
    weights : sequence of float
        Of the prior, positive; 1 is the objective as written, a larger one is sparser.
    peers : sequence of int
        Numbers of factors of the dense models.
    share : float
        Of each study's samples that are held out.
    seed : int
        Of the split.
    **settings
        Of ``MSSVAE.fit``, to change the preset.

    Returns
    -------
    DataFrame
        A row per model. ``method``; ``weight``, and the ``prior_scale`` that it stands for in a fit
        to all samples, both missing but for ``mssvae``; ``entries``, of all masks, or of dense
        loadings; ``n_shared`` and ``n_specific``, factors in use; ``score``, nats per value, higher
        is better; ``gain``, the same less that of study means, and its ``standard_error`` over the
        samples.

    Raises
    ------
    InputError
        If an argument is out of range, or a study has too few samples.
    """
    peers = [whole("peers", k) for k in peers]
    about = model.settings
    study_key, likelihood = about["study_key"], about["likelihood"]
    held_out = model.held_out(share, seed)
    seen = held_out.seen
    unfitted = MSSVAE(seen, **(about | {"layer": None}), device=model.device)
    n = len(model.obs_names)
    rows, scores = [], []
    for weight, fit in zip(weights, unfitted.fit_path(weights, **settings), strict=True):
        masks = fit.support
        used = masks.kinds()["kind"][masks.wide().any().to_numpy()]
        factors = [int((used == kind).sum()) for kind in ("shared", "specific")]
        rows.append(("mssvae", weight, n / weight, int(masks.wide().to_numpy().sum()), *factors))
        scores.append(held_out.scores(fit))
    means = held_out.scores(StudyMeans(seen, study_key, likelihood))
    with_factors = [one for one, row in zip(scores, rows, strict=True) if any(row[-2:])]
    warn_unless_better(max(with_factors, key=np.mean, default=means), means)
    rows.append(("study means", None, None, 0, 0, 0))
    scores.append(means)
    for k in peers:
        dense = [FactorAnalysis(seen, k, likelihood)]
        dense += [Nmf(seen, k)] if likelihood == "negative_binomial" else []
        for peer in dense:
            rows.append((peer.name, None, None, k * seen.n_vars, k, 0))
            scores.append(held_out.scores(peer))
    table = pd.DataFrame(rows, columns=_COLUMNS)
    table["score"] = [one.mean() for one in scores]
    table["gain"] = [gain(one, means) for one in scores]
    table["standard_error"] = [standard_error(one, means) for one in scores]
    return table
