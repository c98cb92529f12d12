"""Which market data a mode reads, derived from its positions (never restated in its file)."""

from __future__ import annotations

from basis_pipeline.config.models import BasisStrategy, DirectionalStrategy, HedgedStakingStrategy, ModeFile
from basis_pipeline.config.rewards import pool_reference, reward_series, reward_tokens
from basis_pipeline.config.universe import GAS_TOKEN, LIQUID_STAKING, Venues
from basis_pipeline.domain.errors import ConfigError
from basis_pipeline.domain.position_keys import Instrument, PositionType, Universe
from basis_pipeline.domain.timeline import STEPS
from basis_pipeline.market_data.datasets_signals import ML_SIGNALS
from basis_pipeline.market_data.frames.requirements import FrameSpec, ReserveRef, ReserveSide, SeriesRef, SlotSources

_PERP_CANDLES = {"1h": "perp_candles_1h", "5min": "perp_candles_5m"}


def frame_spec(mode: ModeFile, universe: Universe, venues: Venues) -> FrameSpec:
    """The series behind every slot, the reference prices, and gas where an operation costs gas."""
    costs_gas = any(file.gas_units for file in venues.files.values() if file.kind in ("lending", "staking", "dex"))
    oracle = mode.component_config.exposure_monitor.conversion_methods["USDT"] == "oracle"
    assets = [*universe.assets, GAS_TOKEN] if costs_gas else universe.assets
    if strangers := sorted(mode.reference_price.keys() - set(assets)):
        raise ConfigError(
            f"configs/modes/{mode.mode}.yaml: reference_price names {', '.join(strangers)}, which the mode does not "
            "hold.",
            remedy=f"choose from {', '.join(asset for asset in assets if asset != 'USDT')}.",
        )
    pooled = {token: pool_reference(token) for token in reward_tokens(mode) if token not in mode.reference_price}
    return FrameSpec(
        universe=universe,
        step=STEPS[mode.step],
        reference={asset: _reference(mode, asset) for asset in assets if asset != "USDT"} | pooled,
        share_asset=mode.share_class,
        sources={str(instrument.key): _sources(mode, instrument, venues) for instrument in universe},
        gas=SeriesRef("gas_prices_1h", "ethereum", GAS_TOKEN) if costs_gas else None,
        gas_token=GAS_TOKEN,
        usd=SeriesRef("oracle_prices", "aave_v3", "USDT_USD") if oracle else None,
        signals=_signals(mode),
        quoted_in=dict.fromkeys(pooled, GAS_TOKEN),
        rewards=reward_series(mode),
    )


def _signals(mode: ModeFile) -> SeriesRef | None:
    if not isinstance(mode.strategy, DirectionalStrategy):
        return None
    return SeriesRef(ML_SIGNALS, mode.strategy.model, f"{mode.asset}USDT")


def _reference(mode: ModeFile, asset: str) -> SeriesRef:
    """Spot candles that price an asset: the mode's choice, else its spot venue, else Binance."""
    strategy = mode.strategy
    default = strategy.spot_venue if isinstance(strategy, BasisStrategy | HedgedStakingStrategy) else "binance"
    return SeriesRef("spot_candles_1h", mode.reference_price.get(asset, default), f"{asset}USDT")


def _sources(mode: ModeFile, instrument: Instrument, venues: Venues) -> SlotSources:
    key, kind = instrument.key, instrument.position_type
    if kind is PositionType.PERP:
        line = venues.line(str(key))
        symbol = line.prices or key.symbol
        return SlotSources(
            last=SeriesRef(_PERP_CANDLES[mode.step], key.venue, symbol) if line.last_price == "candles" else None,
            mark=SeriesRef("mark_candles_1h", key.venue, symbol),
            funding=SeriesRef("funding_rates", key.venue, symbol),
        )
    ratio = SeriesRef("oracle_prices", "aave_v3", instrument.ratio) if instrument.ratio else None
    if kind in (PositionType.A_TOKEN, PositionType.DEBT_TOKEN):
        side = ReserveSide.SUPPLY if kind is PositionType.A_TOKEN else ReserveSide.BORROW
        return SlotSources(
            reserve=ReserveRef(
                daily=SeriesRef("aave_reserves_1d", key.venue, instrument.token),
                side=side,
                hourly=SeriesRef("aave_rates_1h", key.venue, instrument.token),
            ),
            ratio=ratio,
        )
    if kind is PositionType.LST:
        pool = LIQUID_STAKING[instrument.token][1]
        return SlotSources(ratio=ratio, market=SeriesRef("lst_market_rates_1h", pool, instrument.token))
    if isinstance(mode.strategy, DirectionalStrategy):
        return SlotSources()  # its coin is margin; nothing buys or sells it
    traded = kind is PositionType.BASE_TOKEN and venues.files[key.venue].kind == "cex" and instrument.token != "USDT"
    if traded:
        return SlotSources(last=SeriesRef("spot_candles_1h", key.venue, f"{instrument.token}USDT"))
    return SlotSources()
