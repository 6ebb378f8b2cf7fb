"""A linear fit under way: one iteration, and what is kept of it."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from tqdm import tqdm

from mssvae.core.linear.state import LinearState
from mssvae.errors import FitError
from mssvae.fitting.linear.loadings import update_loadings
from mssvae.fitting.linear.objective import history_row, updated_noise
from mssvae.fitting.linear.posteriors import update_factor_covariances, update_posteriors
from mssvae.fitting.linear.tuning import SCHEDULE


@dataclass
class Course:
    """A fit under way: its state, and what is kept of its iterations."""

    state: LinearState
    history: list[dict[str, object]]
    lambda0: float = 0.0

    def iterate(self, bar: tqdm | None = None, **selection: bool) -> float:
        """Update everything once; return the objective, in nats of all samples.

        Factors are independent before supports are held, as moves and prices take them to be.
        """
        state = self.state
        update_posteriors(state)
        state.unit_moments()
        if not selection.get("grows", True):
            update_factor_covariances(state)
        update_loadings(state, **selection)
        if len(self.history) >= state.parameters.observation.noise_from:
            state.parameters.log_noise = updated_noise(state)
        row = history_row(state, self.lambda0)
        if not math.isfinite(row["objective"]):
            raise FitError(
                f"the objective is not finite in iteration {len(self.history) + 1}: look for "
                "samples or features with extreme values"
            )
        self.history.append({"epoch": len(self.history) + 1, **row, "moves": ""})
        if bar is not None:
            bar.update()
        return row["objective"] * state.n_samples

    def until_still(self, bar: tqdm, most: int, **selection: bool) -> None:
        """Iterate until the objective is still, but not before noise is estimated."""
        least = max(2, self.state.parameters.observation.noise_from + 2 - len(self.history))
        smallest = SCHEDULE.tolerance * self.state.n_samples * len(self.state.spread)
        before = -torch.inf
        for iteration in range(most):
            now = self.iterate(bar, **selection)
            if iteration >= least and now - before < smallest:
                break
            before = now


@contextmanager
def extreme_values_are_told() -> Iterator[None]:
    """Raise FitError where matrices cannot be factorised."""
    try:
        yield
    except torch.linalg.LinAlgError as error:
        raise FitError(
            f"the fit cannot go on: {error}: look for samples or features with extreme values"
        ) from error
