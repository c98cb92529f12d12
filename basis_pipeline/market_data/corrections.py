"""Declared corrections of sources: `configs/data/*.yaml`, typed.

One file per venue says what is known to be wrong with its files and where a hole is filled from; `general.yaml` holds
what concerns no single venue. A correction is declared for a source (venue and dataset), never for one symbol.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from basis_pipeline.domain.errors import ConfigError
from basis_pipeline.domain.timeline import to_micros
from basis_pipeline.market_data.dataset_types import SeriesKey
from basis_pipeline.market_data.datasets import DATASETS
from basis_pipeline.storage.digests import text_digest

_GENERAL = "general.yaml"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Donor(_Strict):
    """A series of the same symbol that holes are filled from."""

    dataset: str
    venue: str


class Signature(_Strict):
    """How to tell the bogus row of a conflicting pair: by a bound, or by an exact value."""

    at_most: float | None = None
    equals: float | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Signature:
        if (self.at_most is None) == (self.equals is None):
            raise ValueError("give exactly one of at_most and equals")
        return self


class LabelShift(_Strict):
    """True time = label + `hours`, for labels before `before` (None: all that are left)."""

    hours: int
    before: date | None = None


class FrozenBars(_Strict):
    """Bars with volume 0 and O=H=L=C are set aside if `contradicted_by` of the same venue and symbol shows trading.

    Up to `carry` bars in a row are then filled with the last close before them.
    """

    contradicted_by: str
    carry: Annotated[int, Field(ge=0)]


class SourceCorrections(_Strict):
    """What is declared for one dataset of one venue."""

    fill: tuple[Donor, ...] = ()
    conflicts: tuple[Signature, ...] = ()
    label_shift: tuple[LabelShift, ...] = ()
    contract_size: dict[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    frozen_bars: FrozenBars | None = None
    zero_is_missing: tuple[str, ...] = ()


class VenueCorrections(_Strict):
    venue: str
    datasets: dict[str, SourceCorrections]

    @model_validator(mode="after")
    def _known_datasets(self) -> VenueCorrections:
        named = set(self.datasets)
        for source in self.datasets.values():
            named |= {donor.dataset for donor in source.fill}
            named |= {source.frozen_bars.contradicted_by} if source.frozen_bars else set()
        if unknown := sorted(named - set(DATASETS)):
            raise ValueError(f"no dataset is called {', '.join(unknown)}")
        return self


class General(_Strict):
    """What concerns no single venue.

    Attributes:
        symbols: spelling of symbols that vendors write otherwise (lower case -> ours).
        as_of: date that an undated parameter file counts from, by dataset.
        funding_proxies_per_month: most settlements of a venue and month that the median of the others may stand for.
        implausible_bars_per_month: most bars of a series and month that may be set aside because they cannot be.
        fill_warning: share of a month's rows that may be filled before it is worth a warning.
        large_move: absolute hourly close-to-close return that must be confirmed by another series.
        large_range: high / low - 1 of a bar, likewise.
        absurd_move: a lone return of this size, while other series of the coin have a bar, is a bad tick.
        open_gap: an open this far from the close before it is a bad tick unless another series has the gap too.
        market_difference: largest difference (logarithm) of a day's level from other series of the same coin and quote.
        funding_factor: largest ratio of a venue's mean funding rate to another's, either way.
        funding_per_year: mean absolute funding (fraction a year) that a single venue may state.
        growth_beyond_rate: growth (a year) of an Aave index beyond its rates, or of a staking ratio, that is none.
        venue_difference: relative difference of two venues' closes that is reported.
        pool_difference: relative difference of a pool's close from a CEX that is reported.
        daily_hourly_rate: largest median difference (fraction a year) between daily and hourly rates.
    """

    symbols: dict[str, str]
    as_of: dict[str, date]
    funding_proxies_per_month: Annotated[int, Field(ge=0)]
    implausible_bars_per_month: Annotated[int, Field(ge=0)]
    fill_warning: Annotated[float, Field(gt=0, lt=1)]
    large_move: Annotated[float, Field(gt=0)]
    large_range: Annotated[float, Field(gt=0)]
    absurd_move: Annotated[float, Field(gt=0)]
    open_gap: Annotated[float, Field(gt=0)]
    market_difference: Annotated[float, Field(gt=0)]
    funding_factor: Annotated[float, Field(gt=1)]
    funding_per_year: Annotated[float, Field(gt=0)]
    growth_beyond_rate: Annotated[float, Field(gt=0)]
    venue_difference: Annotated[float, Field(gt=0)]
    pool_difference: Annotated[float, Field(gt=0)]
    daily_hourly_rate: Annotated[float, Field(gt=0)]


class Corrections(_Strict):
    """All of `configs/data`."""

    general: General
    venues: dict[str, VenueCorrections]
    digest: str

    def of(self, key: SeriesKey) -> SourceCorrections:
        """What is declared for the source of `key`; nothing where nothing is."""
        venue = self.venues.get(key.venue)
        return (venue.datasets.get(key.dataset) if venue else None) or SourceCorrections()

    def as_of(self, dataset: str) -> int:
        """Date (microseconds UTC) that an undated file of `dataset` counts from."""
        day = self.general.as_of.get(dataset)
        if day is None:
            raise ConfigError(
                f"configs/data/{_GENERAL} has no as_of.{dataset}.", remedy="state the date of the snapshot."
            )
        return start_of(day)

    def symbol(self, text: str) -> str:
        """Our spelling of a symbol; upper case unless declared otherwise."""
        return self.general.symbols.get(text.lower(), text.upper())


def start_of(day: date) -> int:
    """00:00 UTC of a day in microseconds."""
    return to_micros(datetime(day.year, day.month, day.day, tzinfo=UTC))


def load_corrections(config_dir: Path) -> Corrections:
    """Read `config_dir`/data/*.yaml.

    Raises:
        ConfigError: a file is missing, is no YAML, or has an unknown or ill-typed key; file and key are named.
    """
    folder = config_dir / "data"
    general = folder / _GENERAL
    files = sorted(path for path in folder.glob("*.yaml") if path != general)
    venues: dict[str, VenueCorrections] = {}
    for path in files:
        loaded = _load(path, VenueCorrections)
        if loaded.venue in venues:
            remedy = "keep one file per venue."
            raise ConfigError(f"{path}: venue: {loaded.venue} has another file in {folder}.", remedy=remedy)
        venues[loaded.venue] = loaded
    digest = text_digest(*(path.read_text(encoding="utf-8") for path in (*files, general) if path.is_file()))
    return Corrections(general=_load(general, General), venues=venues, digest=digest)


_Model = TypeVar("_Model", bound=BaseModel)


def _load(path: Path, model: type[_Model]) -> _Model:
    try:
        return model.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise ConfigError(f"{path} does not exist.", remedy="point BASIS_CONFIG_DIR at the configs folder.") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, item['loc'])) or 'file'}: {item['msg']}" for item in error.errors())
        raise ConfigError(f"{path}: {problems}.", remedy="see basis_pipeline/market_data/corrections.py.") from error
