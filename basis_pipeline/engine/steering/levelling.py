"""Moving cash between venues instead of selling, where that is enough."""

from __future__ import annotations

from basis_pipeline.domain.accounting import unscale
from basis_pipeline.domain.protocols import Targets
from basis_pipeline.domain.records import ChainSnapshot
from basis_pipeline.domain.settings import EngineSettings
from basis_pipeline.engine.planning.cash_planner import may_move


def level_margins(settings: EngineSettings, snapshot: ChainSnapshot) -> Targets | None:
    """Targets that give all venues the same margin ratio, if that ratio is at the warn level or above; else None."""
    limits = settings.risk.margin
    accounts = settings.margin_accounts
    if limits is None or len(accounts) < 2:
        return None
    if not all(may_move(settings, accounts[0].cash_slot, account.cash_slot) for account in accounts):
        return None
    quantities, values, mark = snapshot.positions.quantities, snapshot.exposure.values, snapshot.market.mark
    notionals, balances = {}, 0.0
    for account in accounts:
        notionals[account.cash_slot] = sum(abs(quantities[slot]) * mark[slot] for slot in account.perp_slots)
        balances += quantities[account.cash_slot] + sum(values[slot] for slot in account.perp_slots)
    total = sum(notionals.values())
    if total <= 0.0 or balances / total < limits.warn:
        return None
    ratio = balances / total
    return Targets(
        quantities={slot: unscale(held, snapshot.market.index[slot]) for slot, held in enumerate(quantities)},
        margins={slot: ratio * notional for slot, notional in notionals.items()},
        wallet={settings.capital_slot: settings.reserve_fraction * snapshot.exposure.equity},
        reason=f"all venues at margin ratio {ratio:.4f}",
    )
