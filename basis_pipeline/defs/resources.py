"""What assets are given: the workspace, as paths that Dagster shows and passes to its run processes."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
from pydantic import Field

from basis_pipeline.runs.workspace import Workspace
from basis_pipeline.storage.locations import location_of


class WorkspaceResource(dg.ConfigurableResource[Workspace]):
    """One data root and one configuration folder, absolute: a run process may start elsewhere."""

    data_dir: str = Field(description="Data root: validated data, results and this instance.")
    config_dir: str = Field(description="Folder with venues/, share_classes/, modes/ and data/.")
    raw_dir: str = Field(default="", description="Vendor files; empty: what the data root remembers.")
    reports_url: str = Field(default="", description="Where `basis serve` shows pages; empty: links are paths.")

    @classmethod
    def of(cls, workspace: Workspace) -> WorkspaceResource:
        return cls(
            data_dir=str(workspace.root.path.resolve()),
            config_dir=str(workspace.config.path.resolve()),
            raw_dir=str(workspace.raw_dir.resolve()) if workspace.raw_dir else "",
            reports_url=workspace.reports_url,
        )

    def open(self) -> Workspace:
        raw = Path(self.raw_dir) if self.raw_dir else None
        return Workspace(location_of(self.data_dir), Path(self.config_dir), raw, self.reports_url)
