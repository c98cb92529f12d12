"""Models as data: candles -> features -> models trained walk-forward -> signals. Pure functions of arrays, no I/O.

Needs the extra `ml` (scikit-learn) for training; nothing else of the package does.
"""
