"""Known defects of funding rates, of file formats, and files that only look like data."""

from __future__ import annotations

import numpy as np
import pandas as pd

from basis_pipeline.domain.timeline import DAY, HOUR
from basis_pipeline_tests.market_data.defects import Figures, defect
from basis_pipeline_tests.market_data.vendor_files import micros
from basis_pipeline_tests.market_data.world import World, stamps


@defect(
    "D-03",
    replica={"proxied": 5, "hole": 15, "month": "2025-03", "symbols": ("BTCUSDT",)},
    real={"proxied": 43, "hole": 91, "month": "2024-08", "symbols": ("BTCUSDT", "ETHUSDT")},
)
def missing_okx_settlements_are_proxied_within_budget_else_left_open(world: World, n: Figures) -> None:
    for symbol in n["symbols"]:
        key = ("funding_rates", "okx", symbol)
        assert world.series(*key).counts.proxied == {"proxy:median_of_venues": n["proxied"]}
        hole = world.finding("funding_hole", *key)
        assert (hole.severity, hole.month, hole.count) == ("ERROR", n["month"], n["hole"])
        frame = world.frame(*key)
        others = pd.concat(
            [
                world.frame("funding_rates", v, symbol).set_index("timestamp")["funding_rate"]
                for v in ("binance", "bybit")
            ],
            axis=1,
        )
        proxies = frame[frame["quality"] == "proxied"].set_index("timestamp")["funding_rate"]
        assert proxies.groupby(proxies.index.strftime("%Y-%m")).size().max() <= 12
        # The median of two is their mean.
        assert np.allclose(proxies, others.reindex(proxies.index).mean(axis=1), rtol=1e-12, atol=0.0)


@defect(
    "D-04",
    replica={"rows": 15, "symbols": ("BTCUSDT",)},
    real={"rows": 210, "symbols": ("BTCUSDT", "ETHUSDT")},
)
def of_two_okx_rates_for_one_label_the_bogus_one_goes(world: World, n: Figures) -> None:
    for symbol in n["symbols"]:
        counts = world.series("funding_rates", "okx", symbol).counts
        assert counts.dropped == {"conflict_signature": n["rows"]}
        assert counts.quarantined == {}
        frame = world.frame("funding_rates", "okx", symbol)
        assert counts.read - n["rows"] == (frame["quality"] == "observed").sum()
        assert frame["timestamp"].is_unique


@defect(
    "D-05",
    replica={"symbols": ("BTCUSDT",), "last": "2025-06-20T08:00"},
    real={"symbols": ("BTCUSDT", "ETHUSDT"), "last": "2025-06-30T08:00"},
)
def okx_labels_move_back_eight_hours_and_follow_the_others_at_lag_0(world: World, n: Figures) -> None:
    for symbol in n["symbols"]:
        frame = world.frame("funding_rates", "okx", symbol)
        observed = frame[frame["quality"] == "observed"]
        assert stamps(observed)[-1] == micros(n["last"])
        found = world.finding("label_correlation", "funding_rates", "okx", symbol)
        assert found.severity == "INFO"
        assert "best at lag 0" in found.message


@defect(
    "D-06",
    replica={"symbols": ("BTCUSDT",), "first": "2025-01-31T08:00"},
    real={"symbols": ("BTCUSDT", "ETHUSDT"), "first": "2024-04-30T08:00"},
)
def okx_rates_before_the_change_move_back_one_settlement_more(world: World, n: Figures) -> None:
    for symbol in n["symbols"]:
        frame = world.frame("funding_rates", "okx", symbol)
        assert stamps(frame)[0] == micros(n["first"])
        seam = frame[frame["timestamp"] == pd.Timestamp("2025-06-09T08:00")]
        assert seam["quality"].tolist() == ["proxied"]


@defect("D-07", replica={"rows": 85}, real={"rows": 339})
def binance_settlements_are_stamped_to_the_second(world: World, n: Figures) -> None:
    for symbol in ("BTCUSDT", "ETHUSDT"):
        assert world.series("funding_rates", "binance", symbol).counts.changed == {"stamp_rounded": n["rows"]}
        assert (stamps(world.frame("funding_rates", "binance", symbol)) % (8 * HOUR) == 0).all()


@defect("D-08", replica={"crlf": 20, "bom": 1}, real={"crlf": 23, "bom": 1})
def line_ends_and_byte_order_marks_do_not_matter(world: World, n: Figures) -> None:
    heads = world.heads()
    assert sum(head.crlf for head in heads.values()) == n["crlf"]
    assert sum(head.bom for head in heads.values()) == n["bom"]
    for name, head in heads.items():
        assert not any("\r" in column or "\ufeff" in column for column in head.columns), name
        assert world.file(name).status in ("read", "rejected"), name


@defect("D-14", replica={"files": 3}, real={"files": 6})
def oracle_comments_are_read_and_their_count_is_not_believed(world: World, n: Figures) -> None:
    told = [file for file in world.report.files if any(f.rule == "record_count" for f in file.findings)]
    assert len(told) == n["files"]
    assert all(file.status == "read" for file in told)
    for symbol in ("USDT_USD", "WETH_USD"):
        assert set(np.diff(stamps(world.frame("oracle_prices", "aave_v3", symbol)))) in ({DAY}, {HOUR})


@defect("D-35", replica={}, real={})
def placeholders_are_rejected_by_what_they_are(world: World, n: Figures) -> None:
    rules = {
        "curve_weETHWETH_1h.csv": "copied_file",
        "uniswapv3_wstETHWETH_1h.csv": "copied_file",
        "binance_EIGENUSDT_1h.csv": "straight_ramp",
        "binance_ETHFIUSDT_1h.csv": "straight_ramp",
        "USDT_ETH_oracle.csv": "declared_empty",
    }
    for name, rule in rules.items():
        file = world.file(name)
        assert (file.status, [finding.rule for finding in file.findings]) == ("rejected", [rule])
        assert {finding.severity for finding in file.findings} == {"WARN"}
    assert ("aave_v3", "USDT_ETH") not in {(s.venue, s.symbol) for s in world.store.series("oracle_prices")}
