"""From candles to signals to months of both directional modes, on the sample and with signals from a file."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from basis_pipeline.domain.errors import ConfigError, DataError, StateError
from basis_pipeline.domain.evidence import GateStatus
from basis_pipeline.domain.timeline import month_start
from basis_pipeline.market_data.validated import TIMESTAMP
from basis_pipeline.runs.backtest import plan_backtest
from basis_pipeline.runs.ingest import ingest
from basis_pipeline.runs.signals import model_of, outdated_signals, signal_evidence, train_signals, warm_up
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline_tests.runs.conftest import condemn, copied

CONFIGS = Path(__file__).parents[2] / "configs"
MODES = ["ml_btc_directional_usdt_margin", "ml_btc_directional_btc_margin"]
MODEL = "btc_trees"
BUSY = {"strategy.signal_threshold": 0.5, "strategy.minimum_edge": 0.0, "strategy.target_sd": 0.0005}
"""Follow every signal with little money: the sample has no skill to wait for."""


@pytest.fixture(scope="module")
def configs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped configuration with a model that looks back two months and needs one."""
    folder = tmp_path_factory.mktemp("configs") / "configs"
    shutil.copytree(CONFIGS, folder)
    file = folder / "models" / f"{MODEL}.yaml"
    text = file.read_text().replace("warm_up_months: 4", "warm_up_months: 1")
    file.write_text(text.replace("training_months: 6", "training_months: 2"))
    return folder


@pytest.fixture(scope="module")
def trained(sample_validated: Path, configs: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    root = tmp_path_factory.mktemp("signals")
    copied(sample_validated, root / "validated", ("2024-01", "2024-02", "2024-03"))
    workspace = Workspace(root, configs)
    months = train_signals(workspace, MODEL)
    assert [(month.month, month.trained) for month in months] == [("2024-02", True), ("2024-03", True)]
    return workspace


def test_a_month_of_signals_says_where_it_comes_from(trained: Workspace) -> None:
    evidence = signal_evidence(trained.validated, MODEL, "BTCUSDT", "2024-03")
    assert evidence is not None
    assert evidence.training_months == ("2024-01", "2024-02")
    assert evidence.first_signal == month_start("2024-03")
    assert evidence.last_row < evidence.last_outcome < evidence.first_signal
    assert evidence.rows > 16_000
    assert evidence.skill is not None
    assert not evidence.skill.shown, "the sample is a random walk"
    table = trained.validated.read("ml_signals", MODEL, "BTCUSDT", month_start("2024-03"), month_start("2024-04"))
    assert table.num_rows == 31 * 288
    assert set(table["signal"].to_pylist()) <= {"long", "short", "neutral", "hold"}


def test_nothing_is_trained_twice_and_a_changed_model_is_trained_again(trained: Workspace, tmp_path: Path) -> None:
    assert not any(month.trained for month in train_signals(trained, MODEL))
    root, folder = tmp_path / "root", tmp_path / "configs"
    shutil.copytree(trained.root.path, root)
    shutil.copytree(trained.config.path, folder)
    file = folder / "models" / f"{MODEL}.yaml"
    file.write_text(file.read_text().replace("horizon_bars: 12", "horizon_bars: 24"))
    assert all(month.trained for month in train_signals(Workspace(root, folder), MODEL))
    file.write_text(file.read_text().replace("warm_up_months: 1", "warm_up_months: 2"))
    workspace = Workspace(root, folder)
    assert [month.month for month in train_signals(workspace, MODEL)] == ["2024-03"]
    assert workspace.validated.months("ml_signals", MODEL, "BTCUSDT") == ("2024-03",), "the warm-up says nothing"
    file.write_text(file.read_text().replace("warm_up_months: 2", "warm_up_months: 3"))
    with pytest.raises(DataError, match="btc_trees needs more than its 3 months of warm-up"):
        train_signals(Workspace(root, folder), MODEL)


def test_signals_of_other_candles_than_there_are_now_are_not_traded(trained: Workspace, tmp_path: Path) -> None:
    """A correction of January changes what the models of February and March have seen, but not of what is traded."""
    root, series = tmp_path / "root", "perp_candles_5m/venue=binance/symbol=BTCUSDT"
    shutil.copytree(trained.root.path, root)
    workspace = Workspace(root, trained.config.path)
    assert outdated_signals(workspace, MODEL) == []
    store = workspace.validated
    candles = store.read("perp_candles_5m", "binance", "BTCUSDT", month_start("2024-01"), month_start("2024-02"))
    publications = store.publications("perp_candles_5m")
    partition = f"{series}/month=2024-01".partition("/")[2]
    found = publications.find(partition)
    assert found is not None
    publications.publish(partition, {"perp_candles_5m": candles.slice(1)}, found.body)
    assert outdated_signals(workspace, MODEL) == ["2024-02", "2024-03"]
    with pytest.raises(
        StateError, match="btc_trees were trained on other candles, or by another model file: 2024-02, 2024-03"
    ):
        plan_backtest(workspace, MODES[0], first="2024-02", last="2024-03")
    assert all(month.trained for month in train_signals(workspace, MODEL))
    assert plan_backtest(workspace, MODES[0], first="2024-02", last="2024-03").range.months


def test_candles_that_must_not_be_used_are_neither_learnt_from_nor_traded_on(
    trained: Workspace, tmp_path: Path
) -> None:
    """The ingestion comes to know of January what it did not when the models of February and March were trained."""
    root = tmp_path / "root"
    shutil.copytree(trained.root.path, root)
    workspace = Workspace(root, trained.config.path)
    condemn(workspace.validated, "perp_candles_5m", "binance", "BTCUSDT", "2024-01")
    assert outdated_signals(workspace, MODEL) == ["2024-02", "2024-03"]
    with pytest.raises(DataError, match=r"perp_candles_5m of binance BTCUSDT must not be used in 2024-01.*stuck_price"):
        train_signals(workspace, MODEL)
    with pytest.raises(StateError, match="were trained on other candles"):
        plan_backtest(workspace, MODES[0], first="2024-02", last="2024-03")


def test_the_months_of_warm_up_are_told(trained: Workspace) -> None:
    assert warm_up(trained, MODEL) == ("2024-01",)
    with pytest.raises(DataError, match="2024-01"):
        list(plan_backtest(trained, MODES[0], first="2024-01", last="2024-02").run())


@pytest.mark.parametrize("mode", MODES)
def test_both_modes_run_on_the_sample(trained: Workspace, mode: str) -> None:
    assert model_of(trained, mode) == MODEL
    outcomes = list(plan_backtest(trained, mode, overrides=BUSY, experiment=f"busy_{mode}").run())
    assert [outcome.month for outcome in outcomes] == ["2024-02", "2024-03"]
    sources = set()
    for outcome in outcomes:
        verdicts = {result.gate: result for result in outcome.gates}
        warned = {name for name, result in verdicts.items() if result.status is not GateStatus.PASSED}
        assert warned <= {"signal_skill"}
        assert "last outcome" in verdicts["walk_forward"].message
        assert "no skill: indistinguishable from chance" in verdicts["signal_skill"].message
        sources |= set(outcome.tables["deltas"]["source"].to_pylist())
        assert outcome.tables["orders"].num_rows > 50
    assert {"stop_loss", "take_profit", "trade", "funding"} <= sources
    notes = outcomes[0].published.manifest.data_usage.stand_ins
    assert any("stands in for the reference of BTC" in note for note in notes)
    assert any("binance:Perp:BTCUSD, which has no series of its own" in note for note in notes) == ("btc_" in mode[10:])


def test_a_month_goes_on_from_a_checkpoint_with_an_open_bracket(trained: Workspace, tmp_path: Path) -> None:
    """Two months in one go, and one after the other by two processes that share nothing but the checkpoint."""
    mode, folder = MODES[1], tmp_path / "configs"
    shutil.copytree(trained.config.path, folder)
    file = folder / "modes" / f"{mode}.yaml"
    content = yaml.safe_load(file.read_text())
    content["strategy"] |= {key.partition(".")[2]: value for key, value in BUSY.items()}
    content["strategy"] |= {"stop_loss_sd": 6.0, "take_profit_sd": 6.0}
    file.write_text(yaml.safe_dump(content))
    checkpoints = []
    for name, ranges in (("whole", [("2024-02", "2024-03")]), ("parts", [("2024-02", "2024-02"), ("2024-03",) * 2])):
        shutil.copytree(trained.validated.base, tmp_path / name / "validated")
        workspace = Workspace(tmp_path / name, folder)
        for first, last in ranges:
            assert list(plan_backtest(workspace, mode, first=first, last=last).run())
        checkpoints.append([workspace.results.checkpoint(mode, month) for month in ("2024-02", "2024-03")])
    assert checkpoints[0][0].positions["binance:Perp:BTCUSD"].bracket is not None
    assert [state.to_json() for state in checkpoints[0]] == [state.to_json() for state in checkpoints[1]]


def test_a_mode_without_signals_says_how_to_get_them(sample_validated: Path, configs: Path, tmp_path: Path) -> None:
    copied(sample_validated, tmp_path / "root" / "validated", ("2024-01",))
    workspace = Workspace(tmp_path / "root", configs)
    with pytest.raises(DataError, match="train its model with `basis signals`"):
        list(plan_backtest(workspace, MODES[0], first="2024-01", last="2024-01").run())


def test_without_scikit_learn_training_names_the_extra(trained: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [
        name for name in sys.modules if name.startswith(("basis_pipeline.ml.", "basis_pipeline.runs.signal_t"))
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sklearn.ensemble", None)
    with pytest.raises(ConfigError, match=r"basis-pipeline\[ml\]"):
        train_signals(trained, MODEL)


@pytest.fixture
def with_file(sample_raw: Path, configs: Path, tmp_path: Path) -> Callable[[pd.DataFrame], tuple[Workspace, list[str]]]:
    """A root whose signals come from `mine_BTCUSDT_signals_5m.csv`, and what ingestion objects to."""

    def made(signals: pd.DataFrame) -> tuple[Workspace, list[str]]:
        raw = tmp_path / "raw"
        raw.mkdir()
        for pattern in ("binance_BTCUSDT_perp_5m*", "binance_BTCUSDT_funding_8h*"):
            for file in sample_raw.rglob(pattern):
                shutil.copy(file, raw / file.name)
        signals.to_csv(raw / "mine_BTCUSDT_signals_5m.csv", index=False)
        workspace = Workspace(tmp_path / "root", configs)
        report = ingest(workspace.root, raw, config_dir=configs)
        return workspace, [str(finding) for finding in report.errors]

    return made


def _january(**changes: object) -> pd.DataFrame:
    stamps = pd.date_range("2024-01-01", "2024-02-01", freq="5min", inclusive="left", tz="UTC")
    frame = pd.DataFrame(
        {"timestamp": stamps.strftime("%Y-%m-%dT%H:%M:%SZ"), "signal": "hold", "confidence": 0.0, "sd": 0.0}
    )
    return frame.assign(**changes)


def test_signals_may_come_from_a_file(with_file: Callable[[pd.DataFrame], tuple[Workspace, list[str]]]) -> None:
    """Long from 2 January 12:00 on; the mode buys at exactly that step and holds what is not stopped."""
    signals = _january()
    entry = 36 * 12
    signals.loc[entry, ["signal", "confidence", "sd"]] = ["long", 0.9, 0.05]
    workspace, errors = with_file(signals)
    assert not errors
    plan = plan_backtest(workspace, MODES[0], first="2024-01", last="2024-01", overrides={"strategy.model": "mine"})
    (outcome,) = plan.run()
    orders = outcome.tables["orders"]
    stamps = orders[TIMESTAMP].to_numpy().astype("datetime64[us]").astype(np.int64)
    assert stamps.tolist() == [month_start("2024-01") + entry * 300_000_000]
    verdicts = {result.gate: result.message for result in outcome.gates}
    assert verdicts["walk_forward"] == "does not apply: no signals of a model trained here"
    assert verdicts["first_loop_action"].endswith("allow_flat_start: the mode may wait for a signal")


def test_a_file_may_say_how_far_its_model_has_drifted(
    with_file: Callable[[pd.DataFrame], tuple[Workspace, list[str]]],
) -> None:
    """Long from the second day on, drifted until the third: the entry waits for the model."""
    signals = _january(signal="long", confidence=0.9, sd=0.01, drift=0.05)
    signals.loc[: 288 - 1, "signal"] = "neutral"
    signals.loc[288 : 576 - 1, "drift"] = 0.3
    workspace, errors = with_file(signals)
    assert not errors
    plan = plan_backtest(workspace, MODES[0], first="2024-01", last="2024-01", overrides={"strategy.model": "mine"})
    (outcome,) = plan.run()
    stamps = outcome.tables["orders"][TIMESTAMP].to_numpy().astype("datetime64[us]").astype(np.int64)
    assert stamps[0] >= month_start("2024-01") + 576 * 300_000_000
    risk = [row for row in outcome.tables["risk"].to_pylist() if row["dimension"] == "model_drift"]
    told = {f"{row['timestamp']:%d %H:%M}": (row["value"], row["level"]) for row in risk}
    assert told["01 12:00"] == told["03 12:00"] == (0.05, "info")
    assert told["02 12:00"] == (0.3, "breach")


def test_a_word_that_is_no_signal_is_refused_with_its_row(
    with_file: Callable[[pd.DataFrame], tuple[Workspace, list[str]]],
) -> None:
    signals = _january()
    signals.loc[10, "signal"] = "buy"
    _, (error,) = with_file(signals)
    assert "signals_5m.csv:12:signal" in error
    assert "('long', 'short', 'neutral', 'hold')" in error
    assert "'buy'" in error
