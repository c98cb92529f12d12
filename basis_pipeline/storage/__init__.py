"""Files that survive being killed: data roots, locks, atomic puts, published generations.

Below market_data and results, above domain: both publish months in the same way.
"""
