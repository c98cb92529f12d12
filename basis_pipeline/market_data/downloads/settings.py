"""`configs/downloads.yaml`, typed: where data are fetched from, which series, and how politely."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

FILE = "downloads.yaml"
ExchangeDataset = Literal["spot_candles_1h", "perp_candles_1h", "perp_candles_5m", "mark_candles_1h", "funding_rates"]
Rate = Annotated[float, Field(gt=0, le=1000)]
Address = Annotated[str, Field(pattern=r"^0x[0-9a-fA-F]{40}$")]
Url = Annotated[str, Field(pattern=r"^https?://[^/\s]+")]
UsdtSymbol = Annotated[str, Field(pattern=r"^[A-Z0-9]+USDT$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Http(_Strict):
    """How requests are made, whoever answers them.

    Attributes:
        user_agent: what this client calls itself.
        timeout_seconds: of a connection, and between two pieces of an answer.
        attempts: how often one request is made at most.
        longest_wait_seconds: a server that asks for a longer pause than this ends the download of its series.
    """

    user_agent: Annotated[str, Field(min_length=1)]
    timeout_seconds: Annotated[float, Field(gt=0)]
    attempts: Annotated[int, Field(ge=1, le=20)]
    longest_wait_seconds: Annotated[float, Field(ge=0)]


class Exchange(_Strict):
    """An exchange that is asked through its API.

    Attributes:
        api_url: sends all of its requests to another host, such as a mirror; None: the exchange's own hosts.
        requests_per_second: on average, never more.
        page_bars: candles per request.
        page_settlements: funding settlements per request.
        funding_interval_hours: the interval of its settlements; another one in the data is an error.
        fetch: symbols by dataset.
    """

    api_url: Url | None = None
    requests_per_second: Rate
    page_bars: Annotated[int, Field(ge=2, le=1000)]
    page_settlements: Annotated[int, Field(ge=2, le=1000)]
    funding_interval_hours: Literal[1, 2, 4, 8] = 8
    fetch: dict[ExchangeDataset, tuple[UsdtSymbol, ...]] = Field(default_factory=dict)


class Binance(Exchange):
    """Binance: monthly and daily archives first, the API for what these do not have yet."""

    archive_url: Url
    archive_requests_per_second: Rate


class Ratio(_Strict):
    """A staked token's redemption ratio: from rebase events of its pool, or asked of the token at a block."""

    rebases_of: Address | None = None
    rate_of: Address | None = None


class Ethereum(_Strict):
    """A JSON-RPC endpoint; BASIS_RPC_URL, which may hold a key, comes before `rpc_url`.

    Attributes:
        rpc_url: an endpoint without a key.
        requests_per_second: on average, never more.
        blocks_per_request: widest range of blocks that is asked for events; it is halved where a node objects.
        pool: Aave v3 pool.
        oracle: Aave v3 oracle.
        reserves: addresses by token, for snapshots of the reserves.
        hourly_rates: tokens of `reserves` whose rates are wanted for every hour.
        usd_prices: tokens of `reserves` whose oracle price in USD is wanted.
        ratios: ETH per staked token, by token.
        gas: whether gas prices are sampled every hour.
    """

    rpc_url: Url | None = None
    requests_per_second: Rate
    blocks_per_request: Annotated[int, Field(ge=1)]
    pool: Address
    oracle: Address
    reserves: dict[str, Address] = Field(default_factory=dict)
    hourly_rates: tuple[str, ...] = ()
    usd_prices: tuple[str, ...] = ()
    ratios: dict[str, Ratio] = Field(default_factory=dict)
    gas: bool = False

    @model_validator(mode="after")
    def _known_tokens(self) -> Ethereum:
        if strange := sorted({*self.hourly_rates, *self.usd_prices} - set(self.reserves)):
            raise ValueError(f"hourly_rates and usd_prices need the address under reserves of {', '.join(strange)}")
        return self


class Downloads(_Strict):
    """All of the file.

    Attributes:
        enabled: whether schedules and the Dagster asset may download; the command always may.
        first_month: where a download without `--from` begins, YYYY-MM.
    """

    enabled: bool
    first_month: Annotated[str, Field(pattern=r"^\d{4}-(0[1-9]|1[0-2])$")]
    http: Http
    binance: Binance
    bybit: Exchange
    okx: Exchange
    ethereum: Ethereum
