"""`python -m basis_pipeline` is the `basis` command."""

if __name__ == "__main__":  # worker processes import this module as well, and need none of it
    from basis_pipeline.cli import main

    main()
