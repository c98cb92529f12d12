"""Records of sessions on chain, alone and with exchanges: beside their replays, and as published months."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from basis_pipeline.config.gas import wire_on_chain
from basis_pipeline.config.loading import ConfigFolder
from basis_pipeline.domain.evidence import GateStatus
from basis_pipeline.results.live_differences.differences import FLOWS, GAS, TRANSFERS, LiveDifferences
from basis_pipeline.runs.live.compare import compare_live
from basis_pipeline.runs.live.record import SessionAbout, begin_record, journal_path
from basis_pipeline.runs.live.results import publish_live
from basis_pipeline.runs.queries import query
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline_tests.builders import CONFIGS
from basis_pipeline_tests.chain.bench import MINUTE, Bench, bench
from basis_pipeline_tests.chain.hybrid import Hybrid, hybrid
from basis_pipeline_tests.chain.market import ETHER, Market

OVERRIDES = {"error_policy": "retry"}
TEN_DAYS = 10 * 86_400
SIMPLE, LEVERED = "usdt_eth_staking_hedged_simple", "usdt_eth_staking_hedged_leveraged"


class Session(NamedTuple):
    """A mode that is on chain alone, and where its journal and results are."""

    there: Bench
    root: Workspace


def lived(market: Market, folder: Path, mode: str) -> Session:
    """The entry, and ten days later another session."""
    root = Workspace(folder / "data", CONFIGS)
    wired = wire_on_chain(ConfigFolder(CONFIGS), mode, OVERRIDES)
    there = bench(market, journal_path(root, mode, "dev"), mode=wired)
    about = SessionAbout.of(wired, there.settings, "dev", interval=60.0, overrides=OVERRIDES)
    begin_record(there.journal, about)
    for pause in (0, TEN_DAYS):
        if pause:
            there.node.mine(seconds=pause)
        there.session().run(until=there.clock.wall() + 3 * MINUTE)
    return Session(there, root)


def gas_paid(there: Bench) -> float:
    """ETH, as the receipts say."""
    return sum(settled.facts.fee for settled in there.again().journal.settled_after(0))


def differs_by_gas_alone(found: LiveDifferences) -> None:
    assert abs(found.unnamed) < 1e-9
    assert found.difference == pytest.approx(found.item(GAS).difference, abs=1e-4)
    assert found.counts() == (1, 1)


def test_a_stack_pays_what_it_paid_and_owes_what_it_owed(market: Market, tmp_path: Path) -> None:
    """40 ETH; the replay owes the same interest, and pays the gas that its venue files say."""
    there, root = lived(market, tmp_path, "eth_leveraged")
    found = compare_live(root, "eth_leveraged", "dev").differences
    differs_by_gas_alone(found)
    assert found.item(GAS).live == pytest.approx(-gas_paid(there), rel=1e-9)
    assert (found.item(FLOWS).live, found.item(FLOWS).backtest) == (40.0, 40.0)
    borrowed = found.item("borrow_costs")
    assert borrowed.live < -0.1 and borrowed.backtest == pytest.approx(borrowed.live, abs=1e-6)


def test_lent_dollars_have_the_ether_of_the_wallet_in_both_lives(market: Market, tmp_path: Path) -> None:
    """100,000 USDT and 40 ETH at 2,500: gas is paid from the ETH."""
    market.node.do(market.usdt, "mint(address,uint256)", market.executor, 100_000 * 10**6)
    there, root = lived(market, tmp_path, "pure_lending_usdt")
    found = compare_live(root, "pure_lending_usdt", "dev").differences
    differs_by_gas_alone(found)
    assert (found.item(FLOWS).live, found.item(FLOWS).backtest) == (200_000.0, 200_000.0)
    assert found.item(GAS).live == pytest.approx(-gas_paid(there) * 2_500.0, rel=1e-9)
    assert found.item("supply_yield").live > 40.0
    assert found.item("supply_yield").backtest == pytest.approx(found.item("supply_yield").live, abs=1e-4)


def test_what_a_stranger_sent_is_a_flow_of_the_record_and_of_its_month(market: Market, tmp_path: Path) -> None:
    """One ETH of 40, and the replay has had none: it is what the two lives differ by, and no gate objects."""
    there, root = lived(market, tmp_path, "eth_leveraged")
    there.node.send(there.market.executor, b"", value=ETHER)
    session = there.session()
    session.run(until=there.clock.wall() + 3 * MINUTE)
    found = compare_live(root, "eth_leveraged", "dev").differences
    assert abs(found.unnamed) < 1e-9
    assert (found.item(FLOWS).live, found.item(FLOWS).backtest) == pytest.approx((41.0, 40.0), rel=1e-9)
    assert found.difference == pytest.approx(1.0, abs=0.01)
    months = publish_live(root, "eth_leveraged", "dev", now=there.clock.wall())
    failed = [gate.gate for month in months for gate in month.manifest.gates if gate.status is GateStatus.FAILED]
    assert failed == []
    sources = query(root, "select distinct source from records.deltas where record = 'live-dev'").to_pylist()
    assert "receipt" in [row["source"] for row in sources]


def rises(market: Market, folder: Path, mode: str) -> Hybrid:
    """An hour from the entry on, then 35% more for ETH and another hour."""
    with hybrid(market, folder, mode) as there:
        there.path = journal_path(there.workspace, mode, "staging")
        there.live_for(60)
        there.set_eth_price(3_375.0)
        there.live_for(60)
    return there


def other_live_file(there: Hybrid) -> None:
    file = there.workspace.config.path / "live.yaml"
    content = yaml.safe_load(file.read_text()) | {"gas_tank_eth": 5.0}
    content["transfers"] = {"expected_minutes": 1, "addresses": {}}
    file.write_text(yaml.safe_dump(content))


def last_row(there: Hybrid) -> dict[str, float]:
    """The published equity at the end, and the sum of all positions then; USD."""
    sql = """
        select timestamp, equity_usd, (select sum(value_usd) from records.positions p
            where p.record = t.record and p.mode = t.mode and p.timestamp = t.timestamp) as positions_usd
        from records.timesteps t where record = 'live-staging' and mode = $mode order by timestamp
    """
    rows = query(there.workspace, sql, {"mode": there.mode}).to_pylist()
    assert all(row["positions_usd"] == pytest.approx(row["equity_usd"], abs=1e-6) for row in rows)
    found: dict[str, float] = rows[-1]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("mode", [SIMPLE, LEVERED])
def test_a_hybrid_record_closes_against_its_replay_and_its_months_are_its_state(
    market: Market, tmp_path: Path, mode: str
) -> None:
    there = rises(market, tmp_path, mode)
    found = compare_live(there.workspace, mode, "staging").differences
    assert abs(found.unnamed) < 1e-9
    assert found.live[-1] == there.state.pnl.equity
    assert [pair for pair in found.pairs if pair.live and not pair.backtest] == [], "each order has its counterpart"
    assert (found.item(FLOWS).live, found.item(FLOWS).backtest) == pytest.approx((100_250.0, 100_250.0))
    assert found.item(TRANSFERS).backtest == pytest.approx(-6.0), "1 USDT each, as the venue files say"
    withdrawn = 2.0  # 0.0004 ETH at 2,500, and 1 USDT
    assert -3.0 < found.item(TRANSFERS).live < -withdrawn, "and the gas of what left the wallet"
    bought = 0.001 * (14.345 + 9.4632) + 0.0004
    assert found.item("delta_pnl").difference == pytest.approx(-bought * 875.0 + 0.35, abs=0.6), "fees kept in ETH"
    other_live_file(there)
    assert compare_live(there.workspace, mode, "staging").differences.items == found.items, "as the session was wired"
    [month] = publish_live(there.workspace, mode, "staging", now=there.state.timestamp)
    assert month.manifest.initial_capital == pytest.approx(100_250.0)
    told = {gate.gate: gate for gate in month.manifest.gates if gate.status is not GateStatus.PASSED}
    assert list(told) == ["margin_derisk"], "a rise of 35% at once"
    cash, short, sold = 15_959.8 - 11.95, 9.563, 2_500.0 * 0.9998
    assert told["margin_derisk"].value == pytest.approx((cash + short * (sold - 3_375.0)) / (short * 3_375.0), rel=1e-4)
    assert last_row(there)["equity_usd"] == pytest.approx(there.state.pnl.equity, rel=1e-6)
