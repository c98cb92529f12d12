"""Dagster: assets, checks, jobs and schedules around the use cases in `runs`. Nothing is computed here."""
