"""Downstream of the backtests: one page per mode, the overview of all modes, the DuckDB catalogue.

They read what is published on disk, by manifest, whatever run wrote it.
"""

from collections.abc import Sequence

import dagster as dg

from basis_pipeline.defs.failures import refusals
from basis_pipeline.defs.metadata import page_link, record_metadata
from basis_pipeline.defs.resources import WorkspaceResource
from basis_pipeline.results.sql.catalog import rebuild_catalogue
from basis_pipeline.results.tables import SCHEMAS
from basis_pipeline.runs.records import summarise
from basis_pipeline.runs.reports import write_overview, write_page

GROUP = "reports"
_OWNERS = ["team:quant-research"]


def report_name(mode: str) -> str:
    return f"{mode}_report"


def report_asset(mode: str) -> dg.AssetsDefinition:
    """The HTML page of one mode over all its published months."""

    @dg.asset(
        name=report_name(mode),
        deps=[mode],
        group_name=GROUP,
        kinds={"html"},
        owners=_OWNERS,
        description=f"One self-contained page about `{mode}`: equity, attribution, risk, orders, gates.",
    )
    def report(workspace: WorkspaceResource) -> dg.MaterializeResult[None]:
        opened = workspace.open()
        with refusals():
            page = write_page(opened, mode)
            record = summarise(opened, mode)
        return dg.MaterializeResult(metadata={"page": page_link(opened, page), **record_metadata(record)})

    return report


def overview_asset(modes: Sequence[str]) -> dg.AssetsDefinition:
    """The page that compares all modes."""

    @dg.asset(
        deps=[report_name(mode) for mode in modes],
        group_name=GROUP,
        kinds={"html"},
        owners=_OWNERS,
        description="All modes side by side, experiments and rejected months below, with links to their pages.",
    )
    def overview(workspace: WorkspaceResource) -> dg.MaterializeResult[None]:
        opened = workspace.open()
        with refusals():
            page = write_overview(opened)
        return dg.MaterializeResult(metadata={"page": page_link(opened, page)})

    return overview


def catalogue_asset(modes: Sequence[str]) -> dg.AssetsDefinition:
    """The DuckDB file of views over the published Parquet files."""

    @dg.asset(
        deps=modes,
        group_name=GROUP,
        kinds={"duckdb"},
        owners=_OWNERS,
        description="Views over all published months: " + ", ".join(f"`{name}`" for name in SCHEMAS) + ", "
        "`months` and `gates`. Parquet is the truth; this file can be rebuilt at any time. Open it read-only.",
    )
    def catalogue(workspace: WorkspaceResource) -> dg.MaterializeResult[None]:
        with refusals():
            file = rebuild_catalogue(workspace.open().results)
        return dg.MaterializeResult(
            metadata={
                "file": dg.MetadataValue.path(str(file or "none: results are in a bucket")),
                "try": dg.MetadataValue.md('```\nbasis query "from months"\n```'),
            }
        )

    return catalogue
