"""Operation -> venue (R18, R85). Knows where to send an order; executes nothing itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from basis_pipeline.domain.errors import ConfigError, OrderError
from basis_pipeline.domain.orders import Order
from basis_pipeline.domain.protocols import Venue
from basis_pipeline.domain.records import Positions


class VenueInterfaceManager:
    """One client per venue, injected at wiring: simulated in a backtest, real ones in staging and live."""

    def __init__(self, venues: Iterable[Venue]) -> None:
        self.venues: dict[str, Venue] = {}
        for venue in venues:
            if venue.name in self.venues:
                raise ConfigError(f"venue {venue.name} is wired twice.")
            self.venues[venue.name] = venue

    def route_to_venue(self, order: Order) -> Venue:
        """The venue that executes `order`; OrderError VEN-001 if there is none that can."""
        venue = self.venues.get(order.venue)
        if venue is None or order.operation not in venue.operations:
            able = sorted(name for name, candidate in self.venues.items() if order.operation in candidate.operations)
            raise OrderError(
                f"no client for {order.operation} at {order.venue!r}.",
                code="VEN-001",
                remedy=f"venues that support it: {', '.join(able) or 'none'}.",
            )
        return venue

    def positions(self, expected: Positions) -> Mapping[int, float]:
        """What all venues say we hold, by slot."""
        real: dict[int, float] = {}
        for venue in self.venues.values():
            real.update(venue.positions(expected))
        return real
