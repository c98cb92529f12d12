"""Venues as pure functions of (positions, market, order): no memory, no clock, nothing known after the snapshot."""
