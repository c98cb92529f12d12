"""Where on a chain a wallet trades: `configs/chains/NETWORK.yaml`, and the BASIS_<ENV>__ALCHEMY__* variables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec
import yaml

from basis_pipeline.config.variables import wallet_prefix
from basis_pipeline.domain.errors import ConfigError
from basis_pipeline.domain.secret import Secret
from basis_pipeline.venues.live.deployment import Deployment

NETWORK = "ethereum"
"""The deployment file where no variable names another."""


class ChainAccess(msgspec.Struct, frozen=True):
    """A wallet on a chain: the contracts, and the secrets that reach and sign."""

    deployment: Deployment
    rpc_url: Secret
    private_key: Secret

    @property
    def secrets(self) -> tuple[Secret, ...]:
        return self.rpc_url, self.private_key


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
        ConfigError: CONFIG-003 naming every variable that is missing; or a deployment file that cannot be read.
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
    if not variables[prefix + "RPC_URL"].startswith(("http://", "https://")):
        raise ConfigError(f"{prefix}RPC_URL is no URL of HTTP.", remedy="write it as https://host/path.")
    executor = variables.get(prefix + "EXECUTOR_ADDRESS", "")
    deployment = load_deployment(config_dir / "chains" / f"{variables.get(prefix + 'NETWORK', NETWORK)}.yaml", executor)
    return ChainAccess(deployment, Secret(variables[prefix + "RPC_URL"]), Secret(variables[prefix + "PRIVATE_KEY"]))


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
