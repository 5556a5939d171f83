"""All settings of one reconciler, validated and immutable."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Self

from pydantic import Field, PrivateAttr, field_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from reconciler.core.expecting import ExpectPolicy
from reconciler.core.policy import Policy
from reconciler.settings.expectations import ContentSettings, ExpectationSettings
from reconciler.settings.fields import Folder
from reconciler.settings.jobs import JobsSettings
from reconciler.settings.places import default_data_dir
from reconciler.settings.previews import PreviewSettings
from reconciler.settings.retention import RetentionSettings
from reconciler.settings.sections import (
    AgentSettings,
    AttributionSettings,
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
from reconciler.settings.server import ServerSettings
from reconciler.settings.source import Source
from reconciler.settings.stall import StallSettings
from reconciler.settings.web import WebSettings
from reconciler.settings.webhooks import WebhookSettings

Layer = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Given:
    """What the next `Settings()` is made of; without `merged` that is nothing but the defaults."""

    #: Nested mappings, best first.
    layers: tuple[Layer, ...] = ()
    #: Only for where the data lies: HOME and XDG_DATA_HOME.
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)


#: pydantic-settings asks the class for its sources, so they reach it from beside the call.
_GIVEN: ContextVar[_Given] = ContextVar("given", default=_Given())  # noqa: B039 - it is frozen


class Settings(BaseSettings):
    """All settings. `Settings()` is the defaults, whatever the environment says: see `load`."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    servers: tuple[ServerSettings, ...] = ()
    database: DatabaseSettings = DatabaseSettings()
    jobs: JobsSettings = JobsSettings()
    agent: AgentSettings = AgentSettings()
    #: The embedded Postgres, thumbnails and whatever else the reconciler keeps.
    data_dir: Folder = Field(default_factory=lambda: default_data_dir(_GIVEN.get().environ))
    reconcile: ReconcileSettings = ReconcileSettings()
    comfyui: ComfySettings = ComfySettings()
    watch: WatchSettings = WatchSettings()
    outputs: OutputSettings = OutputSettings()
    inspection: InspectionSettings = InspectionSettings()
    expectations: ExpectationSettings = ExpectationSettings()
    content: ContentSettings = ContentSettings()
    stall: StallSettings = StallSettings()
    lost: LostSettings = LostSettings()
    timeouts: TimeoutSettings = TimeoutSettings()
    verdicts: VerdictSettings = VerdictSettings()
    attribution: AttributionSettings = AttributionSettings()
    retention: RetentionSettings = RetentionSettings()
    web: WebSettings = WebSettings()
    previews: PreviewSettings = PreviewSettings()
    webhooks: WebhookSettings = WebhookSettings()
    log: LogSettings = LogSettings()

    _source: Source = PrivateAttr(default_factory=Source)

    @field_validator("servers", mode="before")
    @classmethod
    def _none_is_no_server(cls, servers: Any) -> Any:
        return () if servers is None else servers

    @field_validator("data_dir", mode="before")
    @classmethod
    def _none_is_default(cls, data_dir: Any) -> Any:
        return default_data_dir(_GIVEN.get().environ) if data_dir is None else data_dir

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then the layers that `merged` was given; nothing read behind one's back."""
        layers = (InitSettingsSource(settings_cls, dict(layer)) for layer in _GIVEN.get().layers)
        return (init_settings, *layers)

    @classmethod
    def merged(cls, layers: tuple[Layer, ...], environ: Mapping[str, str], source: Source) -> Self:
        """Settings from nested mappings, best first; raises pydantic's ValidationError."""
        token = _GIVEN.set(_Given(layers, environ))
        try:
            settings = cls()
        finally:
            _GIVEN.reset(token)
        settings._source = source
        return settings

    @property
    def source(self) -> Source:
        """Where these settings came from."""
        return self._source

    def policy(self) -> Policy:
        """The thresholds for `decide`."""
        lost, timeouts = self.lost, self.timeouts
        return Policy(
            stall=self.stall.policy(),
            accept_late_success=self.verdicts.late_success == "accept",
            allow_no_output=self.verdicts.no_output == "complete",
            unjudged_completes=self.verdicts.unjudged == "complete",
            missing_output_grace_s=self.outputs.missing_output_grace_s,
            lost_confirmations=lost.confirmations,
            lost_grace_s=lost.grace_s,
            restart_grace_s=lost.restart_grace_s,
            queue_timeout_s=timeouts.queue_s,
            submit_timeout_s=timeouts.submit_s,
            never_seen_timeout_s=timeouts.never_seen_s,
            server_down_timeout_s=timeouts.server_down_s,
        )

    def expect_policy(self) -> ExpectPolicy:
        """How expectations of main outputs are made."""
        return self.expectations.policy(self.content, self.inspection.frame_tolerance)

    def shown(self) -> dict[str, Any]:
        """Every setting as plain data for YAML or JSON, secrets replaced by asterisks."""
        return self.model_dump(mode="json")
