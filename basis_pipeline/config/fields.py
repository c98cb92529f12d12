"""Types that configuration keys share: bounded numbers, fractions as `2/3`, months, position keys."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from basis_pipeline.domain.errors import ConfigError
from basis_pipeline.domain.position_keys import PositionKey
from basis_pipeline.domain.timeline import parse_month


def as_fraction(value: Any) -> Any:
    """`2/3` is a number in these files."""
    try:
        return float(Fraction(value)) if isinstance(value, str) and "/" in value else value
    except ZeroDivisionError as error:
        raise ValueError("divides by zero") from error


def _key(value: Any) -> str:
    return _parsed(lambda text: str(PositionKey.parse(text)), value)


def _month(value: Any) -> str:
    return _parsed(parse_month, value)


def _parsed(parse: Callable[[str], str], value: Any) -> str:
    """What `parse` makes of a text; its ConfigError becomes a finding at the key, so that file and key are named."""
    if not isinstance(value, str):
        raise ValueError("should be a text")  # noqa: TRY004 - pydantic takes only a ValueError for a finding
    try:
        return parse(value)
    except ConfigError as error:
        raise ValueError(f"{error.message.rstrip('.')} ({error.remedy})".replace(" ()", "")) from error


Share = Annotated[float, BeforeValidator(as_fraction), Field(ge=0.0, le=1.0)]
Ratio = Annotated[float, BeforeValidator(as_fraction), Field(gt=0.0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
KeyText = Annotated[str, BeforeValidator(_key)]
Month = Annotated[str, BeforeValidator(_month)]
SlippagePoints = Annotated[dict[Annotated[int, Field(gt=0)], NotNegative], Field(min_length=1)]
"""Order notional in USD -> basis points."""


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
