"""The statistics that columns are judged by."""

import numpy as np
import pytest
import torch

from mssvae.moves.dependence import (
    explained,
    explained_by_any_function,
    mutual_information,
    sparsest_angle,
    unexplained,
)


@pytest.fixture
def rng():
    return np.random.default_rng(5)


class TestMutualInformation:
    def test_is_near_zero_for_independent_columns(self, rng):
        one, two = torch.from_numpy(rng.normal(size=(2, 1000, 3)))
        assert mutual_information(one, two).max() < 0.05

    @pytest.mark.parametrize("n", [50, 200, 2000])
    def test_has_no_bias_by_the_number_of_samples(self, n, rng):
        one, two = torch.from_numpy(rng.normal(size=(2, n, 20)))
        assert mutual_information(one, two).mean() < 0.05

    @pytest.mark.parametrize(
        "function",
        [torch.square, torch.abs, lambda z: -z, lambda z: torch.relu(z) - 5 * torch.relu(-z)],
        ids=["square", "absolute", "negative", "bent"],
    )
    def test_is_large_for_a_variable_and_its_function(self, function, rng):
        z = torch.from_numpy(rng.normal(size=(1000, 1)))
        assert mutual_information(z, function(z)).item() > 0.8

    def test_is_large_for_the_positive_and_the_negative_part(self, rng):
        z = torch.from_numpy(rng.normal(size=(1000, 1)))
        noise = 0.01 * torch.from_numpy(rng.normal(size=(1000, 2)))
        parts = torch.cat([torch.relu(z), torch.relu(-z)], 1) + noise
        assert mutual_information(parts[:, :1], parts[:, 1:]).item() > 0.4

    @pytest.mark.parametrize("correlation", [0.3, -0.57, 0.8])
    def test_is_that_of_normal_variables(self, correlation, rng):
        z = rng.normal(size=(20000, 2))
        other = correlation * z[:, 0] + np.sqrt(1 - correlation**2) * z[:, 1]
        found = mutual_information(torch.from_numpy(z[:, :1]), torch.from_numpy(other[:, None]))
        assert found.item() == pytest.approx(-np.log(1 - correlation**2) / 2, rel=0.2)

    def test_compares_every_pair_of_columns(self, rng):
        z = torch.from_numpy(rng.normal(size=(500, 3)))
        found = mutual_information(z, z[:, [2, 0]])
        assert found.shape == (3, 2)
        assert np.array_equal(found > 1, [[False, True], [False, False], [True, False]])

    def test_of_no_columns_is_empty(self):
        assert mutual_information(torch.zeros(10, 0), torch.zeros(10, 2)).shape == (0, 2)


class TestSparsestAngle:
    @pytest.mark.parametrize("degrees", [-40, -10, 0, 25, 44])
    def test_inverts_a_known_rotation_whatever_features_have_both(self, degrees, rng):
        simple = np.zeros((20, 2))
        simple[:8, 0], simple[8:16, 1] = rng.normal(size=(2, 8))
        simple[16:] = 2 * rng.normal(size=(4, 2))
        angle = np.radians(degrees)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        assert sparsest_angle(simple @ turn.T) == pytest.approx(angle, abs=1e-9)

    def test_finds_the_angle_of_the_smallest_sum(self, rng):
        loadings = rng.normal(size=(15, 2)) * [3, 1]

        def size(angle):
            turn = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
            return np.abs(loadings @ turn).sum()

        best = min(np.linspace(-np.pi / 4, np.pi / 4, 2001), key=size)
        assert sparsest_angle(loadings) == pytest.approx(best, abs=1e-3)


class TestExplainedByAnyFunction:
    def test_sees_functions_that_no_cubic_is_like(self, rng):
        z = rng.normal(size=2000)
        y = np.column_stack([np.sin(5 * z), z, rng.normal(size=2000)])
        found = explained_by_any_function(torch.from_numpy(z), torch.from_numpy(y))
        assert found[0] > 0.7
        assert found[1] > 0.95
        assert found[2] < 0.02

    def test_sees_what_the_few_bins_of_a_small_study_do_not(self, rng):
        z = rng.normal(size=60)
        found = explained_by_any_function(torch.from_numpy(z), torch.from_numpy(z[:, None] ** 2))
        assert found[0] > 0.99

    def test_is_none_of_a_constant_feature(self, rng):
        z = torch.from_numpy(rng.normal(size=100))
        assert explained_by_any_function(z, torch.ones(100, 1, dtype=z.dtype)).tolist() == [0]


def test_what_curves_explain_and_leave_of_a_feature_is_all_of_it(rng):
    scores = torch.from_numpy(rng.normal(size=(200, 2)))
    y = scores @ torch.ones(2, 3, dtype=scores.dtype) + torch.from_numpy(rng.normal(size=(200, 3)))
    left = unexplained(scores, y)
    torch.testing.assert_close(left.var(0) / y.var(0), 1 - explained(scores, y))
    torch.testing.assert_close(explained(scores, left), torch.zeros(3, dtype=y.dtype))
