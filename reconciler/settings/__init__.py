"""Validated settings from flags, environment, file and defaults, in that order.

`load` finds and merges the sources; `Settings` and its sections are what every other layer reads.
The reference with each setting's unit, default and reason is `config/reconciler.yaml`.
"""

from reconciler.settings.jobs import ColumnSettings, InsideColumn, JobsSettings, StatusSettings
from reconciler.settings.load import load
from reconciler.settings.model import Settings
from reconciler.settings.sections import (
    AgentSettings,
    ComfySettings,
    DatabaseSettings,
    InspectionSettings,
    LogSettings,
    LostSettings,
    OutputSettings,
    ReconcileSettings,
    TimeoutSettings,
    VerdictSettings,
    WatchSettings,
)
from reconciler.settings.server import ServerSettings, one_server, stored_path_of
from reconciler.settings.source import Source
from reconciler.settings.stall import BudgetSettings, StallRuleSettings, StallSettings

__all__ = [
    "AgentSettings",
    "BudgetSettings",
    "ColumnSettings",
    "ComfySettings",
    "DatabaseSettings",
    "InsideColumn",
    "InspectionSettings",
    "JobsSettings",
    "LogSettings",
    "LostSettings",
    "OutputSettings",
    "ReconcileSettings",
    "ServerSettings",
    "Settings",
    "Source",
    "StallRuleSettings",
    "StallSettings",
    "StatusSettings",
    "TimeoutSettings",
    "VerdictSettings",
    "WatchSettings",
    "load",
    "one_server",
    "stored_path_of",
]
