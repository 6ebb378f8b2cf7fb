import pytest
import torch
from linear_states import N


@pytest.fixture
def scores():
    return [torch.randn(N, 2, generator=torch.Generator().manual_seed(m)) for m in (1, 2)]
