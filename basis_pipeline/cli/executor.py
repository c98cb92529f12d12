"""`basis executor`: the contract that holds a wallet's positions on chain."""

from __future__ import annotations

import click

from basis_pipeline.cli import screens
from basis_pipeline.runs.live.chain import deploy_executor
from basis_pipeline.runs.workspace import Workspace


@click.command("executor")
@click.pass_obj
def executor_command(workspace: Workspace) -> None:
    """Deploy the executor contract for the wallet of BASIS_ENVIRONMENT and print its address.

    It holds the positions of live sessions on chain and obeys that wallet alone. Put the address into
    BASIS_<ENVIRONMENT>__ALCHEMY__EXECUTOR_ADDRESS.
    """
    screens.result(deploy_executor(workspace))
