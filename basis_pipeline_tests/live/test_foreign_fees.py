"""A discount token that is switched on while a session runs: told at once, and no reason to lose the record over."""

from __future__ import annotations

from pathlib import Path

import pytest

from basis_pipeline.domain.errors import SystemFailure
from basis_pipeline.live_journal.database import Kind
from basis_pipeline_tests.live.stage import holds_what_the_venue_holds, stage
from basis_pipeline_tests.live.ticking import running


@pytest.mark.parametrize("venue", ["binance", "bybit"])
def test_a_fee_in_a_token_nobody_holds_ends_the_session_and_the_next_one_goes_on(tmp_path: Path, venue: str) -> None:
    """Spot is sold for margin and its fee is paid in a discount token; then that is switched off again."""
    with stage(tmp_path, venue) as there:
        running(there)
        there.books.fees_in_bnb = True
        there.books.set_price("BTC", 65_000.0)
        with pytest.raises(SystemFailure, match=f"VEN-005.*{venue}:BaseToken:BNB"):
            running(there)
        there.books.fees_in_bnb = False
        running(there)
        assert there.books.spot["BNB"] < 0.0
        assert any(b"fees outside the book" in entry.payload for entry in there.entries(Kind.ACTION))
        holds_what_the_venue_holds(there)
