"""Moves of a linear fit: what each repairs, and what stays the same."""

import pytest
import torch

from mssvae.core.linear.observations import GaussianObservation
from mssvae.core.linear.state import LinearState, Parameters, Posterior, StudyData
from mssvae.moves.linear import MOVES, drop, rotate, shear, split

N, G = 50, 30


def state_of(loadings, means, n_shared, variance=0.01):
    """Return a state of two studies with 50 samples each, two own factors at most."""
    generator = torch.Generator().manual_seed(0)
    n_own = (loadings.shape[1] - n_shared) // 2
    data, posteriors = [], []
    for study, mean in enumerate(means):
        factors = torch.cat(
            [torch.arange(n_shared), n_shared + study * n_own + torch.arange(n_own)]
        )
        data.append(StudyData(torch.randn(N, G, generator=generator), factors))
        covariance = variance * torch.eye(len(factors)).repeat(N, 1, 1)
        posteriors.append(Posterior(mean, covariance, torch.zeros(N, 1)))
    zero = torch.zeros(G)
    parameters = Parameters(
        GaussianObservation,
        loadings,
        zero,
        torch.zeros(2, G),
        zero,
        zero,
        torch.zeros(()),
        torch.ones(()),
    )
    price = torch.full((loadings.shape[1],), 5.0)
    every = torch.ones(G, dtype=torch.bool)
    return LinearState(parameters, data, posteriors, n_shared, torch.ones(G), every, 0.0, price)


def blocks(*columns):
    loadings = torch.zeros(G, len(columns))
    for k, rows in enumerate(columns):
        loadings[rows, k] = 1.0
    return loadings


@pytest.fixture
def scores():
    return [torch.randn(N, 2, generator=torch.Generator().manual_seed(m)) for m in (1, 2)]


def outputs(state):
    return [
        state.parameters.output(study, data.factors, posterior.mean)
        for study, (data, posterior) in enumerate(zip(state.data, state.posteriors, strict=True))
    ]


def test_rotation_finds_separate_blocks(scores):
    turn = torch.tensor([[0.6, -0.8], [0.8, 0.6]])
    truth = blocks(slice(0, 10), slice(10, 20))
    state = state_of(truth @ turn, [z @ turn for z in scores], 2)
    before = outputs(state)
    assert rotate(state) > 0
    small = state.parameters.loadings.abs().min(1).values[:20]
    assert small.max() < 0.1  # Angles are tried on a grid.
    for one, other in zip(outputs(state), before, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


def test_shear_takes_a_copy_of_one_column_out_of_another(scores):
    truth = blocks(slice(0, 10), slice(10, 20))
    mixed = truth.clone()
    mixed[:, 1] += 0.3 * truth[:, 0]
    state = state_of(mixed, scores, 2)
    before = outputs(state)
    assert shear(state) == 1
    assert state.parameters.loadings[:10, 1].abs().max() < 1e-5
    for one, other in zip(outputs(state), before, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


def test_own_factors_may_give_up_shared_ones_but_not_the_reverse(scores):
    loadings = blocks(slice(0, 10), slice(10, 20), slice(20, 30))
    loadings[:10, 1] = 0.3  # The first study's own column, of the shared one.
    state = state_of(loadings, scores, 1)
    shear(state)
    assert state.parameters.loadings[:10, 1].abs().max() < 1e-5
    loadings = blocks(slice(0, 10), slice(10, 20), slice(20, 30))
    loadings[10:20, 0] = 0.3  # The shared column, of an own one.
    state = state_of(loadings, scores, 1)
    shear(state)
    assert state.parameters.loadings[10:20, 0].abs().min() > 0.1


def test_a_shared_factor_of_one_study_becomes_its_own(scores):
    present, absent = scores[0].clone(), scores[1].clone()
    present[:, 1] = 0.001  # Nothing is in the own columns.
    absent[:] = 0.001
    state = state_of(blocks(slice(0, 10), slice(10, 12), slice(10, 12)), [present, absent], 1)
    assert split(state) == 1
    loadings = state.parameters.loadings
    assert not loadings[:, 0].any()
    assert loadings[:, 1].nonzero().flatten().tolist() == list(range(10))
    torch.testing.assert_close(state.posteriors[0].mean[:, 1], scores[0][:, 0])


def test_a_shared_factor_of_all_studies_stays(scores):
    state = state_of(blocks(slice(0, 10), slice(10, 20), slice(20, 30)), scores, 1)
    assert split(state) == 0


def test_columns_that_do_not_pay_are_dropped(scores):
    weak = [z.clone() for z in scores]
    for z in weak:
        z[:, 1] *= 0.1
    state = state_of(blocks(slice(0, 10), slice(10, 20)), weak, 2)
    state.price[:] = 40.0
    assert drop(state) == 1
    assert state.live.tolist() == [True, False]


def test_every_move_has_a_row_in_the_docs(request):
    text = (request.config.rootpath / "docs" / "method.md").read_text()
    for name in MOVES:
        assert f"| `{name}` |" in text
