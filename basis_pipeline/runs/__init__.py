"""The use cases, free of Dagster: what the command line and the Dagster definitions both call."""
