"""One month of signals from candles: the bridge from market data to `ml`. Needs the extra `ml`."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa

from basis_pipeline.config.signal_models import SignalModelFile
from basis_pipeline.domain.evidence import SignalEvidence
from basis_pipeline.domain.timeline import month_of, shift_month
from basis_pipeline.market_data.datasets import dataset
from basis_pipeline.market_data.datasets_signals import ML_SIGNALS
from basis_pipeline.market_data.schemas import to_arrow
from basis_pipeline.market_data.validated import TIMESTAMP
from basis_pipeline.ml.features import on_grid, rows_of
from basis_pipeline.ml.signals import signals_of, skill_of
from basis_pipeline.ml.training import ModelSpec, forecast

PRICES = ("open", "high", "low", "close", "volume")


def train_month(file: SignalModelFile, candles: pa.Table, month: str) -> tuple[pa.Table, SignalEvidence]:
    """Signals of `month` and where they come from; `candles` are 5-minute bars up to the end of the month."""
    spec = ModelSpec(file.estimator, file.horizon_bars, file.training_months)
    stamps = candles.column(TIMESTAMP).to_numpy().astype("datetime64[us]").astype(np.int64)
    columns = np.array([candles.column(name).to_numpy() for name in PRICES], dtype=np.float64)
    said = forecast(rows_of(on_grid(stamps, columns), spec.horizon), month, spec)
    told = signals_of(said)
    frame = pd.DataFrame(told._asdict()).assign(quality="observed", source_file=f"configs/models/{file.name}.yaml")
    evidence = SignalEvidence(
        model=file.name,
        digest=said.digest,
        inputs="",
        fingerprint="",
        training_months=(month_of(said.first_row), shift_month(month, -1)),
        rows=said.trained_on,
        first_row=said.first_row,
        last_row=said.last_row,
        last_outcome=said.last_outcome,
        first_signal=int(told.timestamp[0]),
        skill=skill_of(said, spec.horizon),
    )
    return to_arrow(frame, dataset(ML_SIGNALS)), evidence
