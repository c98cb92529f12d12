"""Supply and withdraw along the routes of a lending venue, wrapping ETH on the way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from basis_pipeline.domain.accounting import unscale
from basis_pipeline.domain.orders import Operation
from basis_pipeline.domain.protocols import Targets
from basis_pipeline.domain.quotes_chain import gas_in_slot
from basis_pipeline.domain.settings import EngineSettings, Route
from basis_pipeline.engine.planning.projection import ProjectedBook


def release_lending(book: ProjectedBook, targets: Targets, settings: EngineSettings) -> None:
    """Withdraw what is supplied beyond the target, and the gas of the way where the withdrawn token pays for it."""
    for route, a_token_slot, change in _changes(book, targets, settings):
        steps = [Route(Operation.WITHDRAW, route.venue, a_token_slot, route.slot)]
        if wrap := settings.routes.get(route.slot):
            steps.append(Route(Operation.UNWRAP, wrap.venue, wrap.counter_slot, wrap.slot))
        held = unscale(book.quantities[a_token_slot], book.market.index[a_token_slot])
        amount = min(-change + _gas(book, settings, steps, steps[-1].counter_slot), held)
        if change >= 0.0 or _too_small(book, settings, route, amount):
            continue
        for step in steps:
            book.convert(step, amount)


def acquire_lending(book: ProjectedBook, targets: Targets, settings: EngineSettings) -> None:
    """Supply up to the target, but never what the wallet keeps nor the gas of the way."""
    for route, _, change in _changes(book, targets, settings):
        wrap = settings.routes.get(route.slot)
        source = wrap.slot if wrap else route.slot
        steps = (wrap, route) if wrap else (route,)
        free = book.quantities[source] - targets.wallet.get(source, 0.0)
        amount = min(change, free - _gas(book, settings, steps, source))
        if amount <= 0.0 or _too_small(book, settings, route, amount):
            continue
        for step in steps:
            book.convert(step, amount)


def _changes(book: ProjectedBook, targets: Targets, settings: EngineSettings) -> Iterator[tuple[Route, int, float]]:
    """(supply route, aToken slot, underlying units to add) for each lending target."""
    for slot, target in targets.quantities.items():
        route = settings.routes.get(slot)
        if route is not None and route.operation is Operation.SUPPLY:
            yield route, slot, target - unscale(book.quantities[slot], book.market.index[slot])


def _gas(book: ProjectedBook, settings: EngineSettings, steps: Iterable[Route], slot: int) -> float:
    """Tokens that `steps` burn at `slot`; 0 where gas is paid from another one."""
    if settings.gas_slot != slot:
        return 0.0
    return sum(gas_in_slot(step.operation, step.venue, book.market, settings) for step in steps)


def _too_small(book: ProjectedBook, settings: EngineSettings, route: Route, amount: float) -> bool:
    return amount * book.market.value[route.slot] < settings.steering_limits.min_trade
