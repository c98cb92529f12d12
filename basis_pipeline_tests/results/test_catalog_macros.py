"""Macros answer for the record asked for, refuse what is not published, and are documented column by column."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from basis_pipeline.domain.errors import ConfigError
from basis_pipeline.domain.evidence import Source
from basis_pipeline.results.metrics import drawdowns, index_of_steps
from basis_pipeline.results.sql.catalog import connect, query, rebuild_catalogue
from basis_pipeline.results.sql.hints import Published, no_rows, notes
from basis_pipeline.results.sql.table_macros import macro_docs, macros
from basis_pipeline.results.store import ResultsStore
from basis_pipeline_tests.results.conftest import book_months, manifest
from basis_pipeline_tests.results.synthetic import BasisBook

NAMES = [macro.name for macro in macros()]
COMPARING = ("compare", "configuration_changes")


@pytest.fixture(scope="module")
def compared_once(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = ResultsStore(shutil.copytree(published, tmp_path_factory.mktemp("compared") / "results"))
    config = {"behaviour": {"strategy.spot_fraction": "0.5", "asset": '"BTC"'}}
    for month, tables, state in book_months(BasisBook("2024-01", seed=8), ("2024-01", "2024-02")):
        store.publish_month(manifest(month, experiment="wide", config=config, config_digest="beef"), tables, state)
    return store.base


@pytest.fixture
def compared(compared_once: Path, tmp_path: Path) -> ResultsStore:
    """The standing months and an experiment `wide` of the first two."""
    return ResultsStore(shutil.copytree(compared_once, tmp_path / "results"))


def call(name: str, mode: str = "btc_basis", experiment: str = "wide") -> str:
    return f"from {name}('{mode}', '{experiment}')" if name in COMPARING else f"from {name}('{mode}')"


@pytest.mark.parametrize("name", NAMES)
def test_every_macro_has_the_columns_and_types_it_is_documented_with(compared: ResultsStore, name: str) -> None:
    kinds = {"VARCHAR": "string", "DOUBLE": "double", "BIGINT": "int64", "TIMESTAMP": "timestamp[us]"}
    with connect(compared) as connection:
        found = [(row[0], kinds[row[1]]) for row in connection.execute(f"describe {call(name)}").fetchall()]
        documented = connection.execute(
            'select "column", type from columns where "table" = ? order by rowid', [name]
        ).fetchall()
    assert found == documented == [(doc.column, doc.type) for doc in macro_docs() if doc.table == name]


def test_every_column_of_every_view_and_macro_has_a_meaning_and_every_macro_a_working_example(
    compared: ResultsStore,
) -> None:
    with connect(compared) as connection:
        tables = [name for (name,) in connection.execute('select "table" from tables').fetchall()]
        for table in tables:
            described = {row[0] for row in connection.execute(f"describe from {table}").fetchall()}
            documented = connection.execute(f'select "column" from columns where "table" = \'{table}\'').fetchall()
            assert described - {name for (name,) in documented} <= {"mode", "month"}, table
        assert connection.execute("select count(*) from columns where description = ''").fetchone() == (0,)
        listed = connection.execute("select name, call, example from macros").fetchall()
    assert [name for name, *_ in listed] == sorted(NAMES)
    assert all(text.startswith(f"from {name}(") for name, _, text in listed)


def test_every_macro_serves_whoever_opens_the_catalogue_file(compared: ResultsStore) -> None:
    path = rebuild_catalogue(compared)
    with duckdb.connect(str(path), read_only=True) as one, duckdb.connect(str(path), read_only=True) as other:
        for name in NAMES:
            expected = query(compared, call(name)).to_pandas()
            for connection in (one, other):
                pd.testing.assert_frame_equal(connection.sql(call(name)).to_arrow_table().to_pandas(), expected)


def test_equity_is_the_index_of_the_metrics_also_from_the_middle_of_a_record(compared: ResultsStore) -> None:
    months = [compared.read_month("btc_basis", month, "timesteps") for month in ("2024-01", "2024-02", "2024-03")]
    for first, opening in ((0, True), (1, False)):
        index = index_of_steps(pa.concat_tables(months[first:]), opening=opening)
        answer = query(compared, f"from equity('btc_basis', first := '2024-0{first + 1}')")
        assert answer["index"].to_numpy() == pytest.approx(index, rel=1e-12)
        assert answer["drawdown"].to_numpy() == pytest.approx(drawdowns(index), abs=1e-12)
        assert np.count_nonzero(answer["drawdown"].to_numpy()) > 100


def test_an_experiment_answers_only_when_it_is_asked_for(compared: ResultsStore) -> None:
    standing = compared.read_month("btc_basis", "2024-01", "timesteps")["equity_share_class"].to_pylist()
    wide = compared.read_month("btc_basis", "2024-01", "timesteps", "wide")["equity_share_class"].to_pylist()
    assert standing != wide
    sql = "select equity from equity('btc_basis', '2024-01', '2024-01'{})"
    assert query(compared, sql.format("")).column(0).to_pylist() == standing
    assert query(compared, sql.format(", experiment := 'wide'")).column(0).to_pylist() == wide
    records = query(compared, "select record, count(distinct month) as months from records.timesteps group by all")
    assert {row["record"]: row["months"] for row in records.to_pylist()} == {"standing": 3, "wide": 2}


def test_the_settlement_interval_is_not_the_time_a_book_was_flat(store: ResultsStore, basis_months: list) -> None:
    """Held over two settlements a day and flat at 20:00: the interval is 8 hours although most gaps are longer."""
    month, tables, state = basis_months[0]
    positions, deltas = tables["positions"].to_pylist(), tables["deltas"].to_pylist()
    for row in positions:
        if ":Perp:" in row["position_key"] and row["timestamp"].hour == 20:
            row["quantity"] = 0.0
    kept = [row for row in deltas if row["source"] != "funding" or row["timestamp"].hour in (8, 16)]
    sparse = {
        "positions": pa.Table.from_pylist(positions, tables["positions"].schema),
        "deltas": pa.Table.from_pylist(kept, tables["deltas"].schema),
    }
    store.publish_month(manifest(month), tables | sparse, state)
    rates = [row["rate"] for row in kept if row["source"] == "funding" and row["position_key"].startswith("binance:")]
    [row, *_] = query(store, f"from funding_by_venue('btc_basis', '{month}', '{month}')").to_pylist()
    assert (row["venue"], row["interval_hours"], row["settlements"]) == ("binance", 8.0, len(rates))
    assert row["rate_8h_bp"] == pytest.approx(np.mean(rates) * 1e4, rel=1e-12)


def test_headroom_is_given_for_linear_shorts_and_never_for_longs(store: ResultsStore, basis_months: list) -> None:
    month, tables, state = basis_months[0]
    maintenance = {"behaviour": {f"venues.{venue}.margin.maintenance": "0.05" for venue in ("binance", "bybit")}}
    sql = f"from margin_headroom('btc_basis', '{month}', '{month}')"
    store.publish_month(manifest(month, config=maintenance), tables, state)
    for row in query(store, sql).to_pylist():
        assert row["adverse_move"] == pytest.approx((row["margin_ratio"] - 0.05) / 1.05, rel=1e-12)
    longs = tables["positions"].to_pylist()
    for row in longs:
        if ":Perp:" in row["position_key"]:
            row["quantity"] = -row["quantity"]
    turned = tables | {"positions": pa.Table.from_pylist(longs, tables["positions"].schema)}
    store.publish_month(manifest(month, config=maintenance), turned, state)
    assert [row["adverse_move"] for row in query(store, sql).to_pylist()] == [None, None]


def test_a_comparison_covers_the_months_that_both_records_have(compared: ResultsStore) -> None:
    rows = query(compared, "from compare('btc_basis', 'wide') where metric = 'profit'").to_pylist()
    assert [row["month"] for row in rows] == ["2024-01", "2024-02"]
    for row in rows:
        profits = {
            record: sum(compared.read_month("btc_basis", row["month"], "timesteps", name)["step_pnl"].to_pylist())
            for record, name in (("standing", None), ("experiment", "wide"))
        }
        assert {name: row[name] for name in profits} == pytest.approx(profits)
        assert row["difference"] == pytest.approx(profits["experiment"] - profits["standing"])


def test_changed_keys_are_those_whose_value_differs_or_that_one_side_lacks(compared: ResultsStore) -> None:
    rows = query(compared, "from configuration_changes('btc_basis', 'wide')").to_pylist()
    assert rows == [
        {"key": "asset", "standing": None, "experiment": '"BTC"'},
        {"key": "strategy.spot_fraction", "standing": None, "experiment": "0.5"},
    ]


@pytest.mark.parametrize("name", [name for name in NAMES if name not in COMPARING])
def test_no_filter_hides_that_a_month_is_not_published(compared: ResultsStore, name: str) -> None:
    column = next(doc.column for doc in macro_docs() if doc.table == name and doc.type != "string")
    with pytest.raises(ConfigError, match="month 2030-01 is not published for btc_basis in the standing record"):
        query(compared, f"select count(*) from {name}('btc_basis', '2030-01') where {column} is not null")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("'btc_bais'", "nothing is published for btc_bais in the standing record"),
        ("'btc_basis', last := '2024-04'", "published are 2024-01 to 2024-03"),
        ("'btc_basis', experiment := 'nosuch'", "nothing is published for btc_basis in experiment nosuch"),
        (
            "'btc_basis', '2024-03', '2024-03', 'wide'",
            "month 2024-03 is not published for btc_basis in experiment wide",
        ),
        ("'btc_basis', '2024-03', '2024-01'", "ends in 2024-01, before it begins in 2024-03"),
        ("null", "nothing is published for no mode"),
    ],
)
def test_what_is_not_published_is_an_error_and_no_empty_answer(
    compared: ResultsStore, arguments: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        query(compared, f"from attribution({arguments})")


@pytest.mark.parametrize("name", COMPARING)
def test_a_comparison_with_an_unknown_experiment_is_an_error(compared: ResultsStore, name: str) -> None:
    with pytest.raises(ConfigError, match="nothing is published for btc_basis in experiment nosuch"):
        query(compared, f"select count(*) from {name}('btc_basis', 'nosuch')")


def test_parameters_stand_for_values_and_never_for_sql(compared: ResultsStore) -> None:
    sql = "select count(*) as steps from equity($mode, first := $month)"
    assert query(compared, sql, {"mode": "btc_basis", "month": "2024-03"}).to_pylist() == [{"steps": 744}]
    with pytest.raises(ConfigError, match=r"nothing is published for x'\); select 1 --"):
        query(compared, sql, {"mode": "x'); select 1 --", "month": None})
    with pytest.raises(ConfigError, match="missing: mode"):
        query(compared, "from equity($mode)")


@pytest.mark.parametrize(
    ("sql", "remedy"),
    [
        ("from wide", "wide is an experiment: from experiments.months where experiment = 'wide'."),
        ("from experiments.wide", "wide is an experiment"),
        ("from btc_basis", "btc_basis is a mode: from timesteps where mode = 'btc_basis'"),
        ("from timestep", "did you mean timesteps?"),
        ("from attribution", "attribution is a macro: from attribution(of_mode, "),
        ("from atribution('btc_basis')", "did you mean attribution?"),
        ("select equity from timesteps", "equity is a column of equity, daily_returns."),
        ("select equity_usdd from timesteps", "did you mean equity_usd, a column of timesteps, sweep_equity, equity?"),
        ("from equity()", "call it as equity(of_mode, first := NULL, last := NULL, experiment := NULL)."),
        ("from equity('btc_bais')", "'btc_bais' is no published mode or experiment; did you mean 'btc_basis'?"),
        ("from zzz", "`from tables` and `from macros` list what there is."),
        ("select zzz from months", "`from columns` lists every column"),
    ],
)
def test_a_wrong_name_is_answered_with_what_was_meant(compared: ResultsStore, sql: str, remedy: str) -> None:
    with pytest.raises(ConfigError) as refused:
        query(compared, sql)
    assert remedy in refused.value.remedy


def test_quoted_months_and_modes_that_are_not_published_are_noted(compared: ResultsStore) -> None:
    published = Published.of(compared.all_months())
    asked = "select * from months where month = '2030-01' and mode = 'btc_bais' and share_class = 'USDT'"
    assert notes(asked, published) == [
        "month 2030-01 is not published; published are 2024-01 to 2024-03.",
        "'btc_bais' is no published mode or experiment; did you mean 'btc_basis'?",
    ]
    assert notes("select * from months where month = $m", published, ["2030-02"]) != []
    assert notes("select * from months where mode = 'btc_basis' and month > '2024-01'", published) == []


def test_no_experiment_may_be_called_standing(store: ResultsStore, basis_months: list) -> None:
    month, tables, state = basis_months[0]
    with pytest.raises(ConfigError, match="taken for the standing record"):
        store.publish_month(manifest(month, experiment="standing"), tables, state)


def test_of_an_empty_answer_is_said_where_the_rows_are(tmp_path: Path, basis_months: list) -> None:
    results = ResultsStore(tmp_path / "results")
    month, tables, state = basis_months[0]
    for name, source in (("live-dev", Source.LIVE), ("wide", Source.BACKTEST)):
        results.publish_month(manifest(month, experiment=name, source=source), tables, state)
    asked, published = "select * from months", Published.of(results.all_months())
    assert query(results, asked).num_rows == 0
    [said] = no_rows(asked, published)
    assert "(btc_basis: live-dev, wide)" in said and "ask records.months" in said
    assert query(results, asked.replace("months", "records.months")).num_rows == 2
    assert no_rows("from timesteps where mode = $m", published, ["btc_basis"]) != []
    assert no_rows("from records.months where month = '2031-01'", published) == []
    results.publish_month(manifest(month), tables, state)
    assert no_rows("from months where month = '2031-01'", Published.of(results.all_months())) == []


def test_a_name_that_two_tables_have_is_answered_with_what_it_means_in_each(store: ResultsStore) -> None:
    asked = "select source from orders o join deltas d using (mode, month, timestamp, operation_id)"
    with pytest.raises(ConfigError, match=r"name the table of source: o\.source or d\.source\. Of `deltas` it is what"):
        query(store, asked)
    with pytest.raises(ConfigError, match=r"name the table of fee: o\.fee or d\.fee\.$"):
        query(store, asked.replace("source", "fee"))
