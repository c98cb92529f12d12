"""A headless Chromium that shows pages, each time with a profile of its own: two with one would wait for each other."""

from __future__ import annotations

import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

_OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--enable-logging=stderr",
)  # fmt: skip
_PATIENCE_SECONDS = 600


@dataclass(frozen=True)
class Browser:
    program: str

    def show(self, page: Path, *options: str) -> subprocess.CompletedProcess[str]:
        """The document as its scripts have left it, and what the console said."""
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
            command = [self.program, *_OPTIONS, f"--user-data-dir={profile}", *options, "--dump-dom", page.as_uri()]
            return subprocess.run(command, capture_output=True, text=True, check=True, timeout=_PATIENCE_SECONDS)
