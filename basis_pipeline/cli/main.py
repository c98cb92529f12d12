"""The command as a whole: the workspace of a subcommand, and what becomes of errors.

Exit code 0: it did what was asked and no ERROR gate failed. 1: a gate or a run failed. 2: bad arguments, configuration
or environment.
"""

from __future__ import annotations

import sys

import click

from basis_pipeline import __version__
from basis_pipeline.cli import screens
from basis_pipeline.cli.commands import Commands
from basis_pipeline.config.variables import VARIABLES
from basis_pipeline.domain.errors import BasisError, ConfigError

_EPILOG = "\b\nEnvironment:\n" + "\n".join(f"  {name:22}{what}" for name, what in VARIABLES.items())
_LIVE = ("live", "live-compare", "executor")


@click.group(cls=Commands, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, package_name="basis-pipeline")
@click.pass_context
def cli(context: click.Context) -> None:
    """Backtests of crypto basis, lending and staking strategies: ingest, run, gate, ask."""
    if context.invoked_subcommand and "--help" not in sys.argv and "-h" not in sys.argv:
        from basis_pipeline.runs.workspace import Workspace  # noqa: PLC0415 - half a second, and the overview has none

        context.obj = Workspace.from_environment(live=context.invoked_subcommand in _LIVE)


def main() -> None:
    """Entry point: expected failures become one message and an exit code."""
    try:
        code = cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = 2
    except click.Abort:
        screens.complain("interrupted; what was published stays")
        code = 1
    except ConfigError as error:
        screens.complain(str(error))
        code = 2
    except BasisError as error:
        screens.complain(str(error))
        code = 1
    sys.exit(code if isinstance(code, int) else 0)
