"""The world of a history: servers, rows and reconcilers, and all that may happen to them."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from structlog.testing import capture_logs

from reconciler.errors import DatabaseError, LeaseLost
from reconciler.store.connection import Connection
from tests.faults.stateful.agent import Agent
from tests.faults.stateful.comfyui import Comfy
from tests.faults.stateful.database import Database, Phase, Wire
from tests.faults.stateful.prompts import Prompt
from tests.integration.hours import Time

#: Status and failure code, as a row says them.
Says = tuple[str, str | None]
FINAL = ("completed", "failed", "cancelled")


class Killed(BaseException):
    """kill -9 of the reconciler whose pass it is."""


@dataclass(eq=False)
class Row:
    """A row as the application means it, and as it was read last."""

    id: str
    created_at: float
    #: When the application opened the present attempt.
    opened_at: float
    #: The prompts of the present attempt.
    prompts: list[Prompt] = field(default_factory=list)
    says: Says = ("queued", None)
    path: str | None = None
    #: What the row says is the application's word: no reconciler may change it.
    cancelled: bool = False
    #: Somebody asked a reconciler to cancel its present attempt.
    cancel_asked: bool = False
    deleted: bool = False
    #: How often the application opened it again with the prompt that it had.
    overwritten: int = 0
    #: It was opened again while its old prompt may live: whose prompt that is, nobody can tell.
    unsure: bool = False
    #: Statuses that the application wrote, for the chain of events.
    written: list[str] = field(default_factory=list)
    #: Every status that it ever had.
    history: set[str] = field(default_factory=lambda: {"queued"})
    #: Every verdict that was justified since the present step began.
    justified: set[Says] = field(default_factory=set)

    def note(self, says: Says) -> None:
        self.says = says
        self.history.add(says[0])


class World:
    """What is the case. Everything that happens goes through here, one thing after the other."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._closing = ExitStack()
        self.wire = self._enter()
        self.time = Time(database.time.set)
        folder = Path(self._closing.enter_context(tempfile.TemporaryDirectory(dir=_memory())))
        self.comfys = {
            "pack": Comfy("pack", folder / "pack", self.time, pack=True),
            "plain": Comfy("plain", folder / "plain", self.time, pack=False),
        }
        self.rows: dict[str, Row] = {}
        self.agents: list[Agent | None] = [None, None]
        #: The servers of each one's settings.
        self.serves = [list(self.comfys), list(self.comfys)]
        self.failures: list[BaseException] = []
        #: Called whenever something may have changed, and after each whole pass.
        self.on_moment: Callable[[], None] = lambda: None
        self.on_pass: Callable[[], None] = lambda: None
        self._numbers = itertools.count(1)
        #: What happens within the next passes: after how many more instants, and what.
        self._armed: list[tuple[int, Callable[[], None]]] = []
        self._depth = 0

    def _enter(self) -> Wire:
        wire = Wire()
        self._closing.enter_context(wire.in_place())
        self._closing.enter_context(capture_logs())
        wire.before_transaction, wire.before_change = self.instant, self._note_change
        self.database.empty()
        return wire

    def close(self) -> None:
        for number in range(len(self.agents)):
            self.stop(number)
        self._closing.close()

    @property
    def now(self) -> float:
        return self.time.database()

    @property
    def prompts(self) -> list[Prompt]:
        return [p for comfy in self.comfys.values() for p in comfy.prompts.values()]

    def comfy_of(self, prompt: Prompt) -> Comfy:
        return self.comfys[prompt.server]

    # The reconcilers

    def agent(self, number: int) -> Agent | None:
        """A reconciler, started where it is not up; None where the database let it not."""
        with suppress(DatabaseError):
            if self.agents[number] is None:
                comfys = {name: self.comfys[name] for name in self.serves[number]}
                store = self.database.stores[number]
                self.agents[number] = Agent(store, comfys, self.time, self.instant)
        return self.agents[number]

    def knows_storage(self, server: str) -> bool:
        """Every reconciler, the next one as well, would know another directory from this one: that
        was seen in use before it was unmounted."""
        stored = self.database.sql(
            "select 1 from reconciler.servers where name = %s and output_marker is not null", server
        )
        watched = [agent.servers.get(server) for agent in self.agents if agent is not None]
        up = [server.record.output_marker for server in watched if server is not None]
        return bool(stored) and None not in up

    def stop(self, number: int, *, release: bool = False) -> None:
        """It is killed, or stopped and gives its leases back."""
        agent, self.agents[number] = self.agents[number], None
        if agent is not None:
            agent.close(release=release)

    def run_pass(self, number: int, look_at: list[str] | None, *, search: bool) -> None:
        """One pass, whatever becomes of it."""
        agent = self.agent(number)
        if agent is None:
            return
        self.on_moment()
        self._depth += 1
        try:
            self._run_pass(agent, look_at, search=search)
        except LeaseLost:
            pass
        except DatabaseError:
            assert self.wire.broke, "the database failed by itself"
        except Killed:
            self.stop(number)
        finally:
            self._depth -= 1
            self.on_moment()
        if not self._depth:
            self.on_pass()

    def _run_pass(self, agent: Agent, look_at: list[str] | None, *, search: bool) -> None:
        broke, self.wire.broke, begun = self.wire.broke, False, self.wire.begun
        for client in agent.clients.values():
            client.told.clear()
        report = agent.run_pass(look_at, search_history=search)
        assert self.wire.begun > begun, "no transaction was seen: they go another way by now"
        if report is None:
            return
        if report.troubled and not self.wire.broke:
            raise AssertionError(f"jobs in trouble: {report.troubled}")
        if not (self.wire.broke or report.conflicts):
            for name, client in agent.clients.items():
                for prompt_id in client.told:
                    self._note_told(self.comfys[name].prompts[prompt_id])
        self.wire.broke |= broke

    def _note_told(self, prompt: Prompt) -> None:
        """Where the prompt is linked, its end must have been stored in that pass."""
        prompt.known |= self.is_linked(prompt) and prompt.place == "history"

    def is_linked(self, prompt: Prompt) -> bool:
        """A job is known to be its."""
        return bool(
            self.database.sql("select 1 from reconciler.prompts where prompt_id = %s", prompt.id)
        )

    def is_placed(self, prompt: Prompt) -> bool:
        """It is known which server has it: that was seen of a row that was known by then."""
        return bool(
            self.database.sql(
                "select 1 from reconciler.prompts where prompt_id = %s and server is not null",
                prompt.id,
            )
        )

    # What happens in the middle of a pass

    def arm(self, after: int, happens: Callable[[], None]) -> None:
        """Something is to happen within the coming passes, so many instants from now."""
        self._armed.append((after, happens))

    def disarm(self) -> None:
        self._armed.clear()
        self.wire.breaks = None

    def break_connection(self, phase: Phase) -> None:
        """The next transaction loses its connection."""
        self.wire.breaks = phase

    def kill(self) -> None:
        raise Killed

    def instant(self) -> None:
        """Before each question to a server and before each transaction of a pass."""
        if not self._depth or self.wire.open:
            return
        due = [happens for after, happens in self._armed if after <= 0]
        self._armed = [(after - 1, happens) for after, happens in self._armed if after > 0]
        for happens in due:
            try:
                happens()
            except AssertionError as error:
                self.failures.append(error)
            self.on_moment()

    def _note_change(self, connection: Connection) -> None:
        """No change may be made under a lease that is another's."""
        leases = self.database.sql("select server, agent, epoch from reconciler.leases")
        for agent in self.agents:
            if agent is not None and (lost := agent.lost(connection, leases)):
                words = f"an agent changes something that lost its leases: {sorted(lost)}"
                self.failures.append(AssertionError(words))

    # Time

    def sleep(self, seconds: float) -> None:
        self.time.move_to(self.time.s + seconds)

    # Rows

    def insert(self, prompt_id: str | None = None) -> Row:
        columns = {"comfyui_job_id": prompt_id, "created_at": None}
        made = self.database.sql(
            "insert into production_jobs (comfyui_job_id, created_at, updated_at)"
            " values (%s, to_timestamp(%s), to_timestamp(%s)) returning id::text",
            columns["comfyui_job_id"],
            self.now,
            self.now,
        )
        row = Row(made[0]["id"], self.now, self.now)
        self.rows[row.id] = row
        return row

    def new_prompt(self, server: str, tag: str | None = None) -> Prompt:
        """A prompt that was not submitted yet; its client chose the id."""
        number = next(self._numbers)
        prompt = Prompt(f"{number:08x}-0000-4000-8000-{number:012x}", server, tag, self.now)
        self.comfys[server].prompts[prompt.id] = prompt
        return prompt

    def write(self, row: Row, status: str | None = None, **columns: Any) -> bool:
        """The application updates its row; False where it is gone."""
        for found in self.database.sql(
            "select status, error from production_jobs where id = %s", int(row.id)
        ):
            row.history.add(found["status"])
        values = columns | ({} if status is None else {"status": status})
        assignments = ", ".join(f"{name} = %s" for name in values)
        written = self.database.sql(
            f"update production_jobs set {assignments} where id = %s"
            " returning status, error, output_path",
            *values.values(),
            int(row.id),
        )
        if not written:
            return False
        row.justified.clear()
        row.note(says_of(written[0]))
        row.path = written[0]["output_path"]
        row.written.append(row.says[0])
        return True

    def ask(self, action: str, row: Row) -> bool:
        """A person asks the reconcilers for something; False where none has seen the row."""
        return bool(
            self.database.sql(
                "insert into reconciler.requests (job_id, action, attempt, asked_by)"
                " select job_id, %s, attempt, 'ana' from reconciler.job_state where job_id = %s"
                " and known_status in ('queued', 'processing', 'failed') returning id",
                action,
                row.id,
            )
        )

    def delete(self, row: Row) -> None:
        for found in self.database.sql(
            "delete from production_jobs where id = %s returning status", int(row.id)
        ):
            row.history.add(found["status"])
        row.deleted = True


def says_of(row: dict[str, Any]) -> Says:
    """Status, and for a failed row the code that its error begins with."""
    failed = row["status"] == "failed" and row["error"] is not None
    return row["status"], row["error"].split(":")[0] if failed else None


def _memory() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None
