"""The `basis` command: arguments in, one call into `runs`, tables and messages out. Imports `runs` and `domain`."""

from basis_pipeline.cli.main import main

__all__ = ["main"]
