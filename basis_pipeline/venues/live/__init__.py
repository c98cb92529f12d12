"""Clients of real venues. Nothing here is imported by a backtest."""
