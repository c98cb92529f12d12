"""A whole market on a fresh chain: real Aave V3, Uniswap V3 and Morpho Blue; doubles of EtherFi, Lido and the tokens.

Aave and Uniswap are the bytecode their packages ship, Morpho Blue is compiled from its source. EtherFi and Lido ship
neither; `doubles/` has their production function names and no more.
"""

from __future__ import annotations

import math
from typing import Any

from basis_pipeline.venues.live.abi import MAX_UINT
from basis_pipeline.venues.live.contracts import executor_code
from basis_pipeline.venues.live.deployment import (
    Deployment,
    Lender,
    LenderKind,
    Lending,
    Pool,
    Reserve,
    Staking,
    StakingKind,
    Token,
)  # fmt: skip
from basis_pipeline_tests.chain.anvil import CHAIN_ID, HERE, MODULES, Node, artifact, compiled

AAVE = "@aave/core-v3/artifacts/contracts/"
ZERO = "0x" + "00" * 20
RAY = 10**27
ETHER = 10**18
ETH_PRICE = 2_500.0
WEETH_RATE = 1.04
EMODE = 1
REWARD_PRICES = {"EIGEN": 0.0005, "ETHFI": 0.0004}
"""ETH."""


class Market:
    """Contracts on `node`; `deployment` is what the software under test is told about them."""

    def __init__(self, node: Node, owner: str) -> None:
        self.node, self.owner = node, owner
        self.sent_before = 0
        doubles = compiled(HERE / "doubles/Doubles.sol")["contracts"]
        self.weth = node.deploy(artifact(AAVE + "dependencies/weth/WETH9.sol/WETH9.json")["bytecode"])
        self.weeth = node.deploy(doubles["WeETHDouble"], ("uint256",), round(WEETH_RATE * ETHER))
        self.usdt = node.deploy(doubles["TetherDouble"])
        self.rewards = {
            name: node.deploy(doubles["TokenDouble"], ("string", "uint8"), name, 18) for name in REWARD_PRICES
        }
        self.prices = {
            token: node.deploy(doubles["PriceDouble"], ("int256",), round(price * 1e8))
            for token, price in ((self.weth, ETH_PRICE), (self.weeth, ETH_PRICE * WEETH_RATE), (self.usdt, 1.0))
        }
        self._libraries: dict[str, str] = {}
        self._aave()
        self._uniswap()
        self.swap_pool = self.pool_of(self.weeth, WEETH_RATE, 500, 10)
        self.reward_pools = {
            name: self.pool_of(token, REWARD_PRICES[name], 3_000, 60) for name, token in self.rewards.items()
        }
        self.morpho = self._morpho()
        self.executor = node.deploy(executor_code(), ("address",), owner)
        self._lend_out()
        self.deployment = self._deployment()
        self._grow_old()

    def _grow_old(self) -> None:
        """Blocks after which a session can know what the pools usually say; gas costs what it did before."""
        fee = self.node.chain.block("latest").base_fee
        self.node.mine(100)
        self.node.chain.ask("anvil_setNextBlockBaseFeePerGas", hex(fee))
        self.node.mine()

    def set_eth_price(self, price: float) -> None:
        self.node.do(self.prices[self.weth], "set(int256)", round(price * 1e8))
        rate = self.node.chain.read(self.weeth, "getRate()", ("uint256",)) / ETHER
        self.node.do(self.prices[self.weeth], "set(int256)", round(price * rate * 1e8))

    def _aave(self) -> None:
        node, admin = self.node, self.node.admin
        provider = self._contract("protocol/configuration/PoolAddressesProvider", ("string", "address"), "test", admin)
        node.do(provider, "setACLAdmin(address)", admin)
        acl = self._contract("protocol/configuration/ACLManager", ("address",), provider)
        node.do(provider, "setACLManager(address)", acl)
        for role in ("addPoolAdmin", "addRiskAdmin", "addAssetListingAdmin"):
            node.do(acl, f"{role}(address)", admin)
        tokens = tuple(self.prices)
        types = ("address", "address[]", "address[]", "address", "address", "uint256")
        self.oracle = self._contract(
            "misc/AaveOracle", types, provider, tokens, tuple(self.prices.values()), ZERO, ZERO, 10**8
        )
        node.do(provider, "setPriceOracle(address)", self.oracle)
        node.do(provider, "setPoolImpl(address)", self._contract("protocol/pool/Pool", ("address",), provider))
        node.do(provider, "setPoolConfiguratorImpl(address)", self._contract("protocol/pool/PoolConfigurator"))
        self.pool = node.chain.read(provider, "getPool()", ("address",))
        self.configurator = node.chain.read(provider, "getPoolConfigurator()", ("address",))
        node.chain.read(self.pool, "ADDRESSES_PROVIDER()", ("address",))
        self._reserves(provider, tokens)

    def _reserves(self, provider: str, tokens: tuple[str, ...]) -> None:
        node, at = self.node, "protocol/tokenization/"
        a_token, stable, variable = (
            self._contract(at + name, ("address",), self.pool)
            for name in ("AToken", "StableDebtToken", "VariableDebtToken")
        )
        rates = (80 * RAY // 100, RAY // 100, 4 * RAY // 100, RAY, 0, 0, 0, 0, 0)
        strategy = self._contract(
            "protocol/pool/DefaultReserveInterestRateStrategy", ("address", *["uint256"] * 9), provider, *rates
        )
        inputs = [
            (a_token, stable, variable, 6 if token == self.usdt else 18, strategy, token, node.admin, ZERO,
             *["Aave test"] * 6, b"")
            for token in tokens
        ]  # fmt: skip
        node.do(
            self.configurator,
            "initReserves((address,address,address,uint8,address,address,address,address,"
            "string,string,string,string,string,string,bytes)[])",
            inputs,
        )
        configure = "configureReserveAsCollateral(address,uint256,uint256,uint256)"
        for token in tokens:
            node.do(self.configurator, configure, token, 7_750, 8_000, 10_700)
            node.do(self.configurator, "setReserveBorrowing(address,bool)", token, True)
            node.do(self.configurator, "setReserveFlashLoaning(address,bool)", token, True)
        emode = "setEModeCategory(uint8,uint16,uint16,uint16,address,string)"
        node.do(self.configurator, emode, EMODE, 9_300, 9_500, 10_100, ZERO, "ETH correlated")
        for token in (self.weth, self.weeth):
            node.do(self.configurator, "setAssetEModeCategory(address,uint8)", token, EMODE)

    def _uniswap(self) -> None:
        node, core, periphery = self.node, "@uniswap/v3-core/artifacts/contracts/", "@uniswap/v3-periphery/artifacts/"
        self._factory = node.deploy(artifact(core + "UniswapV3Factory.sol/UniswapV3Factory.json")["bytecode"])
        self.swap_router = node.deploy(
            artifact(periphery + "contracts/SwapRouter.sol/SwapRouter.json")["bytecode"],
            ("address", "address"), self._factory, self.weth,
        )  # fmt: skip
        manager = "NonfungiblePositionManager"
        self._manager = node.deploy(
            artifact(periphery + f"contracts/{manager}.sol/{manager}.json")["bytecode"],
            ("address", "address", "address"), self._factory, self.weth, ZERO,
        )  # fmt: skip
        node.do(self.weth, "deposit()", value=30_000 * ETHER)
        node.do(self.weth, "approve(address,uint256)", self._manager, MAX_UINT)

    def pool_of(self, token: str, price: float, fee: int, spacing: int) -> str:
        """A pool against WETH at `price`, up to ten thousand ETH on each side within 20%."""
        node, amount = self.node, round(10_000 / price)
        node.do(token, "mint(address,uint256)", node.admin, 2 * amount * ETHER)
        node.do(token, "approve(address,uint256)", self._manager, MAX_UINT)
        first, second = sorted((self.weth, token), key=lambda address: int(address, 16))
        ratio = price if first == token else 1.0 / price
        create = "createAndInitializePoolIfNecessary(address,address,uint24,uint160)"
        node.do(self._manager, create, first, second, fee, round(ratio**0.5 * 2**96))
        middle = round(math.log(ratio, 1.0001)) // spacing * spacing
        ticks = (middle - 2_000 // spacing * spacing, middle + 2_000 // spacing * spacing)
        amounts = (amount * ETHER, 10_000 * ETHER) if first == token else (10_000 * ETHER, amount * ETHER)
        mint = "mint((address,address,uint24,int24,int24,uint256,uint256,uint256,uint256,address,uint256))"
        node.do(self._manager, mint, (first, second, fee, *ticks, *amounts, 0, 0, node.admin, 2**40))
        arguments = (first, second, fee)
        found = node.chain.read(self._factory, "getPool(address,address,uint24)", ("address",), *arguments)
        return str(found)

    def _morpho(self) -> str:
        source = MODULES / "@morpho-org/morpho-blue/src/Morpho.sol"
        code = compiled(source, compiler="solc-0.8.19")["contracts"]["Morpho"]
        return self.node.deploy(code, ("address",), self.node.admin)

    def _lend_out(self) -> None:
        """WETH and USDT to borrow at Aave, half of each borrowed before, and WETH to flash-borrow at Morpho."""
        node = self.node
        node.do(self.weth, "deposit()", value=4_000 * ETHER)
        node.do(self.weth, "approve(address,uint256)", self.pool, MAX_UINT)
        supply = "supply(address,uint256,address,uint16)"
        node.do(self.pool, supply, self.weth, 2_000 * ETHER, node.admin, 0)
        node.do(self.usdt, "mint(address,uint256)", node.admin, 2 * 10**12)
        node.do(self.usdt, "approve(address,uint256)", self.pool, MAX_UINT)
        node.do(self.pool, supply, self.usdt, 2 * 10**12, node.admin, 0)
        borrow = "borrow(address,uint256,uint256,uint16,address)"
        node.do(self.pool, borrow, self.weth, 1_000 * ETHER, 2, 0, node.admin)
        node.do(self.pool, borrow, self.usdt, 10**12, 2, 0, node.admin)
        node.do(self.weth, "transfer(address,uint256)", self.morpho, 2_000 * ETHER)

    def _deployment(self) -> Deployment:
        return Deployment(
            chain_id=CHAIN_ID,
            executor=self.executor,
            weth=self.weth,
            tokens={
                "weETH": Token(self.weeth),
                "USDT": Token(self.usdt, 6),
                **{name: Token(token) for name, token in self.rewards.items()},
            },
            lender=Lender(LenderKind.MORPHO, self.morpho),
            lending=Lending(
                "aave_v3",
                self.pool,
                self.oracle,
                {
                    "WETH": self._reserve(self.weth),
                    "weETH": self._reserve(self.weeth),
                    "USDT": self._reserve(self.usdt),
                },
                emode=EMODE,
                heartbeats={"WETH": 4_500.0},
            ),
            staking={"etherfi": Staking(StakingKind.ETHERFI, "weETH", self.weeth)},
            pools={
                "curve": {"weETH": Pool(self.swap_router, self.swap_pool, 500)},
                "uniswap": {name: Pool(self.swap_router, pool, 3_000) for name, pool in self.reward_pools.items()},
            },
            confirmations=1,
        )

    def _reserve(self, token: str) -> Reserve:
        words = self.node.chain.read(self.pool, "getReserveData(address)", ("uint256",) * 15, token)
        return Reserve(_address(words[8]), _address(words[10]))

    def _contract(self, path: str, types: tuple[str, ...] = (), *arguments: Any) -> str:
        return self.node.deploy(self._code(AAVE + f"{path}.sol/{path.rpartition('/')[2]}.json"), types, *arguments)

    def _code(self, path: str) -> str:
        """Bytecode with its libraries in place; each library is deployed when it is first needed."""
        found = artifact(path)
        code: str = found["bytecode"].removeprefix("0x")
        for source, names in found.get("linkReferences", {}).items():
            for name, places in names.items():
                if name not in self._libraries:
                    library = f"@aave/core-v3/artifacts/{source}/{name}.json"
                    self._libraries[name] = self.node.deploy(self._code(library))
                for place in places:
                    start = 2 * place["start"]
                    code = code[:start] + self._libraries[name].removeprefix("0x") + code[start + 40 :]
        return code


def _address(word: int) -> str:
    return f"0x{word:040x}"
