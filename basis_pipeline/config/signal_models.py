"""configs/models/<name>.yaml: models whose signals are trained here."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from basis_pipeline.config.fields import Model


class SignalModelFile(Model):
    """How a model is trained, walk-forward, and on what. Its name is the venue of its signals."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    description: str = ""
    venue: str = "binance"
    symbol: str = "BTCUSDT"
    estimator: Literal["trees", "logistic"] = "trees"
    horizon_bars: Annotated[int, Field(ge=1, le=2016)] = Field(default=12, description="predicted return, in bars")
    training_months: Annotated[int, Field(ge=1, le=120)] = Field(default=6, description="months a model looks back")
    warm_up_months: Annotated[int, Field(ge=1, le=120)] = Field(default=2, description="before the first prediction")
