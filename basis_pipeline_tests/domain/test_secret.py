"""Keys in addresses: what of a URL is left out of what others say."""

from __future__ import annotations

import pytest

from basis_pipeline.domain.secret import keys_in, without


@pytest.mark.parametrize(
    ("url", "keys"),
    [
        ("https://eth-mainnet.g.alchemy.com/v2/AbCdEfGhIjKl", ("AbCdEfGhIjKl",)),
        ("https://reader:passw0rd-long@node.example:8545/path?apikey=0123456789", ("passw0rd-long", "0123456789")),
        ("http://127.0.0.1:8545", ()),
        ("https://rpc.example?token=0123456789", ("0123456789",)),
    ],
)
def test_parts_of_a_url_that_may_be_keys(url: str, keys: tuple[str, ...]) -> None:
    assert keys_in(url) == keys


def test_keys_are_left_out_of_a_text_and_its_host_is_not() -> None:
    keys = keys_in("https://node.example/v3/0123456789")
    assert without(keys, "no project 0123456789 at node.example") == "no project *** at node.example"
