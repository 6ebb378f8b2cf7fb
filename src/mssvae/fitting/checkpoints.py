"""Checkpoints: files from which a fit that was killed goes on."""

import hashlib
import io
import os
import time
from collections.abc import Mapping
from typing import Any

import torch

from mssvae.data.files import atomic_path, remove_leftovers, user_path
from mssvae.data.validation import number
from mssvae.errors import InputError

_N_DIGEST = hashlib.sha256().digest_size


class Checkpoint:
    """The file that keeps the state of one fit: a SHA-256 checksum, then what torch writes.

    Parameters
    ----------
    path : path
        No two fits may share it at the same time.
    identity : mapping of str to object
        All that the course of the fit follows from, compared as strings: a state is of use to a
        fit with the same alone.
    seconds : float
        The least time from the start, or from one write, to the next.
    """

    def __init__(
        self, path: str | os.PathLike[str], identity: Mapping[str, object], seconds: float
    ) -> None:
        self.path, self.seconds = user_path(path), number("checkpoint_seconds", seconds, 0)
        self.identity = {key: str(value) for key, value in identity.items()}
        self._last = time.monotonic()

    def load(self) -> dict[str, Any] | None:
        """Return the state that was saved last, with tensors on the CPU; None without a file.

        Raises
        ------
        InputError
            If the file cannot be read, is damaged, or is of another fit.
        """
        remove_leftovers(self.path)
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise InputError(
                f"cannot read the checkpoint {self.path}: {error}: let it be a file, in a folder, "
                "that you may read"
            ) from error
        digest, content = content[:_N_DIGEST], content[_N_DIGEST:]
        if hashlib.sha256(content).digest() != digest:
            raise InputError(
                f"the checkpoint {self.path} is damaged, as its checksum says: delete it to start "
                "the fit anew"
            )
        # Nothing but tensors, numbers, strings and their containers: no code is run.
        saved = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        self._check_identity(saved["identity"])
        return saved["state"]

    def _check_identity(self, identity: Mapping[str, str]) -> None:
        changes = [
            f"{key} was {identity.get(key)} and is {self.identity.get(key)}"
            for key in identity | self.identity
            if identity.get(key) != self.identity.get(key)
        ]
        if changes:
            raise InputError(
                f"the checkpoint {self.path} is of another fit: {'; '.join(changes)}. Delete it to "
                "start this fit anew, or put back what changed to go on with that one"
            )

    def is_due(self) -> bool:
        """Return whether it is time to save."""
        return time.monotonic() - self._last >= self.seconds

    def save(self, state: Mapping[str, object]) -> None:
        """Replace the file.

        Parameters
        ----------
        state : dict
            Of tensors, numbers, strings, and dicts and lists of them.

        Raises
        ------
        InputError
            If it cannot be written; the file that was there stays.
        """
        # Not straight to the file: torch hides why a write failed.
        content = io.BytesIO()
        torch.save({"identity": self.identity, "state": state}, content)
        with atomic_path(self.path) as temporary, temporary.open("wb") as stream:
            stream.write(hashlib.sha256(content.getbuffer()).digest())
            stream.write(content.getbuffer())
        self._last = time.monotonic()
