"""The parts of a module: columns in order, whose function stays the same."""

import torch
from made_modules import flat, reconstruction, restructuring, truth


def test_leaves_the_decoders_function_and_puts_weights_near_one(made, rng):
    shared, own = truth(rng)
    module, x = made(flat(shared, own), shared, own)
    with torch.no_grad():
        for mask in module.masks:
            mask *= torch.from_numpy(rng.uniform(3, 5, mask.shape))
            mask *= torch.from_numpy(rng.choice([-1, 1], mask.shape))
        for parameter in module.decoder.parameters():
            parameter.copy_(torch.from_numpy(rng.normal(size=parameter.shape)))
    before = reconstruction(module, x)
    restructuring(module, x)
    torch.testing.assert_close(reconstruction(module, x), before)
    for mask in module.masks:
        weights = mask[mask != 0].abs()
        assert 0.7 < weights.min() <= weights.max() < 1.4


def test_leaves_the_mode_of_the_module(made, rng):
    module, x = made([], [], [[], [], []])
    for training in (True, False):
        module.train(training)
        restructuring(module, x)
        assert module.training == training
