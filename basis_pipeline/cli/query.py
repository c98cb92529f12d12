"""`basis query`: questions in SQL."""

from __future__ import annotations

from pathlib import Path
from typing import TextIO

import click

from basis_pipeline.cli import screens
from basis_pipeline.cli.answers import Format, deliver, format_of
from basis_pipeline.config.loading import parse_overrides
from basis_pipeline.runs import queries
from basis_pipeline.runs.workspace import Workspace

pass_workspace = click.make_pass_decorator(Workspace)


@click.command()
@click.argument("sql", required=False)
@click.option(
    "-f", "--file", type=click.File(encoding="utf-8"), help="Read the query from a file; - is standard input."
)
@click.option("--param", "pairs", multiple=True, metavar="NAME=VALUE", help="Value for $NAME; repeatable.")
@click.option(
    "--format",
    "kind",
    type=click.Choice([str(kind) for kind in Format]),
    help="Default: table, or what --output ends with.",
)
@click.option("--csv", "kind", flag_value=str(Format.CSV), help="The same as --format csv.")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the answer to a file.")
@pass_workspace
def query(  # noqa: PLR0917 - one parameter per option of the command
    workspace: Workspace,
    sql: str | None,
    file: TextIO | None,
    pairs: tuple[str, ...],
    kind: str | None,
    output: Path | None,
) -> None:
    """Answer one SELECT over the published results.

    `from tables`, `from macros` and `from columns` say what there is to ask; experiments are in the schema
    `experiments.`, the standing record in the main one.
    """
    if (sql is None) == (file is None):
        raise click.UsageError("give the query as an argument or with --file, one of the two.")
    wanted, form = file.read() if file else sql or "", format_of(kind, output)
    parameters = parse_overrides(pairs, what="parameter")
    answer = queries.query(workspace, wanted, parameters)
    if form is Format.TABLE:
        screens.say(f"data root {workspace.root.path}")
    deliver(answer, form, output)
    for note in queries.query_notes(workspace, wanted, parameters, empty=not answer.num_rows):
        screens.warn(note)
