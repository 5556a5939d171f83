"""A stage for the commands: rows as an application inserts them, what the service knew of them,
and the real console script over both."""

from __future__ import annotations

import os
import subprocess
import sys
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reconciler.core.jobs import Job, Status
from reconciler.store import open_store
from reconciler.store.records import Event, PromptRecord
from reconciler.store.servers import ServerRecord
from tests.integration.running import Rows

RECONCILER = Path(sys.executable).with_name("reconciler")
TIMEOUT_S = 60.0
WIDTH = 80

#: What no terminal may be sent, and what no console may take for markup or an emoji.
HOSTILE = "[red]bad[/red] [/] :boom: \x1b[31mred\x1b]0;title\x07 \x9b2J \u202eback \r\nnext"


def environment(**more: str) -> dict[str, str]:
    """80 columns, no colours, and no settings of whoever runs the tests."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("RECONCILER_")}
    plain = {"COLUMNS": str(WIDTH), "NO_COLOR": "1", "RECONCILER_CONFIG": os.devnull}
    return kept | plain | more


def reconciler(*arguments: str | bytes | Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Runs the command to its end."""
    return subprocess.run(
        [RECONCILER, *arguments],
        env=environment(**more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=TIMEOUT_S,
        check=False,
    )


def start(*arguments: str | Path, **more: str) -> subprocess.Popen[str]:
    """Starts the command; whoever calls ends it."""
    return subprocess.Popen(
        [RECONCILER, *arguments],
        env=environment(**more),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


def is_plain(text: str) -> bool:
    """True where a terminal shows it as it is: no control, format or surrogate characters."""
    return not any(unicodedata.category(c) in ("Cc", "Cf", "Cs") for c in text.replace("\n", ""))


def joined(text: str) -> str:
    """The words of a text, wherever its lines were broken."""
    return " ".join(text.split())


def fits(text: str) -> bool:
    """True where no line is wider than the screen, or ends in blanks."""
    return all(len(line) <= WIDTH and line == line.rstrip() for line in text.splitlines())


class Stage(Rows):
    """A prepared database with jobs in it."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.store = open_store(url)

    def close(self) -> None:
        self.store.connection.close()

    def known(self, status: str, row: Mapping[str, Any] | None = None, **state: Any) -> str:
        """A row that the service knows, with what it knows; returns its id."""
        job_id = self.insert(status=status, **(row or {}))
        values = {"job_id": job_id, "known_status": status, **state}
        names, marks = ", ".join(values), ", ".join(["%s"] * len(values))
        self.sql(f"insert into reconciler.job_state ({names}) values ({marks})", *values.values())
        return job_id

    def tell(self, job_id: str, event: Event) -> None:
        """A sentence of the job's story."""
        self.store.jobs.add_event(_job(job_id), event)

    def prompt(self, job_id: str, prompt_id: str, **clocks: Any) -> None:
        """A prompt that is linked to the job."""
        prompt = PromptRecord(prompt_id, job_id, 1, **clocks)
        linked = Event("linked", f"linked to prompt {prompt_id}", evidence={"prompt_id": prompt_id})
        self.store.jobs.link(_job(job_id), prompt, linked)
        self.store.jobs.save_prompts([prompt])

    def server(self, name: str = "gpu", **seen: Any) -> None:
        """A server as the service saw it last."""
        self.store.servers.save([ServerRecord(name, f"http://{name}.invalid:8188", **seen)])

    def now(self) -> float:
        """The database's time."""
        return self.store.jobs.now()

    def end(self, job_id: str, status: str, **columns: Any) -> None:
        """The row ends, as the service ends it: with a NOTIFY."""
        values = {"status": status, **columns}
        assignments = ", ".join(f"{name} = %s" for name in values)
        self.sql(
            f"update production_jobs set {assignments} where id::text = %s",
            *values.values(),
            job_id,
        )
        self.sql(
            "update reconciler.job_state set known_status = %s where job_id = %s", status, job_id
        )
        self.sql("select pg_notify('reconciler', 'job')")


def _job(job_id: str) -> Job:
    return Job(job_id, Status.QUEUED, None, 1, None, 0.0)
