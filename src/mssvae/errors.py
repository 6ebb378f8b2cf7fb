"""Exceptions with messages a user can act on."""


class InputError(ValueError):
    """Bad input: the message names the file, sample, gene or key, and says what to do."""


class FitError(RuntimeError):
    """Training cannot go on: the message names the epoch and the study."""
