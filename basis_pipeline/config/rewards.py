"""Restaking rewards of a mode: which tokens its staked ETH is paid in, what prices them, where they are sold."""

from __future__ import annotations

from collections.abc import Mapping

from basis_pipeline.config.models import ModeFile, StackFile
from basis_pipeline.domain.errors import ConfigError
from basis_pipeline.domain.position_keys import PositionType, Universe
from basis_pipeline.domain.settings import RewardRules
from basis_pipeline.market_data.frames.requirements import SeriesRef

REWARD_DATASETS: Mapping[str, Mapping[str, str]] = {
    "weETH": {"EIGEN": "reward_distributions", "ETHFI": "reward_topups"}
}
"""Liquid staking token -> reward token -> the dataset of what was paid; only exact figures, no estimated drops."""

ISSUERS = {"weETH": "etherfi"}
REWARD_POOL = "uniswap"
"""Where reward tokens are sold."""
_POOL_DATA = "uniswapv3"
_WALLET = "wallet"


def reward_tokens(mode: ModeFile) -> tuple[str, ...]:
    """Tokens a mode is paid in: those its file names, else all that its staked token earns."""
    strategy = mode.strategy
    if not isinstance(strategy, StackFile):
        return ()
    paid = REWARD_DATASETS.get(strategy.lst, {})
    if strategy.rewards.tokens is None:
        return tuple(paid)
    if strangers := sorted(set(strategy.rewards.tokens) - set(paid)):
        raise ConfigError(
            f"configs/modes/{mode.mode}.yaml: {strategy.lst} does not pay {', '.join(strangers)}.",
            remedy=f"choose from {', '.join(paid)}." if paid else "leave strategy.rewards.tokens out.",
        )
    return tuple(token for token in paid if token in strategy.rewards.tokens)


def reward_key(token: str) -> str:
    return f"{_WALLET}:BaseToken:{token}"


def reward_series(mode: ModeFile) -> dict[str, SeriesRef]:
    """By position key of a reward token, the distributions that pay it."""
    strategy, found = mode.strategy, {}
    for token in reward_tokens(mode):
        if isinstance(strategy, StackFile):
            dataset = REWARD_DATASETS[strategy.lst][token]
            found[reward_key(token)] = SeriesRef(dataset, ISSUERS[strategy.lst], token)
    return found


def pool_reference(token: str) -> SeriesRef:
    """Candles that price a reward token, in ETH."""
    return SeriesRef("dex_candles_1h", _POOL_DATA, f"{token}WETH")


def reward_rules(mode: ModeFile, universe: Universe) -> RewardRules | None:
    """None for modes that are paid nothing."""
    strategy, tokens = mode.strategy, reward_tokens(mode)
    if not tokens or not isinstance(strategy, StackFile):
        return None
    return RewardRules(
        earning_slots=universe.slots_of(PositionType.LST, PositionType.A_TOKEN, token=strategy.lst),
        token_slots=tuple(universe.slot(reward_key(token)) for token in tokens),
        issuer=ISSUERS[strategy.lst],
        gas_multiple=strategy.rewards.dust_gas_multiple,
        equity_fraction=strategy.rewards.dust_delta,
    )
