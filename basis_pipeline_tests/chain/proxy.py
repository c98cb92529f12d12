"""A node behind a provider that loses answers, forgets transactions or serves an old block."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from basis_pipeline.venues.live.chain import Chain
from basis_pipeline_tests.chain.anvil import Node
from basis_pipeline_tests.fakes.server import FakeServer, Phase, Reply, Request


@dataclass
class ProxySkin:
    """Hands requests on to the node.

    Attributes:
        lost: (method, phase): the next such request gets a gateway error, before or after the node has seen it.
        swallowed: methods answered with `swallowed[method]` and never handed on.
        asked: methods in the order in which they came.
    """

    node: Node
    lost: list[tuple[str, Phase]] = field(default_factory=list)
    swallowed: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._chain = Chain(self.node.url)

    def answer(self, request: Request) -> Reply:
        question = json.loads(request.body)
        method = question["method"]
        self.asked.append(method)
        if (method, "before") in self.lost:
            self.lost.remove((method, "before"))
            return Reply(502, "bad gateway")
        if method in self.swallowed:
            return Reply(200, {"jsonrpc": "2.0", "id": question["id"], "result": self.swallowed[method]})
        answer = self._chain._provider.make_request(method, question["params"])
        if (method, "after") in self.lost:
            self.lost.remove((method, "after"))
            return Reply(502, "bad gateway")
        return Reply(200, dict(answer))


@contextmanager
def proxied(node: Node) -> Iterator[tuple[str, ProxySkin]]:
    """URL of the provider, and what it does wrong."""
    skin = ProxySkin(node)
    with FakeServer(skin) as server:
        yield server.url, skin
