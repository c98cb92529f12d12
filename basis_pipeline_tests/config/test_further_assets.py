"""A further coin is a mode file, and lines in venue files where the coin is new to them: no code changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from basis_pipeline.config.loading import ConfigFolder
from basis_pipeline.config.wiring import wire_mode
from basis_pipeline.market_data.sample import generate
from basis_pipeline.runs.backtest import plan_backtest
from basis_pipeline.runs.ingest import ingest
from basis_pipeline.runs.workspace import Workspace

MODE = """
mode: {name}_basis
share_class: USDT
asset: {coin}
initial_capital: 100000
strategy:
  shape: basis
  spot_fraction: 0.6
  hedge_allocation: {{binance: 0.5, bybit: 0.5}}
  largest_move: 0.13
"""
LINES = """
  - {{key: "{venue}:BaseToken:{coin}", lot: 0.1}}
  - {{key: "{venue}:Perp:{coin}USDT", token: {coin}, lot: 1, min_notional: 5}}
"""


@pytest.mark.parametrize("coin", ["SOL", "ZZZ"])
def test_a_further_coin_runs_from_raw_files_to_gates(coin: str, configs: Path, tmp_path: Path) -> None:
    name = coin.lower()
    (configs / f"modes/{name}_basis.yaml").write_text(MODE.format(name=name, coin=coin))
    for venue in ("binance", "bybit") if coin == "ZZZ" else ():
        file = configs / f"venues/{venue}.yaml"
        file.write_text(file.read_text().rstrip("\n") + LINES.format(venue=venue, coin=coin))
    workspace = Workspace(tmp_path / "root", configs)
    raw = workspace.root.path / "raw"
    generate(raw, first_month="2024-03", months=1, assets=(coin,))
    workspace.root.claim("sample", raw)
    ingest(workspace.root, raw, config_dir=configs)
    (month,) = plan_backtest(workspace, f"{name}_basis", first="2024-03", last="2024-03").run()
    closing = month.tables["timesteps"].slice(month.tables["timesteps"].num_rows - 1).to_pylist()[0]
    assert closing["equity_usd"] == pytest.approx(100_000, rel=0.03)
    held = {
        row["position_key"]: row["quantity"]
        for row in month.tables["positions"].to_pylist()
        if row["timestamp"] == closing["timestamp"]
    }
    spot = held[f"binance:BaseToken:{coin}"]
    assert spot > 0.0
    assert spot == pytest.approx(-held[f"binance:Perp:{coin}USDT"] - held[f"bybit:Perp:{coin}USDT"], rel=1e-9)


def test_the_mode_of_the_readme_is_complete_and_fits_the_shipped_venues(configs: Path) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    example = readme.split("```yaml\n")[1].split("```")[0]
    (configs / "modes/sol_basis.yaml").write_text(example)
    wired = wire_mode(ConfigFolder(configs), "sol_basis")
    assert [account.venue for account in wired.settings.margin_accounts] == ["binance", "bybit"]
