"""`python -m basis_pipeline` is the `basis` command."""

from basis_pipeline.cli import main

if __name__ == "__main__":  # worker processes import this module as well
    main()
