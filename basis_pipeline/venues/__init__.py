"""Implementations of the Venue protocol: simulated ones for backtests, and a wrapper that injects faults."""
