"""How the dense models are trained: Adam on batches, from a seed of their own."""

import torch
from torch import Tensor

from studies.talk.vae import VAE


def train(model: VAE, x: Tensor, epochs: int, batch_size: int, lr: float, seed: int) -> None:
    """Train a model in place, and leave it ready to be evaluated.

    Parameters
    ----------
    model : VAE
    x : Tensor [N, G]
        Data.
    epochs, batch_size : int
        Passes over the data, and samples per gradient step.
    lr : float
        Learning rate, of Adam and of proximal steps.
    seed : int
        Of batches and draws.
    """
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam(model.parameters_of_adam(), lr=lr, fused=True)
    model.train()
    for _ in range(epochs):
        for rows in torch.randperm(len(x), generator=generator).split(batch_size):
            model.zero_grad()
            model.loss(x[rows], generator).backward()
            optimiser.step()
            model.proximal_step(lr)
    model.eval()
