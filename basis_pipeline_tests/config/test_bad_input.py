"""Every mistake a person can type gives one ConfigError that names the file, the key, and what would be right (R78)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from basis_pipeline.config.environment import read_environment
from basis_pipeline.config.loading import ConfigFolder, parse_overrides
from basis_pipeline.config.variables import check_names
from basis_pipeline.domain.errors import ConfigError
from basis_pipeline_tests.builders import CONFIGS, wired

BASIS, LENDING, STACK, MODEL = "btc_basis", "pure_lending_usdt", "eth_leveraged", "ml_btc_directional_usdt_margin"

MISTAKES: list[tuple[str, str, dict[str, Any], str]] = [
    ("unknown key", BASIS, {"inital_capital": 1}, r"btc_basis\.yaml: unknown key 'inital_capital' .*initial_capital"),
    ("unknown nested key", BASIS, {"margin_ratio.wran": 0.3}, r"unknown key 'margin_ratio.wran' \(did you mean warn"),
    ("unknown strategy key", BASIS, {"strategy.spot_fration": 0.5}, r"'strategy.spot_fration' .*spot_fraction"),
    ("of another shape", STACK, {"strategy.target_ltw": 0.5}, r"unknown key 'strategy.target_ltw' \(.*target_ltv\?"),
    ("of a model", MODEL, {"strategy.signal_treshold": 1}, r"key 'strategy.signal_treshold' \(.*signal_threshold\?"),
    (
        "unknown key of a venue",
        BASIS,
        {"venues.binance.spot.taker_fee": 1},
        r"venues/binance\.yaml: unknown key 'spot.taker_fee' \(did you mean taker_fee_bp",
    ),
    ("text for a number", BASIS, {"initial_capital": "a lot"}, r"btc_basis\.yaml: key 'initial_capital': .*'a lot'"),
    ("text for a fee", BASIS, {"venues.binance.spot.taker_fee_bp": "ten"}, r"binance\.yaml: key 'spot.taker_fee_bp'"),
    ("negative capital", BASIS, {"initial_capital": -5}, r"key 'initial_capital': .*greater than 0, got -5"),
    ("no capital", BASIS, {"initial_capital": 0}, r"key 'initial_capital'"),
    ("capital that is no number", BASIS, {"initial_capital": float("nan")}, r"key 'initial_capital': .*finite"),
    ("infinite capital", BASIS, {"initial_capital": float("inf")}, r"key 'initial_capital': .*finite"),
    ("floor that is no number", BASIS, {"funding_floor_apr": float("nan")}, r"key 'funding_floor_apr': .*finite"),
    ("weights", BASIS, {"strategy.hedge_allocation": {"binance": 0.6, "bybit": 0.5}}, r"hedge_allocation sums to 1\.1"),
    ("no weights", BASIS, {"strategy.hedge_allocation": {}}, r"key 'strategy.hedge_allocation'"),
    ("unknown venue", BASIS, {"strategy.hedge_allocation": {"binanse": 1.0}}, r"no file binanse\.yaml .*mean binance"),
    ("unknown spot venue", BASIS, {"strategy.spot_venue": "bibyt"}, r"no file bibyt\.yaml .*did you mean bybit"),
    ("spot in the wallet", BASIS, {"strategy.spot_venue": "wallet"}, r"btc_basis\.yaml: .*need exchanges, not wallet"),
    ("shorts at a lender", BASIS, {"strategy.hedge_allocation": {"aave_v3": 1.0}}, r"aave_v3\.yaml has no instrument"),
    ("override of an unused venue", BASIS, {"venues.okx.transfer_fee_usdt": 3}, r"`venues` overrides okx"),
    ("emergency above derisk", BASIS, {"margin_ratio.emergency": 0.22}, r"emergency = 0\.22 must be below .*derisk"),
    (
        "derisk above warn",
        BASIS,
        {"margin_ratio.derisk": 0.3},
        r"derisk = 0\.3 must be below margin_ratio.warn = 0\.25",
    ),
    (
        "warn above the sized ratio",
        BASIS,
        {"strategy.spot_fraction": 0.85},
        r"warn = 0\.25 must be below \(1 - spot_fr",
    ),
    (
        "relever below the sized ratio",
        BASIS,
        {"margin_ratio.relever": 0.4},
        r"must be below margin_ratio.relever = 0\.4",
    ),
    (
        "emergency below initial margin",
        BASIS,
        {"margin_ratio.emergency": 0.09},
        r"below the initial margin 0\.1 of bin",
    ),
    (
        "no room to act",
        BASIS,
        {"margin_ratio.derisk": 0.121},
        r"after a move of 7\.3% .* is 0\.0447, not above .*0\.05",
    ),
    (
        "no room with a late transfer",
        BASIS,
        {"venues.wallet.transfer_latency_bars": 1, "margin_ratio.derisk": 0.148},
        r"after a move of 9\.4%",
    ),
    (
        "no room with a transfer of a day",
        BASIS,
        {"venues.wallet.transfer_latency_bars": 24, "margin_ratio.derisk": 0.21},
        r"after a move of 33\.2% ",  # 9.4% x sqrt(25 / 2)
    ),
    (
        "maintenance above initial",
        BASIS,
        {"venues.bybit.margin.maintenance": 0.2},
        r"bybit\.yaml: key 'margin': .*below",
    ),
    ("delta limits", BASIS, {"delta.warn": 0.03}, r"btc_basis\.yaml: delta needs warn < rebalance < breach"),
    ("an asset without lines", BASIS, {"asset": "DOGE"}, r"binance\.yaml has no instrument 'binance:BaseToken:DOGE'"),
    ("largest move of a new asset", BASIS, {"asset": "SOL"}, r"largest move of SOL .*state strategy\.largest_move"),
    ("name of the mode", BASIS, {"mode": "other"}, r"key `mode` says 'other', the file is named 'btc_basis'"),
    ("no shape", BASIS, {"strategy": {}}, r"btc_basis\.yaml: key 'strategy': .*'shape'"),
    ("unknown shape", BASIS, {"strategy.shape": "basiss"}, r"key 'strategy': .*'basiss'.*'lending', 'basis'"),
    ("zero in a fraction", BASIS, {"strategy.spot_fraction": "2/0"}, r"key 'strategy.spot_fraction': divides by zero"),
    ("no fraction", BASIS, {"strategy.spot_fraction": "a/b"}, r"key 'strategy.spot_fraction': .*'a/b'"),
    ("everything in spot", BASIS, {"strategy.spot_fraction": 1.0}, r"key 'strategy.spot_fraction': .*less than 1"),
    ("a month", BASIS, {"opening_month": "2024-13"}, r"btc_basis\.yaml: key 'opening_month': .*YYYY-MM"),
    ("a month as a number", BASIS, {"opening_month": 2024}, r"btc_basis\.yaml: key 'opening_month': should be a text"),
    (
        "a position key",
        BASIS,
        {"component_config.position_monitor.position_subscriptions": ["foo"]},
        r"btc_basis\.yaml: key '.*position_subscriptions\.0': .*venue:position_type:symbol",
    ),
    (
        "a position type",
        BASIS,
        {"component_config.position_monitor.position_subscriptions": ["wallet:Coin:BTC"]},
        r"unknown type 'Coin' \(use one of BaseToken",
    ),
    (
        "a number for a key",
        BASIS,
        {"component_config.position_monitor.position_subscriptions": [5]},
        r"position_subscriptions\.0': should be a text, got 5",
    ),
    ("risk type", BASIS, {"component_config.risk_monitor.enabled_risk_types": ["delta"]}, r"enabled_risk_types\.0"),
    ("tracked asset", BASIS, {"component_config.exposure_monitor.track_assets": ["ETH"]}, r"track_assets names ETH"),
    (
        "reference price",
        BASIS,
        {"reference_price": {"BTCC": "binance"}},
        r"reference_price names BTCC.*choose from BTC",
    ),
    ("share class that does not exist", BASIS, {"share_class": "XRP"}, r"key 'share_class': .*'USDT', 'ETH' or 'BTC'"),
    ("share class of a basis mode", BASIS, {"share_class": "BTC"}, r"share_class BTC does not fit .*share_class: USDT"),
    ("share class of a lending mode", LENDING, {"share_class": "ETH"}, r"pure_lending_usdt\.yaml: share_class ETH"),
    ("lending venue", LENDING, {"strategy.lending_venue": "aave"}, r"no file aave\.yaml .*did you mean aave_v3"),
    ("token", LENDING, {"strategy.token": "DAI"}, r"wallet\.yaml has no instrument 'wallet:BaseToken:DAI'"),
    (
        "a flow without zone",
        BASIS,
        {"flows": [{"at": "2024-01-01T00:00:00", "amount": 5}]},
        r"flows\.0': .*no time zone",
    ),
    (
        "slippage at no size",
        BASIS,
        {"venues.binance.spot.slippage_bp": {0: 1}},
        r"binance\.yaml: key 'spot.slippage_bp",
    ),
    ("a key below a value", BASIS, {"mode.foo": 1}, r"override 'mode.foo': mode holds a value, not keys"),
    ("bars finer than the data", BASIS, {"step": "5min"}, r"coarser than the step of 300 s"),
]


@pytest.mark.parametrize(("mode", "overrides", "says"), [m[1:] for m in MISTAKES], ids=[m[0] for m in MISTAKES])
def test_a_mistake_is_named_with_file_key_and_remedy(mode: str, overrides: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        wired(mode, overrides)
    assert "\n" not in str(caught.value), "one line for a person to read"


def write(configs: Path, name: str, old: str, new: str) -> None:
    file = configs / name
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


FILES = [
    (
        "unreadable YAML",
        "modes/btc_basis.yaml",
        "mode: btc_basis",
        "mode: [btc_basis",
        r"btc_basis\.yaml is not readable",
    ),
    ("a key twice", "modes/btc_basis.yaml", "asset: BTC", "asset: BTC\nasset: ETH", r"key 'asset' is there twice"),
    ("a venue twice", "modes/btc_basis.yaml", "bybit: 0.4", "binance: 0.4", r"key 'binance' is there twice"),
    ("a missing key", "modes/btc_basis.yaml", "asset: BTC", "", r"btc_basis\.yaml: key 'asset': Field required"),
    (
        "an unknown key of a venue",
        "venues/bybit.yaml",
        "kind: cex",
        "kind: cex\nleverage: 5",
        r"unknown key 'leverage'",
    ),
    (
        "a venue under another name",
        "venues/bybit.yaml",
        "name: bybit",
        "name: okx",
        r"bybit\.yaml: key `name` says 'okx'",
    ),
    ("an instrument of another venue", "venues/bybit.yaml", "bybit:BaseToken:BTC", "okx:BaseToken:BTC", r"okx:BaseTok"),
    ("an instrument twice", "venues/bybit.yaml", "bybit:BaseToken:ETH", "bybit:BaseToken:BTC", r"BTC more than once"),
    ("perps without margin", "venues/bybit.yaml", "margin: {", "# margin: {", r"bybit\.yaml has perps but no `margin`"),
    ("a perp without token", "venues/bybit.yaml", 'BTCUSDT", token: BTC', 'BTCUSDT"', r"bybit\.yaml: .*needs `token`"),
    (
        "spot in coarser lots than perps",
        "venues/binance.yaml",
        'BTC", lot: 0.00001',
        'BTC", lot: 0.01',
        r"lot 0\.001 of BTCUSDT at binance is no multiple of the spot lot 0\.01",
    ),
]


@pytest.mark.parametrize(("name", "old", "new", "says"), [f[1:] for f in FILES], ids=[f[0] for f in FILES])
def test_a_mistake_in_a_file_is_named(name: str, old: str, new: str, says: str, configs: Path) -> None:
    write(configs, name, old, new)
    with pytest.raises(ConfigError, match=says) as caught:
        wired(BASIS, configs=configs)
    assert "\n" not in str(caught.value)


def test_a_mode_without_a_file_names_the_nearest_one() -> None:
    with pytest.raises(ConfigError, match=r"no file btc_bases\.yaml .*did you mean btc_basis"):
        wired("btc_bases")


def test_bytes_that_are_no_text_are_a_config_error(configs: Path) -> None:
    (configs / "modes/btc_basis.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"btc_basis\.yaml is not readable"):
        wired(BASIS, configs=configs)


def test_a_file_that_is_a_list_is_a_config_error(configs: Path) -> None:
    (configs / "modes/btc_basis.yaml").write_text("- btc_basis\n")
    with pytest.raises(ConfigError, match=r"btc_basis\.yaml is not a map"):
        wired(BASIS, configs=configs)


def test_a_folder_without_modes_names_the_variable_to_set(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="BASIS_CONFIG_DIR"):
        ConfigFolder(tmp_path)


@pytest.mark.parametrize("text", ["novalue", "=5", " =5", "a=[1"])
def test_an_override_that_is_no_pair_is_a_config_error(text: str) -> None:
    with pytest.raises(ConfigError, match="override"):
        parse_overrides([text])


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"BASIS_DATA_DIRECTORY": "x"}, "BASIS_DATA_DIRECTORY is not known.*did you mean BASIS_DATA_DIR"),
        ({"BASIS_FOO": "x"}, "BASIS_FOO is not known"),
        ({"BASIS_ENVIRONMENT": "production"}, "BASIS_ENVIRONMENT='production' is not one of dev, staging, prod"),
        ({"BASIS_EXECUTION_MODE": "paper"}, "BASIS_EXECUTION_MODE='paper'"),
        ({"BASIS_LOG_LEVEL": "INFO"}, "BASIS_LOG_LEVEL is not known"),
        ({"BASIS_LIVE_TRADING__ENABLE": "true"}, r"did you mean BASIS_LIVE_TRADING__ENABLED\?"),
        ({"BASIS_LIVE_TRADING__ENDPOINT_BINANC": "x"}, r"did you mean BASIS_LIVE_TRADING__ENDPOINT_BINANCE\?"),
        ({"BASIS_LIVE_TRADING__CIRCUIT_BREAKER_ENABLED": "false"}, "cannot be switched off"),
        ({"BASIS_LIVE_TRADE__ENABLED": "true"}, r"did you mean BASIS_LIVE_TRADING__ENABLED\?"),
        ({"BASIS_LIVE_TRADING_READ_ONLY": "true"}, r"did you mean BASIS_LIVE_TRADING__READ_ONLY\?"),
        (
            {"BASIS_STAGING__CEX__BINANCE_SPOT_API_KY": "s3cr3t"},
            r"did you mean BASIS_STAGING__CEX__BINANCE_SPOT_API_KEY\?",
        ),
        ({"BASIS_STAGIN__CEX__OKX_PASSPHRASE": "s3cr3t"}, r"did you mean BASIS_STAGING__CEX__OKX_PASSPHRASE\?"),
        ({"BASIS_PROD__ALCHEMY__PRIVATEKEY": "s3cr3t"}, r"did you mean BASIS_PROD__ALCHEMY__PRIVATE_KEY\?"),
        ({"BASIS_PROD__CEX__KRAKEN": "s3cr3t"}, "known are BASIS_PROD__CEX__BINANCE_SPOT_API_KEY, "),
    ],
)
def test_an_unknown_or_wrong_variable_is_a_config_error(variables: dict[str, str], says: str) -> None:  # R80
    with pytest.raises(ConfigError, match=says) as refusal:
        read_environment(variables)
    assert "s3cr3t" not in str(refusal.value)


def test_every_variable_of_the_guides_is_known() -> None:
    pages = "".join(page.read_text() for page in (CONFIGS.parent / "docs").rglob("*.md"))
    written = {f"BASIS_{end}" for end in re.findall(r"\bBASIS_([A-Z][A-Z_]+[A-Z])\b(?!\*)", pages)}
    assert len(written) > 15
    check_names(written)


def test_variables_of_other_environments_and_without_a_value_are_known() -> None:
    names = ("BASIS_PROD__CEX__BYBIT_SECRET", "BASIS_DEV__ALCHEMY__NETWORK", "BASIS_STAGING__CEX__OKX_API_KEY")
    assert read_environment(dict.fromkeys(names, "")).environment == "dev"


def test_known_variables_are_read_and_foreign_ones_ignored() -> None:
    found = read_environment({"BASIS_ENVIRONMENT": "staging", "BASIS_DATA_DIR": "d", "PATH": "/bin", "BASIS_ML_X": "t"})
    assert (found.environment, str(found.data_dir), found.execution_mode) == ("staging", "d", "backtest")
