"""Where on a chain a wallet trades: `configs/chains/NETWORK.yaml`, and the BASIS_<ENV>__ALCHEMY__* variables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
import yaml
from msgspec.structs import replace

from basis_pipeline.config.variables import wallet_prefix
from basis_pipeline.domain.errors import ConfigError
from basis_pipeline.domain.secret import Secret
from basis_pipeline.venues.live.deployment import Deployment

NETWORK = "ethereum"
"""The deployment file where no variable names another."""


class ChainAccess(msgspec.Struct, frozen=True):
    """A wallet on a chain: the contracts, and the secrets that reach and sign.

    `send_url` takes orders where it is not the node that is asked, usually so that nobody sees them before their block.
    """

    deployment: Deployment
    rpc_url: Secret
    private_key: Secret
    send_url: Secret | None = None

    @property
    def secrets(self) -> tuple[Secret, ...]:
        return tuple(filter(None, (self.rpc_url, self.private_key, self.send_url)))


def chain_access(
    variables: Mapping[str, str], environment: str, config_dir: Path, *, deployed: bool = True
) -> ChainAccess:
    """What the environment says about its wallet.

    Args:
        variables: of the process.
        environment: dev, staging or prod.
        config_dir: has the folder `chains`.
        deployed: the executor exists; otherwise its address is not asked for.

    Raises:
        ConfigError: CONFIG-003 naming every variable that is missing; CHAIN-002 a private key or an address that is
            none; or a deployment file that cannot be read.
    """
    prefix = wallet_prefix(environment)
    required = ("RPC_URL", "PRIVATE_KEY", *(("EXECUTOR_ADDRESS",) if deployed else ()))
    if missing := [prefix + name for name in required if not variables.get(prefix + name)]:
        raise ConfigError(
            f"access to the chain is missing: {', '.join(missing)}.",
            code="CONFIG-003",
            remedy=f"set them in the environment; BASIS_ENVIRONMENT is {environment}. "
            "`basis executor` deploys an executor and prints its address.",
        )
    send_url = variables.get(prefix + "SEND_URL", "")
    for name, url in (("RPC_URL", variables[prefix + "RPC_URL"]), ("SEND_URL", send_url)):
        if url and not url.startswith(("http://", "https://")):
            raise ConfigError(f"{prefix}{name} is no URL of HTTP.", remedy="write it as https://host/path.")
    executor = variables[prefix + "EXECUTOR_ADDRESS"] if deployed else ""
    file = config_dir / "chains" / f"{variables.get(prefix + 'NETWORK', NETWORK)}.yaml"
    access = ChainAccess(
        load_deployment(file, executor),
        Secret(variables[prefix + "RPC_URL"]),
        Secret(variables[prefix + "PRIVATE_KEY"]),
        Secret(send_url) if send_url else None,
    )
    _check_spelling(access, prefix, file)
    return access


def _check_spelling(access: ChainAccess, prefix: str, file: Path) -> None:
    """ConfigError CHAIN-002 naming the variable of a private key that is none, or every address that is none."""
    from basis_pipeline.venues.live.spelling import check_private_key, misspelling  # noqa: PLC0415 - extra `live`

    check_private_key(access.private_key.reveal(), f"{prefix}PRIVATE_KEY")
    executor, wrong = access.deployment.executor, []
    if executor and (fault := misspelling(executor)):
        wrong.append(f"{prefix}EXECUTOR_ADDRESS {executor!r} is {fault}")
    named = msgspec.to_builtins(replace(access.deployment, executor=""))
    wrong += [f"{file}: {text} is {fault}" for text in _addresses(named) if (fault := misspelling(text))]
    if wrong:
        raise ConfigError(f"{'; '.join(wrong)}.", code="CHAIN-002", remedy="copy it again from where it was shown.")


def _addresses(node: object) -> Iterator[str]:
    """Every text of a deployment that begins like an address."""
    if isinstance(node, dict):
        for child in node.values():
            yield from _addresses(child)
    elif isinstance(node, str) and node.startswith("0x"):
        yield node


def load_deployment(file: Path, executor: str) -> Deployment:
    """The contracts of a network, with the executor of one wallet."""
    if not file.is_file():
        raise ConfigError(
            f"there is no deployment {file}.", remedy="name a file of that folder by the variable NETWORK."
        )
    try:
        content = yaml.safe_load(file.read_text())
        return msgspec.convert({**content, "executor": executor}, Deployment)
    except (yaml.YAMLError, msgspec.ValidationError, TypeError) as error:
        raise ConfigError(f"{file}: {error}") from error
