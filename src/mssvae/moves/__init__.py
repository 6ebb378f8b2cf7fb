"""Moves between local optima, which gradient steps and single loadings cannot leave.

``linear`` has those of linear fits, ``networks`` those of the networks: one move a file, in an
ordered list. They go by ``parts``, the columns of each mask with their factors, and by what
``dependence`` and ``theorem2`` say of these; their ``thresholds`` are in one place.
"""
