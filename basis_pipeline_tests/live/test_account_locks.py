"""One session per account: whichever mode, data root or key it comes with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from basis_pipeline.domain.errors import StorageError
from basis_pipeline.runs.live.lock import account_locks
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline_tests.builders import CONFIGS
from basis_pipeline_tests.fakes.accounts import EXCHANGES, KEY, KEYS, Account, account
from basis_pipeline_tests.live.process import Drill, drill, wait_for


@pytest.fixture(params=EXCHANGES)
def at(request: pytest.FixtureRequest) -> Iterator[Account]:
    with account(request.param) as made:
        yield made


def identities(made: Account) -> dict[str, tuple[str, ...]]:
    return {made.name: made.exchange().identities()}


def test_an_account_has_one_name_whichever_key_asks_and_no_other_account_has_it(
    at: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = identities(at)
    renewed = {field: "renewed-key" if "key" in field else value for field, value in KEYS[at.name].items()}
    monkeypatch.setitem(KEYS, at.name, renewed)
    at.skin._api_key = "renewed-key"
    assert identities(at) == ours
    with account(at.name) as other:
        other.skin._api_key = "renewed-key"
        assert not set(identities(other)[at.name]) & set(ours[at.name])


def test_a_second_session_is_refused_from_the_same_and_from_another_data_root(at: Account, tmp_path: Path) -> None:
    one, two = Workspace(tmp_path / "one", CONFIGS), Workspace(tmp_path / "two", CONFIGS)
    with account_locks(one, identities(at), production=True):
        for root in (one, two):
            with pytest.raises(StorageError) as refusal, account_locks(root, identities(at), production=True):
                pass
            assert refusal.value.code == "STORE-002"
            assert f"a live session on this account at {at.name} is already running" in refusal.value.message
            assert at.books.uid not in str(refusal.value) and KEY not in str(refusal.value)
        with account_locks(two, identities(at), production=False):
            """Its demo is another account."""
    with account_locks(two, identities(at), production=True):
        """It is free again."""
    names = [file.name for file in (tmp_path / "one" / "locks").iterdir()]
    assert names and not [name for name in names if at.books.uid in name]


def test_a_data_root_that_machines_share_has_the_lock_too(
    at: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another machine has another state folder."""
    root = Workspace(tmp_path / "root", CONFIGS)
    with account_locks(root, identities(at), production=True):
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another machine"))
        with pytest.raises(StorageError, match="already running"), account_locks(root, identities(at), production=True):
            pass


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Drill]:
    with drill(tmp_path) as made:
        yield made


@pytest.mark.slow
@pytest.mark.parametrize("other", ["mode", "data root"])
def test_two_commands_on_one_account(there: Drill, other: str, tmp_path: Path) -> None:
    """The second one ends with one line; the first one goes on."""
    there.books.list_coin("ETH", 2_500.0)
    first = there.start()
    wait_for(lambda: len(there.books.orders) == 2, first)
    if other == "data root":
        there.root = tmp_path / "another"
    code, said = there.finish(there.start(mode="eth_basis" if other == "mode" else "btc_basis"))
    (line,) = [line for line in said.splitlines() if line.startswith("error")]
    assert code == 1 and line.startswith(
        "error [STORE-002] a live session on this account at binance is already running"
    )
    assert there.books.uid not in said
    assert first.poll() is None and len(there.books.orders) == 2
    first.terminate()
    assert there.finish(first)[0] == 0
