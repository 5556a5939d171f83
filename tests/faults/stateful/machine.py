"""The rules of a history, for hypothesis: what may happen next, again and again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar, Literal, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.faults.stateful.comfyui import NETWORKS, OUTCOMES, Comfy, Network, Outcome
from tests.faults.stateful.database import PHASES, Database, Phase
from tests.faults.stateful.invariants import check_calm, check_rows, check_step
from tests.faults.stateful.prompts import Prompt
from tests.faults.stateful.truth import note_moment
from tests.faults.stateful.world import FINAL, Row, World

T = TypeVar("T")

SERVERS = st.sampled_from(["pack", "plain"])
#: Which one of those that there are, counted from the newest.
WHICH = st.integers(0, 3)
LOOK_AT = st.sampled_from([None, None, None, ["pack"], ["plain"], []])
SECONDS = st.sampled_from([0, 1, 11, 25, 31, 61, 61, 170, 400, 650, 1400, 5000])
#: So many questions and transactions into a pass.
AFTER = st.integers(0, 20)
HOWS = ("row names it", "tag", "row first", "row names it", "tag", "nothing")
AGENTS = st.sampled_from([0, 0, 1])
USERS = (
    *("cancel", "delete", "reopen", "retry", "open without", "name another", "touch"),
    *("ask to cancel", "ask to look again"),
)


def newest(things: Sequence[T], which: int) -> T:
    return things[-1 - which % len(things)]


class History(RuleBasedStateMachine):
    """Everything that can happen, one step after the other.

    hypothesis prints a failing history as the script that makes it:
    `state = History()`, one call for each step, `state.teardown()`.
    """

    database: ClassVar[Database]
    #: How often each rule was followed, and how many histories there were.
    counts: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.counts["histories"] += 1
        self.steps_since_calm = 0
        self.world = World(self.database)
        self.world.on_moment = partial(note_moment, self.world)
        self.world.on_pass = partial(check_rows, self.world)
        self.look(agent=0, after_s=0, look_at=None, search=False, settle=True)

    def teardown(self) -> None:
        try:
            self.calm(restarting=False)
            check_step(self.world)
        finally:
            self.world.close()

    # What is there

    @property
    def rows(self) -> list[Row]:
        return [row for row in self.world.rows.values() if not row.deleted]

    @property
    def comfys(self) -> list[Comfy]:
        return list(self.world.comfys.values())

    def _prompts(self, *places: str) -> list[Prompt]:
        return [prompt for prompt in self.world.prompts if prompt.place in places]

    def _count(self, name: str) -> None:
        self.steps_since_calm += 1
        self.counts["steps"] += 1
        self.counts[name] += 1

    @invariant()
    def holds(self) -> None:
        check_step(self.world)
        for row in self.world.rows.values():
            row.justified.clear()
        note_moment(self.world)

    # Jobs

    @initialize(jobs=st.lists(st.tuples(SERVERS, st.sampled_from(HOWS)), min_size=1, max_size=3),
                running=st.booleans(), shared=st.booleans())  # fmt: skip
    def begin(
        self, jobs: list[tuple[str, str]], running: bool = False, shared: bool = False
    ) -> None:
        """`shared`: the second reconciler has one of the servers, and the first one the other."""
        if shared:
            self.world.stop(0, release=True)
            self.world.serves[1] = ["plain"]
            for agent in (1, 0):
                self._pass(agent, None)
        for server, how in jobs:
            self._submit(server, how)
        for comfy in self.comfys:
            if running:
                comfy.start()

    @rule(server=SERVERS, how=st.sampled_from(HOWS))
    def submit(self, server: str, how: str) -> None:
        """A job: its row names the prompt, or the prompt the row, or neither the other."""
        self._submit(server, how)

    def _submit(self, server: str, how: str) -> None:
        self._count(f"submit: {how}")
        world, comfy = self.world, self.world.comfys[server]
        if how == "nothing" or not comfy.up:
            world.insert()
            return
        if how == "tag":
            row = world.insert()
            prompt = world.new_prompt(server, tag=row.id)
        else:
            prompt = world.new_prompt(server)
            row = world.insert(prompt.id)
        row.prompts = [prompt]
        if how == "row first":
            prompt.was_away = True
        else:
            comfy.submit(prompt)

    @precondition(lambda self: any(self._unsent()))
    @rule(which=WHICH)
    def send(self, which: int) -> None:
        """The prompt that a row has named for a while is submitted."""
        prompt = newest(self._unsent(), which)
        if self.world.comfy_of(prompt).up:
            self._count("send")
            prompt.created_at = self.world.now
            self.world.comfy_of(prompt).submit(prompt)

    def _unsent(self) -> list[Prompt]:
        return [p for p in self._prompts("nowhere") if p.gone_at is None]

    @precondition(lambda self: any(self._prompts("pending", "running")))
    @rule()
    def get_on(self) -> None:
        """The next prompts run; those that run give a sign of life."""
        self._count("start or sign of life")
        for comfy in self.comfys:
            if comfy.start() is None and comfy.running is not None:
                comfy.running.last_sign_at = self.world.now

    @precondition(lambda self: any(self._prompts("pending", "running")))
    @rule(which=WHICH, outcome=st.sampled_from(OUTCOMES))
    def end(self, which: int, outcome: Outcome) -> None:
        """A prompt ends; perhaps it ran between two looks."""
        self._end(which, outcome)

    def _end(self, which: int, outcome: Outcome) -> None:
        busy = [c for c in self.comfys if c.running or c.pending]
        if busy:
            comfy = newest(busy, which)
            comfy.start()
            if comfy.running is not None and comfy.up and comfy.worker_alive:
                self._count(f"end: {outcome}")
                comfy.end(comfy.running, outcome)

    @precondition(lambda self: any(self._prompts("pending", "history")))
    @rule(which=WHICH)
    def clear(self, which: int) -> None:
        """Somebody deletes a prompt from the queue, or its entry from the history."""
        self._clear_prompt(which)

    def _clear_prompt(self, which: int) -> None:
        if found := self._prompts("pending", "history"):
            prompt = newest(found, which)
            comfy = self.world.comfy_of(prompt)
            self._count(f"deleted: {prompt.place}")
            (comfy.remove if prompt.place == "pending" else comfy.evict)(prompt)

    # Servers and files

    @rule(server=SERVERS, network=st.sampled_from([*NETWORKS, "well", "well"]))
    def network(self, server: str, network: Network) -> None:
        self._count(f"network: {network}")
        self.world.comfys[server].network = network

    @rule(server=SERVERS, saved=st.booleans(), at_once=st.booleans())
    def crash(self, server: str, saved: bool, at_once: bool) -> None:
        """It dies, or is back; it may be so before anyone asks."""
        self._crash(server, saved=saved, at_once=at_once)

    def _crash(self, server: str, *, saved: bool, at_once: bool) -> None:
        comfy = self.world.comfys[server]
        self._count("crash" if comfy.up else "restart")
        if comfy.up:
            comfy.crash(saved=saved)
        else:
            comfy.restart()
        if at_once and not comfy.up:
            comfy.restart()

    @precondition(lambda self: any(c.running and c.pack for c in self.comfys))
    @rule()
    def worker_dies(self) -> None:
        self._count("worker dies")
        self.world.comfys["pack"].worker_alive = False

    @rule(server=SERVERS)
    def storage(self, server: str) -> None:
        """The output directory is unmounted, or mounted again."""
        comfy = self.world.comfys[server]
        if not comfy.mounted:
            self._count("storage back")
            comfy.remount()
        elif self.world.knows_storage(server):
            self._count("storage away")
            comfy.unmount()

    @precondition(lambda self: any(c.files for c in self.comfys))
    @rule(which=WHICH)
    def move_file(self, which: int) -> None:
        """What was late is there, or else a file vanishes."""
        late = [(comfy, name) for comfy in self.comfys for name in comfy.late]
        files = [f for c in self.comfys for f in c.files.values() if f.path.exists()]
        if late:
            self._count("late file")
            comfy, name = newest(late, which)
            comfy.arrive(name)
        elif files:
            self._count("file vanishes")
            newest(files, which).path.unlink()

    # Users

    @precondition(lambda self: any(self.rows))
    @rule(which=WHICH, does=st.sampled_from(USERS))
    def user(self, which: int, does: str) -> None:
        self._user(newest(self.rows, which), does)

    def _user(self, row: Row, does: str) -> None:
        if row.deleted:
            return
        self._count(f"user: {does}")
        getattr(self, f"_{does.replace(' ', '_')}")(row)

    def _cancel(self, row: Row) -> None:
        row.cancelled = self.world.write(row, "cancelled", error=None) or row.cancelled

    def _ask_to_cancel(self, row: Row) -> None:
        """As a person asks the reconciler."""
        if self.world.ask("cancel", row):
            row.cancel_asked = True
            for prompt in row.prompts:
                prompt.cancel_asked = True
            note_moment(self.world)

    def _ask_to_look_again(self, row: Row) -> None:
        self.world.ask("recheck", row)

    def _delete(self, row: Row) -> None:
        self.world.delete(row)

    def _touch(self, row: Row) -> None:
        """Something that is no business of ours."""
        self.world.write(row, job_type="touched")

    def _reopen(self, row: Row) -> None:
        """The row is open again, with the prompt that it names."""
        if row.says[0] in FINAL:
            again = self.world.write(row, "processing", error=None)
            self._new_attempt(row, row.prompts if again else [])
            row.overwritten += 1

    def _open_without(self, row: Row) -> None:
        if row.says[0] in FINAL and self.world.write(
            row, "queued", error=None, comfyui_job_id=None, output_path=None
        ):
            self._new_attempt(row, [p for p in row.prompts if p.tag and p.place != "nowhere"])
            row.unsure = True

    def _retry(self, row: Row) -> None:
        """A final row is opened again for a new prompt."""
        if row.says[0] in FINAL:
            self._with_another(row, "queued")

    def _name_another(self, row: Row) -> None:
        """An open row names another prompt than before."""
        if row.says[0] not in FINAL and row.prompts:
            self._with_another(row, row.says[0])

    def _with_another(self, row: Row, status: str) -> None:
        server = row.prompts[0].server if row.prompts else "plain"
        prompt = self.world.new_prompt(server)
        prompt.was_away = not self.world.comfys[server].up
        if self.world.comfys[server].up:
            self.world.comfys[server].submit(prompt)
        written = self.world.write(
            row, status, error=None, comfyui_job_id=prompt.id, output_path=None
        )
        if written:
            # Of a prompt that carries the row's id and was not seen yet, or still lives, nothing
            # tells for which attempt it is, nor its file, where that names no prompt.
            row.unsure |= any(
                p.tag and (p.lives or not self.world.is_linked(p)) for p in row.prompts
            )
            self._new_attempt(row, [prompt])

    def _new_attempt(self, row: Row, prompts: list[Prompt]) -> None:
        row.cancelled, row.prompts, row.opened_at = False, prompts, self.world.now
        row.cancel_asked = False
        note_moment(self.world)

    # The reconcilers

    @rule(agent=AGENTS, after_s=SECONDS, look_at=LOOK_AT, search=st.booleans(),
          settle=st.booleans())  # fmt: skip
    def look(
        self, agent: int, after_s: int, look_at: list[str] | None, search: bool, settle: bool
    ) -> None:
        """A pass, a while after the last step; hints named some servers, or time came."""
        self._count("pass")
        self.world.sleep(after_s)
        self._pass(agent, look_at, search=search, settle=settle)

    @rule(agent=AGENTS, times=st.integers(2, 4), every_s=st.sampled_from([0, 1, 21, 61]))
    def looks(self, agent: int, times: int, every_s: int) -> None:
        """Several passes in a row."""
        self._count("passes")
        for _ in range(times):
            self.world.sleep(every_s)
            self._pass(agent, None)

    def _pass(
        self, agent: int, look_at: list[str] | None, *, search: bool = True, settle: bool = True
    ) -> None:
        up = self.world.agent(agent)
        if up is not None and settle:
            up.settle()
        self.world.run_pass(agent, look_at, search=search)

    @rule(agent=AGENTS)
    def scan(self, agent: int) -> None:
        """The output directories are listed, or events named their files."""
        self._count("scan")
        self._scan(agent)

    def _scan(self, agent: int) -> None:
        up = self.world.agent(agent)
        if up is not None:
            up.scan()
            up.settle()

    @rule(agent=AGENTS, how=st.sampled_from(["stopped", "killed"]))
    def restart_agent(self, agent: int, how: str) -> None:
        """It is stopped, or killed; the next pass starts another."""
        self._count(f"reconciler {how}")
        self.world.stop(agent, release=how == "stopped")

    @rule(agent=AGENTS, after=AFTER, phase=st.sampled_from([*PHASES, "killed"]))
    def breaks(self, agent: int, after: int, phase: Phase | Literal["killed"]) -> None:
        """The connection to the database breaks in a pass, or the reconciler is killed."""
        self._count(f"in a pass: {phase}")
        world = self.world
        kill_or_break = world.kill if phase == "killed" else partial(world.break_connection, phase)
        self._in_the_middle(agent, after, kill_or_break)

    @precondition(lambda self: any(self.rows))
    @rule(agent=AGENTS, after=AFTER, which=WHICH, does=st.sampled_from(USERS))
    def user_meanwhile(self, agent: int, after: int, which: int, does: str) -> None:
        """A user is faster than the pass that is about to write."""
        row = newest(self.rows, which)
        self._in_the_middle(agent, after, lambda: self._user(row, does))

    @precondition(lambda self: any(self._prompts("pending", "running")))
    @rule(agent=AGENTS, after=AFTER, which=WHICH, outcome=st.sampled_from(OUTCOMES))
    def end_meanwhile(self, agent: int, after: int, which: int, outcome: Outcome) -> None:
        """A prompt ends between two questions of a pass."""
        self._count("in a pass: end")
        self._in_the_middle(agent, after, lambda: self._end(which, outcome))

    @rule(agent=AGENTS, after=AFTER, server=SERVERS, what=st.sampled_from(["crash", "clear"]))
    def gone_meanwhile(self, agent: int, after: int, server: str, what: str) -> None:
        """The server restarts between two questions, or forgets a prompt."""
        self._count(f"in a pass: {what}")
        if what == "crash":
            happens: Callable[[], None] = partial(self._crash, server, saved=False, at_once=True)
        else:
            happens = partial(self._clear_prompt, 0)
        self._in_the_middle(agent, after, happens)

    @rule(agent=AGENTS, after=AFTER, for_s=st.sampled_from([0, 5, 16, 31, 100]))
    def frozen(self, agent: int, after: int, for_s: int) -> None:
        """It is frozen in the middle of a pass, for longer than its leases last or not, and the
        other reconciler makes some of its own."""
        self._count("in a pass: frozen")

        def others_go_on() -> None:
            self.world.sleep(for_s)
            for _ in range(2):
                self._pass(1 - agent, None)

        self._in_the_middle(agent, after, others_go_on)

    def _in_the_middle(self, agent: int, after: int, happens: Callable[[], Any]) -> None:
        up = self.world.agent(agent)
        if up is not None:
            up.settle()
        self.world.arm(after, happens)
        self.world.run_pass(agent, None, search=True)
        self.world.disarm()

    # Calm

    @precondition(lambda self: self.steps_since_calm > 12)
    @rule(restarting=st.booleans())
    def calm(self, restarting: bool) -> None:
        """Everything answers, for hours; the rows must tell the truth.

        `restarting`: the reconciler is a new one at each pass, as `reconciler once` is.
        """
        self._count("calm")
        self.steps_since_calm = 0
        self._mend()
        self._passes(restarting, [16, 0, 0, 5, 5])
        check_step(self.world)
        check_calm(self.world, hours_later=False)
        self._passes(restarting, [21, 31, 61, *[250] * 7])
        if restarting:  # what a reconciler has watched for long enough
            self._passes(False, [250] * 6)
        check_step(self.world)
        check_calm(self.world, hours_later=True)

    def _mend(self) -> None:
        self.world.disarm()
        for comfy in self.comfys:
            comfy.network = "well"
            if not comfy.up:
                comfy.restart()
            if not comfy.mounted:
                comfy.remount()

    def _passes(self, restarting: bool, pauses: list[int]) -> None:
        for seconds in pauses:
            self.world.sleep(seconds)
            if restarting:
                self.world.stop(0, release=True)
            self._pass(0, None)
            self._scan(0)
