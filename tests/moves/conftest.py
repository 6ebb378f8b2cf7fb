import numpy as np
import pytest
from made_modules import made_module, simulated


@pytest.fixture
def rng():
    return np.random.default_rng(5)


@pytest.fixture(params=["gaussian", "negative_binomial"])
def made(request, rng):
    """A function from effects and columns to a module and its data, for each likelihood."""

    def make(effects, shared, own, sizes=(4, 3)):
        x = simulated(rng, effects, request.param)
        return made_module(x, shared, own, request.param, sizes)

    return make
