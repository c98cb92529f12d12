"""`python -m basis_pipeline` is the `basis` command."""

from basis_pipeline.cli import main

main()
