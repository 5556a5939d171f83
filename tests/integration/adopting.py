"""Somebody who adopts a table: a folder, a database, and the command in this very process."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler.adopt.find import find
from reconciler.adopt.plan import planned
from reconciler.cli import app, terminal
from reconciler.cli.adopt_report import described
from reconciler.settings import load
from tests.integration.commands import environment

#: Other words, other names, other types; a key, a schema and a zone of its own.
STRANGE_TABLE = """
create schema studio;
create type studio."State" as enum ('PENDING', 'RUNNING', 'DONE', 'ERROR');
create table studio."RenderJobs" (
    "jobId" uuid primary key default gen_random_uuid(),
    "comfyUIJobId" uuid,
    "State" studio."State" not null default 'PENDING',
    owner text not null,
    "resultPath" text,
    error boolean not null default false,
    "failureReason" varchar(20),
    "progressPct" numeric(5, 2),
    params jsonb,
    "createdAt" timestamp not null default (now() at time zone 'Asia/Tokyo'),
    "finishedAt" timestamp
);
insert into studio."RenderJobs" ("State", owner, "resultPath", "progressPct", params)
select 'DONE', 'x', '/out/' || n || '.mp4', 100, '{"video": {"frames": 6}}'
from generate_series(1, 20) n;
"""


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


def proposed(url: str, config: Path, table: str | None = None) -> dict[str, Any]:
    """What adopt proposes, as programs are told."""
    read = config if config.exists() else Path(os.devnull)
    settings = load(config=read, environ={"RECONCILER_DATABASE__URL": url})
    found = find(url, settings, table)
    assert found.best is not None, [each.table.name for each in found.proposals]
    return described(found, planned(found.best, settings, config), written=False)


@dataclass(frozen=True)
class Desk:
    """Whose environment names the database."""

    url: str
    folder: Path
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    @property
    def config(self) -> Path:
        return self.folder / "reconciler.yaml"

    def adopt(self, *arguments: str, **more: str) -> Done:
        """The command; `more` are variables of the environment."""
        where = {"RECONCILER_CONFIG": str(self.config), "RECONCILER_DATABASE__URL": self.url}
        with self.monkeypatch.context() as patch:
            for name in [name for name in os.environ if name.startswith("RECONCILER_")]:
                patch.delenv(name)
            for name, value in environment(**{**where, **more}).items():
                patch.setenv(name, value)
            patch.setattr(sys, "argv", ["reconciler", "adopt", *arguments])
            terminal.out.cache_clear()
            terminal.err.cache_clear()
            self.capsys.readouterr()
            code = app._run()
        return Done(code, *self.capsys.readouterr())

    def proposal(self, table: str | None = None) -> dict[str, Any]:
        """What it proposes, as programs are told."""
        return proposed(self.url, self.config, table)

    def told(self, table: str | None = None) -> str:
        """All notes, with their statements."""
        notes = self.proposal(table)["notes"]
        return " ".join(f"{note['kind']}: {note['text']} {note['advice']}" for note in notes)

    def written(self) -> Any:
        """What the file says."""
        return yaml.safe_load(self.config.read_text(encoding="utf-8"))
