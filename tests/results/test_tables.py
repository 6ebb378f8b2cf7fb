"""Tables of factors: what else explains them."""

import numpy as np
import pandas as pd
import pytest

from mssvae.results.factors import warn_of_other_explanations, what_else_explains
from mssvae.results.tables import FactorTables


@pytest.fixture
def factors():
    rng = np.random.default_rng(0)
    study = np.repeat([0, 1], 100)
    depth, noise = rng.normal(size=200), rng.normal(size=(200, 2))
    samples = [f"s{i}" for i in range(200)]
    shared = {"shared_01": study + 0.1 * noise[:, 0], "shared_02": noise[:, 1], "shared_03": 0.0}
    own = {"b_01": -depth[100:] + 0.1 * noise[100:, 0]}
    latent = FactorTables(pd.DataFrame(shared, samples), {"b": pd.DataFrame(own, samples[100:])})
    return what_else_explains(latent, study, depth).set_index("factor")


def test_factors_between_studies_are_told_by_their_share(factors):
    assert factors.loc["shared_01", "r2_study"] > 0.9
    assert factors.loc["shared_02", "r2_study"] < 0.05
    assert np.isnan(factors.loc[["shared_03", "b_01"], "r2_study"]).all()


def test_factors_of_depth_are_told_by_their_correlation(factors):
    assert factors.loc["b_01", "r_library"] < -0.98
    assert abs(factors.loc["shared_02", "r_library"]) < 0.3


def test_what_follows_studies_or_depth_is_warned_of_by_name(factors, caplog):
    warn_of_other_explanations(factors.reset_index())
    assert "1 factors follow studies (r2_study) above 0.3, and may be no biology: 'shared_01'" in (
        caplog.text
    )
    assert "1 factors follow the library size (r_library) above 0.5" in caplog.text
    assert "'b_01'" in caplog.text
