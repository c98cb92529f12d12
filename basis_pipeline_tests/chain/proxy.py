"""A node behind a provider that loses answers, forgets transactions or serves an old block."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from basis_pipeline.venues.live.chain import Chain
from basis_pipeline_tests.chain.anvil import PATIENCE_SECONDS, Node
from basis_pipeline_tests.fakes.server import FakeServer, Phase, Reply, Request


@dataclass
class RpcFault:
    """What goes wrong with the next `times` requests.

    Attributes:
        method: of the request; empty for any.
        phase: whether the node has seen it.
        reply: what the client gets instead.
        distorts: (question, answer) -> what the client gets; the node has seen the request then.
        to: only calls of this contract; empty for any.
    """

    method: str = ""
    phase: Phase = "before"
    reply: Reply = field(default_factory=lambda: Reply(502, "bad gateway"))
    times: int = 1
    distorts: Callable[[Any, dict[str, Any]], dict[str, Any]] | None = None
    to: str = ""

    def fits(self, question: Any) -> bool:
        if self.method and question["method"] != self.method:
            return False
        return not self.to or self.to.lower() in str(question["params"][:1]).lower()


@dataclass
class ProxySkin:
    """Hands requests on to the node.

    Attributes:
        lost: (method, phase): the next such request gets a gateway error, before or after the node has seen it.
        swallowed: methods answered with `swallowed[method]` and never handed on.
        faults: strike in their order.
        asked: methods in the order in which they came.
    """

    node: Node
    lost: list[tuple[str, Phase]] = field(default_factory=list)
    swallowed: dict[str, Any] = field(default_factory=dict)
    faults: list[RpcFault] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._chain = Chain(self.node.url, timeout=PATIENCE_SECONDS)

    def answer(self, request: Request) -> Reply:
        question = json.loads(request.body)
        method = question["method"]
        self.asked.append(method)
        if (method, "before") in self.lost:
            self.lost.remove((method, "before"))
            return Reply(502, "bad gateway")
        if method in self.swallowed:
            return Reply(200, {"jsonrpc": "2.0", "id": question["id"], "result": self.swallowed[method]})
        fault = next((fault for fault in self.faults if fault.fits(question)), None)
        if fault is not None:
            self._count(fault)
            if fault.phase == "before" and fault.distorts is None:
                return fault.reply
        answer = dict(self._chain._provider.make_request(method, question["params"]))
        if method == "eth_sendRawTransaction" and "result" in answer and self.node.makes_blocks:
            self.node.mined(answer["result"])  # the next block is the clock's: how many there are is never a race
        if fault is not None:
            return Reply(200, fault.distorts(question, answer)) if fault.distorts else fault.reply
        if (method, "after") in self.lost:
            self.lost.remove((method, "after"))
            return Reply(502, "bad gateway")
        return Reply(200, answer)

    def _count(self, fault: RpcFault) -> None:
        fault.times -= 1
        if not fault.times:
            self.faults.remove(fault)


@contextmanager
def proxied(node: Node) -> Iterator[tuple[str, ProxySkin]]:
    """URL of the provider, and what it does wrong."""
    skin = ProxySkin(node)
    with FakeServer(skin) as server:
        yield server.url, skin
