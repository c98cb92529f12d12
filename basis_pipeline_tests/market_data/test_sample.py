"""The synthetic sample as a whole: deterministic, without look-ahead, extensible by argument."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pandas as pd
import pytest

from basis_pipeline.domain.errors import ConfigError
from basis_pipeline.market_data.sample import generate


def digests(files: list[Path], raw: Path) -> dict[str, str]:
    return {file.relative_to(raw).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_equal_arguments_give_equal_bytes_and_another_seed_other_prices(tmp_path: Path) -> None:
    first, again, other = (
        digests(generate(tmp_path / name, months=1, seed=seed), tmp_path / name)
        for name, seed in (("first", 3), ("again", 3), ("other", 4))
    )
    assert first == again
    assert first.keys() == other.keys()
    same = {name for name in first if first[name] == other[name]}
    assert not {name for name in same if name.startswith(("cex/", "dex/", "aave_v3/", "gas/eth", "ml/"))}


def test_every_file_is_reported_once_with_its_number(tmp_path: Path) -> None:
    calls: list[tuple[str, int, int]] = []
    files = generate(tmp_path, months=1, progress=lambda name, done, total: calls.append((name, done, total)))
    assert [(name, done) for name, done, _ in calls] == [
        (file.relative_to(tmp_path).as_posix(), done) for done, file in enumerate(files, start=1)
    ]
    assert {total for *_, total in calls} == {len(files)}
    assert sorted(files) == sorted(file for file in tmp_path.rglob("*") if file.is_file())


def test_nothing_depends_on_its_future(sample_raw: Path, tmp_path: Path) -> None:
    """Two months are the beginning of twelve: line by line in text, row by row in tables."""
    looking_back = {"rewards/etherfi_seasonal_rewards.csv", "rewards/seasonal_drops.csv"}  # sorted by kind, not time
    placed_by_start = {"risk_params/aave_v3_ethereum_params_snapshot.csv", "known_bad/binance_EIGENUSDT_1h.csv"}
    written_at = ("2024-03-01T00:00:00.000000", "2025-01-01T00:00:00.000000")
    for file in generate(tmp_path, months=2):
        name = file.relative_to(tmp_path).as_posix()
        if file.suffix in (".feather", ".parquet"):
            read = pd.read_feather if file.suffix == ".feather" else pd.read_parquet
            short, long = read(file), read(sample_raw / name)
            pd.testing.assert_frame_equal(short, long.iloc[: len(short)], check_exact=True)
        elif file.suffix == ".csv" and name not in looking_back | placed_by_start:
            short_lines, long_lines = (
                [line for line in (raw / name).read_text().splitlines() if not line.startswith("#")]
                for raw in (tmp_path, sample_raw)
            )
            assert [line.replace(*written_at) for line in short_lines] == long_lines[: len(short_lines)], name
            assert len(short_lines) < len(long_lines), name


def test_a_further_asset_adds_its_files_and_changes_no_other(tmp_path: Path) -> None:
    two = digests(generate(tmp_path / "two", months=1), tmp_path / "two")
    three = digests(generate(tmp_path / "three", months=1, assets=("BTC", "ETH", "SOL")), tmp_path / "three")
    assert {name for name in two if two[name] != three[name]} == {"README.md"}
    assert three.keys() - two.keys() == {
        "cex/spot/binance_SOLUSDT_spot_1h.csv",
        "cex/spot/bybit_SOLUSDT_spot_1h.csv",
        *(f"cex/perp/{venue}_SOLUSDT_perp_1h.csv" for venue in ("binance", "bybit")),
        *(f"cex/mark/{venue}_SOLUSDT_mark_1h.feather" for venue in ("binance", "bybit")),
        *(f"cex/funding/{venue}_SOLUSDT_funding_8h.csv" for venue in ("binance", "bybit")),
    }


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"first_month": "2024-13"}, "2024-13"),
        ({"months": 0}, "months 0"),
        ({"seed": -1}, "seed -1"),
        ({"assets": ()}, "assets"),
        ({"assets": ("BTC", "BTC")}, "BTC"),
        ({"assets": ("../BTC",)}, r"\.\./BTC"),
    ],
)
def test_arguments_out_of_range_are_refused_and_named(arguments: dict[str, object], named: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=named):
        generate(tmp_path, **arguments)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
