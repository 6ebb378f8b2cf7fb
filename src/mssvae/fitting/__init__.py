"""Fits of the linear special case of the model: the decoder without its hidden layers.

``start`` gives initial values, ``loop`` alternates ``posteriors`` (of the factors of each sample)
and ``loadings`` (of each feature, under the spike-and-slab lasso), and tries the moves of
``mssvae.moves`` between rungs of the prior. ``nonlinearity`` tells whether data call for the
networks of ``mssvae.training`` instead.
"""
