"""The use case `sweep`: a grid of overrides as points that any process or machine can run, resumable and ranked."""
