"""Neither the wallet's key, the node's key nor a signed transaction is written anywhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from basis_pipeline.domain.errors import VenueRefusal, VenueSilence
from basis_pipeline.domain.orders import HandshakeStatus, Operation
from basis_pipeline.venues.live.chain import Chain
from basis_pipeline_tests.chain.bench import KEY, bench, order
from basis_pipeline_tests.chain.market import Market
from basis_pipeline_tests.chain.proxy import ProxySkin, RpcFault
from basis_pipeline_tests.fakes.server import FakeServer, Reply
from basis_pipeline_tests.ports import free_port
from basis_pipeline_tests.venues.contract import ETH, LST

NODE_KEY = "v2-key-of-a-node-8237429"


def test_the_journal_and_the_errors_have_no_key_and_no_signed_transaction(market: Market, tmp_path: Path) -> None:
    with FakeServer(ProxySkin(market.node)) as server:
        there = bench(market, tmp_path / "journal.sqlite", url=f"{server.url}/v2/{NODE_KEY}")
        what = order(Operation.STAKE, "etherfi", (ETH, LST), 5.0)
        answer = there.venues["etherfi"].execute(what, there.held(), there.feed.at(there.clock.wall()))
        asked = [json.loads(request.body) for request in server.log]
    assert answer.status is HandshakeStatus.CONFIRMED, answer.error_message
    (raw,) = [str(question["params"][0]) for question in asked if question["method"] == "eth_sendRawTransaction"]
    with pytest.raises(VenueSilence) as silence:
        Chain(f"http://reader:{NODE_KEY}@127.0.0.1:{(port := free_port())}/v2/{NODE_KEY}").head()
    assert f"the node at 127.0.0.1:{port} gave no usable answer" in str(silence.value)
    there.journal.close()
    texts = [file.read_bytes().decode("latin-1") for file in tmp_path.iterdir()]
    texts += [repr(answer), repr(silence.value), str(silence.value), repr(there.account), repr(there.chain)]
    secrets = (KEY.removeprefix("0x"), bytes.fromhex(KEY.removeprefix("0x")).decode("latin-1"), NODE_KEY)
    for secret in (*secrets, raw, raw.removeprefix("0x"), raw[-64:], bytes.fromhex(raw[2:]).decode("latin-1")):
        assert not [text for text in texts if secret in text]


def test_what_a_node_repeats_of_its_own_key_is_left_out(market: Market) -> None:
    """With HTTP 400, as some providers refuse; the log, the journal and alerts quote what a node says."""
    said = {"jsonrpc": "2.0", "id": 1, "error": {"code": -32600, "message": f"no app {NODE_KEY} here"}}
    skin = ProxySkin(market.node, faults=[RpcFault(reply=Reply(400, said))])
    with FakeServer(skin) as server, pytest.raises(VenueRefusal, match=r"refused eth_chainId: no app \*\*\* here"):
        Chain(f"{server.url}/v2/{NODE_KEY}").chain_id()
