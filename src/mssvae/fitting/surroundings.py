"""What a caller has set for torch and numpy, kept away from fits and their results."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import numpy as np
import torch


@contextmanager
def own_surroundings() -> Iterator[None]:
    """Compute with gradients and in single precision, on devices that are named, as documented.

    Whatever the caller's modes of torch (inference, no gradients, mixed precision, a default
    device) and the caller's handling of floating-point errors of numpy are. They come back after.
    """
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        for device in ("cpu", "cuda"):
            stack.enter_context(torch.autocast(device, enabled=False))
        if torch.get_default_device().type != "cpu":  # It would slow every operation down.
            stack.enter_context(torch.device("cpu"))
        stack.enter_context(np.errstate(all="ignore"))
        yield
