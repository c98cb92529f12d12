"""Where on a chain everything is: contracts by the names the configuration uses for venues and tokens."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class LenderKind(StrEnum):
    """Whose flash loan: Morpho Blue (free) or Aave's flashLoanSimple (the pool's premium)."""

    MORPHO = "morpho"
    AAVE = "aave"


class StakingKind(StrEnum):
    """How ETH becomes the staked token, and which function tells its ratio."""

    ETHERFI = "etherfi"
    LIDO = "lido"


class Token(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    address: str
    decimals: int = 18


class Reserve(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A token at the lending pool; without a debt token it is never borrowed."""

    a_token: str
    debt_token: str = ""


class Lending(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An Aave V3 market.

    Attributes:
        venue: its name in the configuration.
        reserves: by token.
        emode: category the account is in while it borrows; 0 for none.
        heartbeats: by token, seconds within which its price source (a Chainlink aggregator) updates; a token that is
            not named has a source that does not tell, and is taken as it is.
    """

    venue: str
    pool: str
    oracle: str
    reserves: dict[str, Reserve]
    emode: int = 0
    heartbeats: dict[str, float] = {}


class Queue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An issuer's redemption queue.

    Attributes:
        requests: takes redemptions down: Lido's queue, EtherFi's liquidity pool.
        receipts: keeps them, as tokens (ERC721), and pays them: Lido's queue again, EtherFi's withdraw request NFT.
    """

    requests: str
    receipts: str


class Staking(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`mint` takes ETH and gives `token` back in the same call: EtherFi's deposit adapter, Lido's wrapper itself."""

    kind: StakingKind
    token: str
    mint: str
    queue: Queue | None = None


class Pool(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A Uniswap V3 pool of a token against WETH; `fee` in hundredths of a basis point."""

    router: str
    address: str
    fee: int


class Lender(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kind: LenderKind
    address: str


class Deployment(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One chain.

    Attributes:
        network: how exchanges spell this chain, in the client library's words; funds are moved on no other.
        confirmations: blocks, the transaction's own included, after which an outcome is final.
        executor: our contract; it holds every position but the ETH of its owner, which pays the gas.
        weth: wrapped ETH, the same thing as ETH in the book of a mode that does not declare it.
        tokens: by symbol, WETH not among them.
        staking: by venue.
        pools: by venue, then by the token that is sold there for WETH.
    """

    chain_id: int
    executor: str
    weth: str
    tokens: dict[str, Token]
    lender: Lender
    lending: Lending | None = None
    staking: dict[str, Staking] = {}
    pools: dict[str, dict[str, Pool]] = {}
    network: str = "ERC20"
    confirmations: int = 2

    def token(self, symbol: str) -> Token:
        """ETH and WETH are both the wrapped token: positions hold no other."""
        return Token(self.weth) if symbol in {"ETH", "WETH"} else self.tokens[symbol]
