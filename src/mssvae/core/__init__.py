"""The model: section 2 of the paper, in its order.

``prior`` (2.2, the spike-and-slab lasso), ``likelihoods`` (eq. 2.2 and 2.5), ``encoders`` (2.3),
``decoder`` (2.2 and appendix B.1), ``module``, which holds their parameters together, and
``objective`` (eq. 2.4). ``linear`` is the special case whose decoder has no hidden layer;
``layers`` and ``numerics`` are tools.
"""
