"""What models say: one row per bar at whose open it may be acted on."""

from __future__ import annotations

from basis_pipeline.domain.market import Direction
from basis_pipeline.domain.timeline import MINUTE
from basis_pipeline.market_data.dataset_types import Column, Dataset

ML_SIGNALS = "ml_signals"

DATASETS = (
    Dataset(
        ML_SIGNALS,
        "signals",
        "Signals of a model (the venue) on a symbol; the timestamp is the bar open at which a signal may be acted on.",
        (
            Column(
                "signal",
                "long | short | neutral | hold",
                "What to be: long, short, flat, or what one is.",
                kind="text",
                choices=tuple(map(str, Direction)),
            ),
            Column("confidence", "probability", "That the direction is right; 0 for hold.", low=0.0, high=1.0),
            Column("sd", "fraction", "Standard deviation of the return over the model's horizon.", low=0.0, high=1.0),
            Column(
                "drift",
                "index",
                "Population stability index of the last four weeks' predictions against those of training.",
                nullable=True,
                low=0.0,
            ),
        ),
        step=5 * MINUTE,
        max_age=15 * MINUTE,
    ),
)
