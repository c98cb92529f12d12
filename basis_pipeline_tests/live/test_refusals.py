"""Every reason not to start is one line with a code and a remedy, the right exit code, no traceback and no secret.

The real command, as a process of its own. 1: a person has to look; 2: configuration; 3: start it again.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from basis_pipeline.live_journal.journal import LiveJournal
from basis_pipeline_tests.builders import CONFIGS
from basis_pipeline_tests.live.process import KEY, SECRET, Drill, drill, wait_for

pytestmark = pytest.mark.slow
PRIVATE_KEY, RPC_KEY = "5c" * 32, "v2-key-of-a-node-8237429"
SILENT = "127.0.0.1:9"
NOBODY = f"http://{SILENT}"
STACK = "eth_leveraged"
EXECUTOR = "0x6B175474E89094C44Da98b954EedeAC495271d0F"
"""An address with the capitals that are its checksum."""
WRONG = "wr0ng-secret-0123456789"
SECRETS = (KEY, SECRET, PRIVATE_KEY, RPC_KEY, WRONG)


@dataclass(frozen=True)
class Case:
    """What is wrong, and what the one line says; a variable set to None is taken away."""

    code: int
    reason: str
    variables: dict[str, str | None] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    mode: str = "btc_basis"
    before: Callable[[Drill], None] = lambda there: None
    asks: bool = False


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Drill]:
    with drill(tmp_path) as made:
        yield made


def wallet(url: str, key: str = "0x" + PRIVATE_KEY, executor: str = "0x" + "11" * 20) -> dict[str, str | None]:
    prefix = "BASIS_STAGING__ALCHEMY__"
    return {f"{prefix}RPC_URL": url, f"{prefix}PRIVATE_KEY": key, f"{prefix}EXECUTOR_ADDRESS": executor}


def keys_of(environment: str) -> dict[str, str | None]:
    ends = {"API_KEY": KEY, "SECRET": SECRET}
    return {
        f"BASIS_{environment}__CEX__BINANCE_{wallet}_{end}": value
        for wallet in ("SPOT", "FUTURES")
        for end, value in ends.items()
    }


def hidden(module: str) -> Callable[[Drill], None]:
    """An interpreter without that package."""

    def hide(there: Drill) -> None:
        body = f"import sys\nsys.modules[{module!r}] = None\n"
        (there.root / "shadow").mkdir()
        (there.root / "shadow" / "sitecustomize.py").write_text(body)
        there.variables["PYTHONPATH"] = f"{there.root / 'shadow'}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"

    return hide


def journal(belongs_to: str = "btc_basis@staging") -> Callable[[Drill], None]:
    def write(there: Drill) -> None:
        LiveJournal.open(there.journal, belongs_to=belongs_to, now=lambda: 1).close()

    return write


def newer(there: Drill) -> None:
    journal()(there)
    connection = sqlite3.connect(there.journal)
    connection.execute("update about set value = '99' where key = 'schema_version'")
    connection.commit()
    connection.close()


def garbage(there: Drill) -> None:
    there.journal.parent.mkdir(parents=True)
    there.journal.write_bytes(b"this is no journal " * 100)


def told_by_webhook(there: Drill) -> None:
    shutil.copytree(CONFIGS, there.root / "configs")
    (there.root / "configs" / "notifications.yaml").write_text("channels:\n  - {kind: webhook}\n")
    there.variables["BASIS_CONFIG_DIR"] = str(there.root / "configs")


def root_is_a_file(there: Drill) -> None:
    (there.root / "file").write_text("")
    there.variables["BASIS_DATA_DIR"] = str(there.root / "file")


LIVE, CREDENTIALS, KEYS = "BASIS_LIVE_TRADING__", "BASIS_STAGING__CEX__BINANCE_", keys_of("STAGING")
SEED = "--seed-from-backtest"
PRODUCTION_HOSTS = (
    "https://api.binance.com",
    "https://fapi.binance.com",
    "https://api.bybit.com",
    "https://www.okx.com",
)
CASES = {
    "not enabled": Case(2, "live trading is not enabled", {f"{LIVE}ENABLED": None}),
    "switched off": Case(2, "live trading is not enabled", {f"{LIVE}ENABLED": "false"}),
    "no credentials": Case(2, f"{CREDENTIALS}SPOT_API_KEY, {CREDENTIALS}SPOT_SECRET", dict.fromkeys(KEYS)),
    "one secret is missing": Case(2, f"missing: {CREDENTIALS}FUTURES_SECRET.", {f"{CREDENTIALS}FUTURES_SECRET": ""}),
    "credentials of another environment": Case(2, "BASIS_DEV__CEX__BINANCE", {"BASIS_ENVIRONMENT": "dev"}),
    "wrong secret": Case(
        1, "Signature for this request is not valid", {f"{CREDENTIALS}SPOT_SECRET": WRONG}, asks=True),
    "wrong key": Case(1, "Invalid API-key", {f"{CREDENTIALS}FUTURES_API_KEY": WRONG}, asks=True),
    "wrong key for spot": Case(1, "Invalid API-key", {f"{CREDENTIALS}SPOT_API_KEY": WRONG}, asks=True),
    "production credentials, test endpoint": Case(
        2, "production talks to binance itself", {"BASIS_ENVIRONMENT": "prod"} | keys_of("PROD")),
    "endpoint of another venue": Case(2, f"{LIVE}ENDPOINT_BINANC is not known", {f"{LIVE}ENDPOINT_BINANC": "x"}),
    "unknown environment": Case(2, "BASIS_ENVIRONMENT='production'", {"BASIS_ENVIRONMENT": "production"}),
    "unknown switch": Case(2, f"{LIVE}READONLY is not known", {f"{LIVE}READONLY": "false"}),
    "misspelt switch": Case(2, f"did you mean {LIVE}ENABLED?", {f"{LIVE}ENABLE": "true"}),
    "misspelt credential": Case(2, f"did you mean {CREDENTIALS}SPOT_API_KEY?", {f"{CREDENTIALS}SPOT_API_KY": WRONG}),
    "unknown variable": Case(2, "BASIS_LIVE_TRADE is not known", {"BASIS_LIVE_TRADE": "1"}),
    "switch that is no number": Case(2, "MAX_TRADE_SIZE_USD is 'lots'", {f"{LIVE}MAX_TRADE_SIZE_USD": "lots"}),
    "switch that is neither": Case(2, "READ_ONLY is 'no'", {f"{LIVE}READ_ONLY": "no"}),
    "infinite size": Case(2, "MAX_TRADE_SIZE_USD is 'inf'", {f"{LIVE}MAX_TRADE_SIZE_USD": "inf"}),
    "unknown mode": Case(2, "did you mean btc_basis?", mode="btc_bassis"),
    "a shape that is not carried": Case(2, "not shape directional", mode="ml_btc_directional_usdt_margin"),
    "no wallet": Case(2, "BASIS_STAGING__ALCHEMY__RPC_URL", mode="eth_leveraged"),
    "a node's address that is none": Case(2, "RPC_URL is no URL", wallet("wss://" + RPC_KEY), mode="eth_leveraged"),
    "a node that is down": Case(3, f"the node at {SILENT} gave no", wallet(f"http://{SILENT}/{RPC_KEY}"), mode=STACK),
    "an exchange that is down": Case(3, f"binance at {SILENT} gave no", {f"{LIVE}ENDPOINT_BINANCE": f"http://{SILENT}"}),
    "a key with a digit too few": Case(
        2, "CHAIN-002] BASIS_STAGING__ALCHEMY__PRIVATE_KEY is not 32", wallet(NOBODY, key="0x" + PRIVATE_KEY[1:]),
        mode=STACK),
    "a key that is none of the curve": Case(2, "PRIVATE_KEY is not 32", wallet(NOBODY, key="f" * 64), mode=STACK),
    "an executor with a digit too few": Case(
        2, f"EXECUTOR_ADDRESS '{EXECUTOR[:-1]}' is no 0x and 40", wallet(NOBODY, executor=EXECUTOR[:-1]), mode=STACK),
    "an executor with a wrong digit": Case(
        2, "EXECUTOR_ADDRESS '0x6B", wallet(NOBODY, executor=EXECUTOR.replace("9", "8")), mode=STACK),
    "nobody would hear its alerts": Case(
        2, "BASIS_NOTIFY_WEBHOOK_URL is not set", {"BASIS_NOTIFY_WEBHOOK_URL": None}, before=told_by_webhook),
    "no ccxt": Case(2, "live sessions need ccxt", before=hidden("ccxt")),
    "no web3": Case(2, "live sessions need web3", wallet(NOBODY), mode="eth_leveraged", before=hidden("web3")),
    "journal of another mode": Case(1, "is the journal of eth_basis@staging", before=journal("eth_basis@staging")),
    "journal of a newer schema": Case(1, "journal schema '99'", before=newer),
    "status of a newer schema": Case(1, "journal schema '99'", before=newer, options=("--status",)),
    "a journal that is none": Case(1, "file is not a database", before=garbage),
    "status of what is no journal": Case(1, "file is not a database", before=garbage, options=("--status",)),
    "status of nothing": Case(1, "was begun in BASIS_ENVIRONMENT staging.", options=("--status",)),
    "stop in the wrong environment": Case(
        1, "in BASIS_ENVIRONMENT dev, but in staging. Remedy: BASIS_ENVIRONMENT=staging", {"BASIS_ENVIRONMENT": "dev"},
        before=journal(), options=("--emergency-stop",)),
    "status of an unknown mode": Case(2, "did you mean btc_basis?", mode="btc_bassis", options=("--status",)),
    "an unknown mode, not enabled": Case(2, "did you mean btc_basis?", {f"{LIVE}ENABLED": None}, mode="btc_bassis"),
    "seed that is not there": Case(1, "basis backtest btc_basis --experiment none", options=(SEED, "none")),
    "no moment": Case(2, "'soon' is not a moment", options=("--until", "soon")),
    "a moment that has passed": Case(2, "has passed", options=("--until", "2024-01-01T00:00:00Z")),
    "a data root that is a file": Case(1, "cannot write", before=root_is_a_file),
    "a data root that cannot be written": Case(1, "cannot write", {"BASIS_DATA_DIR": "/proc/basis"}),
} | {
    f"{host} as the endpoint of staging": Case(
        2, "does not name a server on loopback", {f"{LIVE}ENDPOINT_{name}": host})
    for host, name in zip(PRODUCTION_HOSTS, ("BINANCE", "BINANCE", "BYBIT", "OKX"), strict=True)
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_each_reason_not_to_start_is_one_line(there: Drill, name: str) -> None:
    case = CASES[name]
    case.before(there)
    there.variables |= {key: "" if value is None else value for key, value in case.variables.items()}
    if any(value is None for value in case.variables.values()):
        there.without = frozenset(key for key, value in case.variables.items() if value is None)
    code, said = there.finish(there.start(*case.options, mode=case.mode))
    assert_refused(said, code, case.code, case.reason)
    assert there.books.orders == []
    assert case.asks or not [request for request in there.server.log if "sign" in request.query.lower()]


def assert_refused(said: str, code: int, expected: int, reason: str) -> None:
    errors = [line for line in said.splitlines() if line.startswith("error")]
    assert code == expected, said
    assert len(errors) == 1 and reason in errors[0], said
    assert errors[0].startswith("error [")
    assert len([line for line in said.splitlines() if reason in line and not line.startswith("{")]) == 1, said
    assert "Remedy: " in errors[0] or " is '" in errors[0] or "ENVIRONMENT=" in errors[0], errors[0]
    assert "Traceback" not in said
    assert not [secret for secret in SECRETS if secret in said]


def test_a_second_session_is_refused_and_the_first_goes_on(there: Drill) -> None:
    first = there.start()
    wait_for(lambda: len(there.books.orders) == 2, first)
    code, said = there.finish(there.start())
    assert_refused(said, code, 1, "already running")
    assert first.poll() is None
    first.terminate()
    assert there.finish(first)[0] == 0
    assert len(there.books.orders) == 2


def test_a_journal_of_another_configuration_is_refused_and_nothing_is_traded(there: Drill) -> None:
    first = there.start()
    wait_for(lambda: len(there.books.orders) == 2, first)
    first.terminate()
    assert there.finish(first)[0] == 0
    code, said = there.finish(there.start("--set", "initial_capital=50000"))
    assert_refused(said, code, 1, "these keys differ: initial_capital")
    assert "move the journal away" in said and "--reopen" not in said
    copied = there.journal.with_name("eth_basis.sqlite")
    shutil.copy(there.journal, copied)
    code, said = there.finish(there.start(mode="eth_basis"))
    assert_refused(said, code, 1, "is the journal of btc_basis@staging")
    assert len(there.books.orders) == 2
