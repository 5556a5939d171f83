"""What a scenario plays on: a ComfyUI, a running reconciler, and an application's rows."""

from __future__ import annotations

import json
import os
import time
import uuid
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from comfy_node.contract import MANIFEST_DIR, manifest_name
from reconciler.store import open_store
from reconciler.store.requests import Action
from tests.contract.matrix.ground import Ground, answers
from tests.contract.matrix.scenario import Says, Scenario, Sent
from tests.contract.matrix.watching import as_a_process, in_a_thread
from tests.contract.talk import Graph, Server
from tests.integration.running import QUICK, Rows, write_config
from tests.waiting import wait_for

#: Where the results go, a JSON text a line; nowhere if it is not set.
REPORT = os.environ.get("MATRIX_REPORT", "")
#: How long a verdict, and the last file's owner after it, may take on the simulator.
VERDICT_S = 20.0
OWNED_S = 5.0
FINAL = ("completed", "failed", "cancelled")
#: Whose websocket the prompts of an application belong to: never the reconciler's own.
CLIENT_ID = "an-application"


class Stage:
    """One ground, one reconciler with short thresholds, one database."""

    def __init__(self, ground: Ground, database: str, folder: Path) -> None:
        self.ground = ground
        self.rows = Rows(database)
        self.server = Server(ground.url, "", frozenset())
        #: The worker is dead or hangs: the next scenario needs another life.
        self.spent = False
        self._config = write_config(folder, database, ground, **thresholds(ground))  # type: ignore[arg-type]
        #: Since when ComfyUI and the reconciler are both up.
        self._up_since = time.time()
        self._watched = False
        self._ending = ExitStack()

    @property
    def pack(self) -> bool:
        """True where the node pack is inside."""
        return self.ground.pack

    def ready(self) -> None:
        """An idle ComfyUI and a reconciler that watches it."""
        if self.spent or not answers(self.ground):
            self.start_comfyui()
        self.spent = False
        self.server.quieten()
        self.watch()

    def watch(self) -> None:
        """Let the reconciler run."""
        if not self._watched:
            watching = in_a_thread if self.ground.simulated else as_a_process
            self._ending.enter_context(watching(self._config))
            self._watched = True
            self._up_since = time.time()

    def pause(self) -> None:
        """Stop the reconciler."""
        self._ending.close()
        self._watched = False

    def prefix(self, kind: str) -> str:
        """A filename prefix that nobody has used."""
        return f"matrix/{kind}-{uuid.uuid4().hex[:8]}"

    def send(
        self, graph: Graph, *, named: bool = False, refused: tuple[str, ...] = (), **row: Any
    ) -> Sent:
        """As an application does: a row, then the prompt, then its id into the row.

        `named`: the application tells ComfyUI its job's id. `refused`: nodes that POST /prompt
        must complain of.
        """
        job_id = self.rows.insert(**row)
        tag = {"job_id": job_id, "extra_pnginfo": {"job_id": job_id}} if named else {}
        prompt_id = self.submit(graph, refused=refused, **tag)
        statement = "update production_jobs set comfyui_job_id = %s where id::text = %s"
        self.rows.sql(statement, prompt_id, job_id)
        return Sent(job_id, prompt_id)

    def submit(self, graph: Graph, *, refused: tuple[str, ...] = (), **extra_data: Any) -> str:
        """POST /prompt, without a row."""
        body = {"prompt": graph, "client_id": CLIENT_ID, "extra_data": extra_data}
        answer = self.server.post("/prompt", body)
        assert answer.status_code == 200, answer.text
        assert sorted(answer.json()["node_errors"]) == sorted(refused)
        return str(answer.json()["prompt_id"])

    def wait_for_rule(self, sent: Sent, *rules: str) -> None:
        """Wait until the reconciler's last word on an open job is of one of these rules."""
        self._wait(lambda: self.state(sent)["rule"] in rules, sent, f"judged by {rules}")

    def wait_until_runs(self, sent: Sent) -> None:
        """Wait until the reconciler has seen it run."""
        self.wait_for_rule(sent, "running")

    def wait_until_waits(self, sent: Sent) -> None:
        """Wait until the reconciler has seen it wait in the queue."""
        self.wait_for_rule(sent, "pending")

    def cancel(self, sent: Sent) -> Sent:
        """Ask the reconciler to cancel it, as a person does."""
        store = open_store(self.rows.url, create=False)
        try:
            store.requests.ask(Action.CANCEL, [sent.job_id], "ana")
        finally:
            store.close()
        return replace(sent, ended_at=time.time())

    def wait_for_end(self, sent: Sent) -> float:
        """Wait until ComfyUI has ended it; returns when, seconds since the epoch."""
        entry = self.server.wait_for_end(sent.prompt_id)
        self.wait_for_manifests(sent.prompt_id)
        return ended_at(entry) or time.time()

    def wait_for_manifests(self, *prompt_ids: str) -> None:
        """Wait for what the pack writes: a prompt enters the history a moment before."""
        for path in map(self.manifest, prompt_ids if self.pack else ()):
            wait_for(path.exists, f"{path} is written")

    def manifest(self, prompt_id: str) -> Path:
        """Where the pack writes a prompt's manifest."""
        return self.ground.output_dir / MANIFEST_DIR / manifest_name(prompt_id)

    def restart_comfyui(self) -> float:
        """SIGKILL and a new start; returns when it was killed."""
        self.ground.kill()
        killed_at = time.time()
        self.start_comfyui()
        return killed_at

    def start_comfyui(self) -> None:
        """Start it, or start it anew."""
        self.ground.start()
        self._up_since = time.time()

    def state(self, sent: Sent) -> dict[str, Any]:
        """What the reconciler keeps of a job: rule and reason, None before its first look."""
        question = "select rule, reason from reconciler.job_state where job_id = %s"
        found = self.rows.sql(question, sent.job_id)
        return found[0] if found else {"rule": None, "reason": None}

    def owned(self, sent: Sent) -> set[str]:
        """Names of the files that are the job's."""
        question = "select path from reconciler.outputs where job_id = %s"
        found = self.rows.sql(question, sent.job_id)
        return {os.path.basename(bytes(row["path"])).decode() for row in found}

    def owners(self, prefix: str) -> dict[str, str | None]:
        """The owner of each inspected file whose path goes on so below the output directory."""
        found = self.rows.sql("select path, job_id from reconciler.outputs order by path")
        root = f"{self.ground.output_dir.resolve()}/"
        paths = {bytes(row["path"]).decode().removeprefix(root): row["job_id"] for row in found}
        return {path: owner for path, owner in paths.items() if path.startswith(prefix)}

    def done(self, sent: Sent, says: Says) -> dict[str, Any]:
        """Wait for the verdict, which must be this one at once; returns the row."""
        row: dict[str, Any] = self._wait(lambda: self._judged(sent, says), sent, f"to be {says}")
        told = self.story(sent)
        assert row["status"] == says.status, told
        assert says.code is None or row["error"].startswith(f"{says.code}:"), told
        words = row["error"] if says.code else self.state(sent)["reason"]
        assert all(word in words for word in says.words), (words, told)
        path = row["output_path"]
        assert (path or "").endswith(says.output or "") and (path is None) == (
            says.output is None
        ), (path, told)
        if says.owned is not None:
            self._own(sent, says.owned)
        return row

    def _own(self, sent: Sent, number: int) -> None:
        """Wait until so many files are the job's; siblings may be inspected after the verdict."""
        owned = f"job {sent.job_id} owns {number} files"
        self._wait(lambda: len(self.owned(sent)) >= number, sent, owned, OWNED_S)
        assert len(self.owned(sent)) == number, self.story(sent)

    def play(self, scenario: Scenario) -> None:
        """Let it happen, and see what the row says."""
        sent = scenario.play(self)
        self.done(sent, scenario.expected(pack=self.pack))
        if REPORT:
            self._report(scenario, sent)

    def story(self, sent: Sent) -> str:
        """What the reconciler told of a job, for whoever reads a failure."""
        question = "select at, kind, reason from reconciler.events where job_id = %s order by id"
        events = [
            f"{e['at']:%T.%f} {e['kind']}: {e['reason']}"
            for e in self.rows.sql(question, sent.job_id)
        ]
        now = [f"row: {self.rows.row(sent.job_id)}", f"now: {self.state(sent)}"]
        owned = f"owns {sorted(self.owned(sent))}"
        return "\n".join(["", *events, *now, owned])

    def _judged(self, sent: Sent, says: Says) -> dict[str, Any] | None:
        row = self.rows.row(sent.job_id)
        if says.status in FINAL:
            return row if row["status"] in FINAL else None
        return row if self.state(sent)["rule"] is not None else None

    def _wait(self, condition: Any, sent: Sent, what: str, limit_s: float = VERDICT_S) -> Any:
        try:
            return wait_for(condition, what, limit_s * self.ground.patience)
        except AssertionError as error:
            raise AssertionError(f"{error}{self.story(sent)}") from None

    def _report(self, scenario: Scenario, sent: Sent) -> None:
        verdict = (
            "select extract(epoch from min(at))::float8 as at from reconciler.events"
            " where job_id = %s and to_status = any(%s)"
        )
        row = self.rows.row(sent.job_id)
        at = self.rows.sql(verdict, sent.job_id, list(FINAL))[0]["at"]
        end = sent.ended_at
        if end is None and sent.prompt_id:
            end = ended_at(self.server.history(sent.prompt_id))
        line = {
            "ground": self.ground.name,
            "pack": self.pack,
            "scenario": scenario.name,
            "status": row["status"],
            "code": (row["error"] or "").partition(":")[0] if row["status"] == "failed" else None,
            "seconds": None
            if at is None or end is None
            else round(at - max(end, self._up_since), 2),
        }
        with open(REPORT, "a", encoding="utf-8") as report:
            report.write(json.dumps(line) + "\n")


def ended_at(entry: dict[str, Any] | None) -> float | None:
    """When a prompt ended by ComfyUI's own clock: the last message of its history entry."""
    messages = entry["status"]["messages"] if entry is not None else []
    stamps = [data["timestamp"] for _, data in messages if "timestamp" in data]
    return max(stamps) / 1000 if stamps else None


def thresholds(ground: Ground) -> dict[str, Any]:
    """Settings under which silence and absence are called in seconds.

    A job with `frames` of 1 has a runtime budget of seconds, one without has minutes.
    """
    limit_s = 3.0 * ground.patience
    budget = {"base_s": limit_s, "per_frame_s": 1.0, "unknown_frames": 600}
    return {
        **QUICK,
        "reconcile": {"interval_s": 0.3},
        "stall": {"no_progress_s": limit_s, "startup_grace_s": 0.5, "budget": budget},
        "timeouts": {"never_seen_s": limit_s},
        "lost": {"confirmations": 3, "grace_s": 1.0, "restart_grace_s": 0.5},
    }
