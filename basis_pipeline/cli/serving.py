"""`basis dev`, `serve` and `notify`: what runs until it is stopped, and who is told."""

from __future__ import annotations

import click

from basis_pipeline.cli import screens
from basis_pipeline.runs.modes import wire_modes
from basis_pipeline.runs.notifications import Notice
from basis_pipeline.runs.notifications import notify as send_notice
from basis_pipeline.runs.report_server import open_report_server, run_report_server
from basis_pipeline.runs.ui import prepare_ui
from basis_pipeline.runs.workspace import Workspace

pass_workspace = click.make_pass_decorator(Workspace)


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), help="Default 3000, or a free one where that is taken.")
@click.option("--profile", help="A folder of <configuration>/profiles: where the instance keeps its runs.")
@pass_workspace
def dev(workspace: Workspace, port: int | None, profile: str | None) -> None:
    """Serve the Dagster UI of the data root on loopback until Ctrl-C."""
    server = prepare_ui(workspace, port, profile)
    for mode, error in wire_modes(workspace.config)[1].items():
        screens.warn(f"{mode} cannot run: {error}")
    screens.say(f"data root {workspace.root.path}, UI {server.url}, reports {server.reports.url}, Ctrl-C stops it")
    raise SystemExit(server.run())


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), help="Default 3080, or a free one where that is taken.")
@pass_workspace
def serve(workspace: Workspace, port: int | None) -> None:
    """Serve reports, CSV and zip of the data root on loopback, read only, until Ctrl-C."""
    server = open_report_server(workspace, port)
    screens.say(f"data root {workspace.root.path}, reports {server.url}, Ctrl-C stops it")
    run_report_server(server)


@click.command()
@pass_workspace
def notify(workspace: Workspace) -> None:
    """Send a test notice through every channel of notifications.yaml."""
    notice = Notice("test", "basis notify", "", "no run", "If you read this, nightly notices arrive here.")
    screens.say(f"sent to {', '.join(send_notice(workspace, notice)) or 'nobody: there is no channel'}")
