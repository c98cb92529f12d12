"""From venue files to instruments, slots, routes and rules: what a mode declares, derived from its shape."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping

from basis_pipeline.config.models import (
    BasisStrategy,
    DirectionalStrategy,
    HedgedStakingStrategy,
    LendingStrategy,
    ModeFile,
    StackFile,
    StakingStrategy,
)
from basis_pipeline.config.rewards import REWARD_POOL, reward_key, reward_tokens
from basis_pipeline.config.venue_models import InstrumentFile, KindRules, VenueFile
from basis_pipeline.domain.errors import ConfigError
from basis_pipeline.domain.orders import Operation
from basis_pipeline.domain.position_keys import Instrument, PositionKey, PositionType, Universe
from basis_pipeline.domain.settings import LendingAccount, MarginAccount, Route, StackRoute
from basis_pipeline.domain.timeline import DAY, STEPS
from basis_pipeline.domain.venue_rules import MarginRules, SlippageCurve, TradeRules, VenueRules

WALLET = "wallet"
GAS_TOKEN = "ETH"
GAS_KEY = f"{WALLET}:BaseToken:{GAS_TOKEN}"
WRAPPED = {"ETH": "WETH"}
"""Tokens that lending venues take in wrapped form."""


_SWAPPED = (PositionType.LST, PositionType.BASE_TOKEN)
LIQUID_STAKING = {"weETH": ("etherfi", "curve"), "wstETH": ("lido", "uniswap")}
"""Liquid staking token -> who issues it, and the pool it is sold on."""


class Venues:
    """The venue files of one mode and what can be looked up in them."""

    def __init__(self, files: Mapping[str, VenueFile]) -> None:
        self.files = dict(files)
        self._lines = {line.key: line for file in files.values() for line in file.instruments}

    def line(self, key: str) -> InstrumentFile:
        """The venue file's line of an instrument; ConfigError naming the file where there is none."""
        if key not in self._lines:
            venue = key.partition(":")[0]
            raise ConfigError(
                f"configs/venues/{venue}.yaml has no instrument {key!r}, which the mode needs.",
                remedy=f"add the line `- {{key: {key!r}, ...}}` to its instruments.",
            )
        return self._lines[key]

    def instrument(self, key: str) -> Instrument:
        line, parsed = self.line(key), PositionKey.parse(key)
        token = line.token or parsed.symbol
        if not line.token and parsed.position_type in (PositionType.PERP, PositionType.A_TOKEN):
            raise ConfigError(f"configs/venues/{parsed.venue}.yaml: {key!r} needs `token`.")
        quote = line.quote if parsed.position_type is PositionType.PERP else ""
        return Instrument(parsed, token, line.asset or token, quote, line.ratio)

    def universe(self, keys: Iterable[str], *, redeems: bool, late: bool = False) -> Universe:
        """Slots of `keys`, and of the receivables of funds in transit and, where a mode `redeems`, of its ETH.

        Transfers are `late` where they take time whatever the venue files say, as real ones do. Only what two venues
        hold can be on its way from one to the other: no reward token of the wallet ever is.
        """
        instruments = [self.instrument(key) for key in keys]
        late = late or any(file.transfer_latency_bars for file in self.files.values())
        held = Counter(i.token for i in instruments if i.position_type is PositionType.BASE_TOKEN)
        received = [
            Instrument(PositionKey(i.key.venue, PositionType.RECEIVABLE, i.token), i.token, i.asset)
            for i in instruments
            if i.position_type is PositionType.BASE_TOKEN
            and ((late and held[i.token] > 1) or (redeems and i.token == GAS_TOKEN))
        ]
        return Universe([*instruments, *received])


def exits_by_queue(strategy: object) -> bool:
    return isinstance(strategy, StakingStrategy) and strategy.exit_route == "queue"


def derived_keys(mode: ModeFile) -> tuple[str, ...]:
    """Position keys the shape needs, in slot order, then those the mode adds (R77)."""
    strategy = mode.strategy
    if isinstance(strategy, LendingStrategy):
        keys = _lending_keys(mode, strategy)
    elif isinstance(strategy, DirectionalStrategy):
        keys = [f"{strategy.venue}:BaseToken:{mode.share_class}", directional_perp(mode, strategy)]
    elif isinstance(strategy, StakingStrategy):
        keys = [f"{WALLET}:BaseToken:ETH", *_stack_keys(strategy)]
    else:
        keys = _pair_keys(mode, strategy)
        if isinstance(strategy, HedgedStakingStrategy):
            keys += [f"{WALLET}:BaseToken:ETH", *_stack_keys(strategy)]
    keys += [reward_key(token) for token in reward_tokens(mode)]
    added = mode.component_config.position_monitor.position_subscriptions
    return tuple(dict.fromkeys([*keys, *added]))


def _lending_keys(mode: ModeFile, strategy: LendingStrategy) -> list[str]:
    token = strategy.token or WRAPPED.get(mode.asset, mode.asset)
    wallet = [f"{WALLET}:BaseToken:{name}" for name in dict.fromkeys((mode.asset, token))]
    return [*wallet, f"{strategy.lending_venue}:aToken:a{token}"]


def _pair_keys(mode: ModeFile, strategy: BasisStrategy | HedgedStakingStrategy) -> list[str]:
    venues = list(strategy.hedge_allocation)
    return [
        f"{WALLET}:BaseToken:USDT",
        *(f"{venue}:BaseToken:USDT" for venue in dict.fromkeys([strategy.spot_venue, *venues])),
        f"{strategy.spot_venue}:BaseToken:{mode.asset}",
        *(f"{venue}:Perp:{mode.asset}USDT" for venue in venues),
    ]


def directional_perp(mode: ModeFile, strategy: DirectionalStrategy) -> str:
    """The perp of a directional mode: inverse where the share class is the coin itself."""
    symbol = f"{mode.asset}USD" if mode.share_class == mode.asset else f"{mode.asset}USDT"
    return f"{strategy.venue}:Perp:{symbol}"


def capital_key(mode: ModeFile) -> str:
    """Where capital arrives: the wallet, or the exchange of a mode that knows no other place."""
    venue = mode.strategy.venue if isinstance(mode.strategy, DirectionalStrategy) else WALLET
    return f"{venue}:BaseToken:{mode.share_class}"


def _stack_keys(strategy: StackFile) -> list[str]:
    issuer = LIQUID_STAKING[strategy.lst][0]
    keys = [f"{issuer}:LST:{strategy.lst}"]
    if strategy.target_ltv:
        keys += [f"{strategy.lending_venue}:aToken:a{strategy.lst}", f"{strategy.lending_venue}:debtToken:debtWETH"]
    return keys


def used_venues(mode: ModeFile) -> tuple[str, ...]:
    held = [PositionKey.parse(key).venue for key in derived_keys(mode)]
    strategy = mode.strategy
    if isinstance(strategy, StackFile):
        held.append(LIQUID_STAKING[strategy.lst][1])
        held += [strategy.executor] if strategy.target_ltv else []
        held += [REWARD_POOL] if reward_tokens(mode) else []
    return tuple(dict.fromkeys(held))


def margin_accounts(universe: Universe, venues: Venues) -> tuple[MarginAccount, ...]:
    """One cross-margin account per venue with perps and per currency they settle in, in the order of the venues."""
    accounts = []
    for name, file in venues.files.items():
        perps = universe.slots_of(PositionType.PERP, venue=name)
        if not perps:
            continue
        if file.margin is None:
            raise ConfigError(f"configs/venues/{name}.yaml has perps but no `margin`.")
        for quote in dict.fromkeys(universe.instruments[slot].quote for slot in perps):
            cash = universe.slot(f"{name}:BaseToken:{quote}")
            slots = tuple(slot for slot in perps if universe.instruments[slot].quote == quote)
            inverse = universe.instruments[slots[0]].inverse
            accounts.append(
                MarginAccount(name, cash, slots, file.margin.initial, file.margin.maintenance, inverse=inverse)
            )
    return tuple(accounts)


def routes(universe: Universe, rewards: Container[int] = ()) -> dict[int, Route]:
    """How each slot is traded or converted, and against which; `rewards` are the slots of reward tokens."""
    found: dict[int, Route] = {}
    for slot, instrument in enumerate(universe):
        venue, kind = instrument.key.venue, instrument.position_type
        if slot in rewards:
            found[slot] = Route(Operation.SWAP, REWARD_POOL, slot, universe.slot(f"{WALLET}:BaseToken:{GAS_TOKEN}"))
        elif kind is PositionType.PERP:
            cash = universe.slot(f"{venue}:BaseToken:{instrument.quote}")
            found[slot] = Route(Operation.PERP_TRADE, venue, slot, cash)
        elif kind is PositionType.A_TOKEN:
            if (source := universe.find(f"{WALLET}:BaseToken:{instrument.token}")) is not None:
                found[slot] = Route(Operation.SUPPLY, venue, source, slot)
        elif venue == WALLET and instrument.token in WRAPPED.values():
            found[slot] = Route(Operation.WRAP, WALLET, universe.slot(f"{WALLET}:BaseToken:{instrument.asset}"), slot)
        elif kind is PositionType.BASE_TOKEN and venue != WALLET and instrument.token != "USDT":
            quote = universe.find(f"{venue}:BaseToken:USDT")
            if quote is not None:
                found[slot] = Route(Operation.SPOT_TRADE, venue, slot, quote)
    return found


def lending_account(universe: Universe, venues: Venues, strategy: StackFile) -> LendingAccount | None:
    """Collateral and debt of a levered stack, with the venue's parameters for it."""
    collateral, debt = universe.slots_of(PositionType.A_TOKEN), universe.slots_of(PositionType.DEBT_TOKEN)
    if not debt:
        return None
    terms = venues.files[strategy.lending_venue].collateral
    name = "emode" if strategy.emode else strategy.lst
    if name not in terms:
        raise ConfigError(
            f"configs/venues/{strategy.lending_venue}.yaml: `collateral` has no {name!r}.",
            remedy="add its max_ltv, liquidation_threshold and liquidation_bonus.",
        )
    found = terms[name]
    return LendingAccount(
        strategy.lending_venue, collateral, debt, found.liquidation_threshold, found.max_ltv, found.liquidation_bonus
    )


def stack_route(universe: Universe, venues: Venues, strategy: StackFile) -> StackRoute:
    """Slots and venues that a stack is built from."""
    issuer, dex = LIQUID_STAKING[strategy.lst]
    collateral, debt = universe.slots_of(PositionType.A_TOKEN), universe.slots_of(PositionType.DEBT_TOKEN)
    levered = bool(strategy.target_ltv)
    return StackRoute(
        eth_slot=universe.slot(f"{WALLET}:BaseToken:ETH"),
        lst_slot=universe.slot(f"{issuer}:LST:{strategy.lst}"),
        collateral_slot=collateral[0] if collateral else None,
        debt_slot=debt[0] if debt else None,
        staking=issuer,
        dex=dex,
        lending=strategy.lending_venue,
        executor=strategy.executor,
        flash_fee=venues.files[strategy.executor].flash_fee_bp * 1e-4 if levered else 0.0,
        queues=exits_by_queue(strategy),
    )


def receivables(universe: Universe) -> dict[int, int]:
    """Slot of a wallet or CEX token -> slot of the receivable that stands for it in transit."""
    return {
        universe.slot(f"{instrument.key.venue}:BaseToken:{instrument.token}"): slot
        for slot, instrument in enumerate(universe)
        if instrument.position_type is PositionType.RECEIVABLE
    }


def venue_rules(universe: Universe, venues: Venues, step: str) -> dict[str, VenueRules]:
    """Rules of every venue, with trade rules by slot of this universe."""
    return {name: _rules(universe, file, venues, STEPS[step]) for name, file in venues.files.items()}


def _rules(universe: Universe, file: VenueFile, venues: Venues, step: int) -> VenueRules:
    trades = {}
    for slot, instrument in enumerate(universe):
        if file.kind == "dex" and instrument.position_type in _SWAPPED and instrument.token in file.swaps:
            trades[slot] = _trade_rules(
                InstrumentFile(key=str(instrument.key)), file.swaps[instrument.token], fee_in_base=False
            )
        if instrument.key.venue != file.name or file.kind != "cex":
            continue
        if instrument.position_type is PositionType.PERP:
            trades[slot] = _trade_rules(venues.line(str(instrument.key)), file.perp, fee_in_base=False)
        elif instrument.position_type is PositionType.BASE_TOKEN and instrument.token != "USDT":
            line = venues.line(str(instrument.key))
            trades[slot] = _trade_rules(line, file.spot, fee_in_base=file.spot_fee_in == "base")
    margin = None
    if file.margin is not None:
        margin = MarginRules(file.margin.initial, file.margin.maintenance, file.margin.liquidation_fee)
    return VenueRules(
        name=file.name,
        kind=file.kind,
        trades=trades,
        margin=margin,
        transfer_fee=file.transfer_fee_usdt,
        transfer_latency=file.transfer_latency_bars * step,
        gas_units={str(operation): units for operation, units in file.gas_units.items()},
        flash_fee=file.flash_fee_bp * 1e-4,
        redemption_delay=round(file.redemption_days * DAY),
    )


def _trade_rules(line: InstrumentFile, kind: KindRules, *, fee_in_base: bool) -> TradeRules:
    points = line.slippage_bp or kind.slippage_bp
    sizes = sorted(points)
    return TradeRules(
        lot=line.lot,
        min_notional=kind.min_notional if line.min_notional is None else line.min_notional,
        max_notional=line.max_notional or kind.max_notional,
        taker_fee=(kind.taker_fee_bp if line.taker_fee_bp is None else line.taker_fee_bp) * 1e-4,
        slippage=SlippageCurve(tuple(map(float, sizes)), tuple(points[size] for size in sizes)),
        fee_in_base=fee_in_base,
    )
