"""The linear special case: likelihoods as a linear fit sees them, and the state of one."""
