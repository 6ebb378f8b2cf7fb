"""Where results come from."""

import subprocess
from pathlib import Path


def commit() -> str | None:
    """Return the git commit of this source tree, with ``-dirty`` after it if files differ from it.

    None where the library does not lie in a git checkout, or git is missing.
    """
    try:
        answer = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return answer.stdout.strip()
