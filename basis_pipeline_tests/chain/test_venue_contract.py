"""The contract of `Venue` held against Aave, a staking protocol, a pool and the executor on a local chain."""

from __future__ import annotations

import pytest

from basis_pipeline_tests.chain.bench import SETTINGS, Bench
from basis_pipeline_tests.venues.contract import Place, VenueContract, chain_orders


class TestOnChain(VenueContract):
    @pytest.fixture
    def place(self, there: Bench) -> Place:
        fills, refusals = chain_orders(SETTINGS)
        return Place(
            SETTINGS, there.venues, there.held(), lambda: there.feed.at(there.clock.wall()), fills, refusals,
            worlds_orders=there.transactions, simulated=False,
        )  # fmt: skip
