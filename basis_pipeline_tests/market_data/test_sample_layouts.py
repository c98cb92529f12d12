"""Sample files have the layouts of the real ones: folders, names, headers, stamps, line ends, types, JSON keys."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import feather

pytestmark = pytest.mark.real_data

RENAMED = {  # where the vendor's download came in parts
    "cex/spot/binance_ETHFIUSDT_spot_1h.feather": "cex/spot/binance_ETHFIUSDT_spot_1h.part1.feather",
    "ml/binance_BTCUSDT_perp_5m.feather": "ml/binance_BTCUSDT_perp_5m.part1.feather",
}
NOT_SAMPLED = {
    "DEFECTS.md",
    "SHA256SUMS",
    "cex/spot/binance_ETHFIUSDT_spot_1h.part2.feather",
    "ml/binance_BTCUSDT_perp_5m.part2.feather",
    "known_bad/curve_weETHWETH_1h.csv",
    "known_bad/uniswapv3_wstETHWETH_1h.csv",
    "known_bad/binance_ETHFIUSDT_1h.csv",
    "known_bad/USDT_ETH_oracle.csv",
}
SHEET = "risk_params/aave_v3_ethereum_params_snapshot.csv"


def pairs(sample_raw: Path, real_raw: Path, suffix: str) -> list[tuple[str, Path, Path]]:
    names = sorted(file.relative_to(sample_raw).as_posix() for file in sample_raw.rglob(f"*{suffix}"))
    assert names
    return [(name, sample_raw / name, real_raw / RENAMED.get(name, name)) for name in names]


def text_lines(path: Path) -> list[str]:
    return [line for line in path.read_text("utf-8-sig").splitlines() if not line.startswith("#")]


def shape(cell: str) -> str:
    """What a cell looks like, whatever its value: numbers alike, digits of stamps and dates as 0."""
    if re.fullmatch(r"~?-?[\d.,]+(e-?\d+)?", cell):
        return "number"
    return re.sub(r"\d", "0", cell) if re.match(r"\d{4}-\d\d-\d\d", cell) else "text" if cell else ""


def json_shape(value: object) -> object:
    """Keys and kinds of a JSON document; keys that are dates count once."""
    if isinstance(value, dict):
        return {re.sub(r"^\d{4}-\d\d-\d\d$", "date", key): json_shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [json_shape(inner) for inner in value[:1]]
    return "number" if isinstance(value, int | float) else "text"


def test_the_sample_has_every_file_the_vendors_have(sample_raw: Path, real_raw: Path) -> None:
    sample, real = (
        {file.relative_to(raw).as_posix() for file in raw.rglob("*") if file.is_file()}
        for raw in (sample_raw, real_raw)
    )
    assert {RENAMED.get(name, name) for name in sample} == real - NOT_SAMPLED


def test_csv_headers_are_equal(sample_raw: Path, real_raw: Path) -> None:
    for name, sample, real in pairs(sample_raw, real_raw, ".csv"):
        if name != SHEET:
            assert text_lines(sample)[0] == text_lines(real)[0], name


def test_csv_cells_look_alike(sample_raw: Path, real_raw: Path) -> None:
    for name, sample, real in pairs(sample_raw, real_raw, ".csv"):
        if name != SHEET:
            first, other = (
                [shape(cell) for cell in next(csv.reader(text_lines(file)[1:2]))] for file in (sample, real)
            )
            prose = {"rewards/seasonal_drops.csv": {5, 6}}.get(name, set())
            assert [cell for at, cell in enumerate(first) if at not in prose] == [
                cell for at, cell in enumerate(other) if at not in prose
            ], name


def test_constant_labels_of_csv_rows_are_equal(sample_raw: Path, real_raw: Path) -> None:
    for name, sample, real in pairs(sample_raw, real_raw, ".csv"):
        if name.startswith(("cex/", "dex/", "aave_v3/oracle")):
            first, other = (next(csv.DictReader(text_lines(file))) for file in (sample, real))
            labels = {key for key, cell in other.items() if shape(cell) == "text" and key != "date_utc"}
            assert labels or name.startswith("known_bad"), name
            assert {key: first[key] for key in labels} == {key: other[key] for key in labels}, name


def test_csv_line_ends_final_newlines_and_byte_order_marks_are_equal(sample_raw: Path, real_raw: Path) -> None:
    for name, sample, real in pairs(sample_raw, real_raw, ".csv"):
        first, other = sample.read_bytes(), real.read_bytes()
        assert (b"\r\n" in first) == (b"\r\n" in other), name
        assert first.count(b"\r\n") in (0, first.count(b"\n")), name
        assert first.endswith(b"\n") == other.endswith(b"\n"), name
        assert first.startswith(b"\xef\xbb\xbf") == other.startswith(b"\xef\xbb\xbf"), name


def test_oracle_comments_have_the_same_keys(sample_raw: Path, real_raw: Path) -> None:
    for name, sample, real in pairs(sample_raw, real_raw, "_oracle.csv"):
        first, other = (
            [
                re.sub(r"(Processed|Records): .*", r"\1", line)
                for line in file.read_text().splitlines()
                if line[0] == "#"
            ]
            for file in (sample, real)
        )
        assert first == other, name


def test_the_parameter_sheet_has_the_same_rows(sample_raw: Path, real_raw: Path) -> None:
    first, other = ([row[0] for row in csv.reader(text_lines(raw / SHEET))] for raw in (sample_raw, real_raw))
    assert first == other


def test_feather_and_parquet_schemas_are_equal(sample_raw: Path, real_raw: Path) -> None:
    def schema(path: Path) -> pa.Schema:
        return feather.read_table(path).schema if path.suffix == ".feather" else pq.read_schema(path)

    for suffix in (".feather", ".parquet"):
        for name, sample, real in pairs(sample_raw, real_raw, suffix):
            assert schema(sample).equals(schema(real)), name
            assert schema(sample).pandas_metadata["columns"] == schema(real).pandas_metadata["columns"], name


def test_json_documents_have_the_same_keys(sample_raw: Path, real_raw: Path) -> None:
    for name, sample, real in pairs(sample_raw, real_raw, ".json"):
        assert json_shape(json.loads(sample.read_text())) == json_shape(json.loads(real.read_text())), name
