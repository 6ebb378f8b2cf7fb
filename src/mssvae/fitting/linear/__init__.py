"""Fits of the linear special case of the model: the decoder without its hidden layers.

``start`` gives initial values, ``loop`` alternates ``posteriors`` (of the factors of each sample)
and ``loadings`` (of each feature, under the spike-and-slab lasso), and tries the moves of
``mssvae.moves.linear`` between rungs of the prior. ``result`` puts a fit into the module.
"""
