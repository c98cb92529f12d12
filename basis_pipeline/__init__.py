"""Crypto basis, lending and staking strategies: raw market data in, gated and reconciled results out."""

__version__ = "0.1.0"
