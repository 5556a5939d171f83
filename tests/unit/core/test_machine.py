"""A job followed through everything that a server, its files and its application can do.

After each look the row is compared with the truth, which the observer cannot see.
"""

from __future__ import annotations

import math
from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from reconciler.core.case import Decision
from reconciler.core.decide import decide
from reconciler.core.evidence import EndKind
from reconciler.core.jobs import FailureCode, Job, Status
from reconciler.core.policy import Policy, StallPolicy
from reconciler.core.stall import runtime_budget_s
from tests.unit.core.strategies import PATIENT
from tests.unit.core.world import CONFIRM_S, Observer, Prompt, World

POLICY = Policy(
    stall=StallPolicy(no_progress_s=300, base_s=1000, per_frame_s=0, startup_grace_s=20),
    server_down_timeout_s=2000,
    never_seen_timeout_s=3000,
)

#: What befalls a server and its surroundings; some of it is mended when it comes a second time.
DISTURBANCES = ["network", "mounted", "restart", "history", "delete", "worker"]
DISTURBANCES += [EndKind.ERROR.value, EndKind.INTERRUPTED.value]


class Life(RuleBasedStateMachine):
    """One job. `own` are the prompts of its current attempt, in the order of their making."""

    @initialize(
        has_pack=st.booleans(),
        links=st.booleans(),
        saves=st.sampled_from([1, 2, 1, 2, 0, None, 1, 2, 1, 2]),
    )
    def begin(self, has_pack, links, saves):
        self.world = World(has_pack)
        self.links = links
        self.attempt = 0
        self.open_attempt(saves)

    def open_attempt(self, saves: int | None):
        """The application inserts or reopens the row; the old prompts are no evidence any more."""
        self.attempt += 1
        self.own: list[str] = []
        first = f"p{self.attempt}.0"
        linked = first if self.links else None
        self.job = Job("42", Status.QUEUED, None, self.attempt, linked, self.world.now)
        self.observer = Observer(self.world, self.world.now - 100)
        self.by_application = False
        if saves is None:
            self.own.append(first)  # promised, and never submitted
        else:
            self.submit(saves)

    def submit(self, saves: int):
        name = f"p{self.attempt}.{len(self.own)}"
        self.own.append(name)
        self.world.prompts[name] = Prompt(name, saves)
        self.world.queue.append(name)

    # What the application does.

    @precondition(lambda self: not self.job.status.is_final)
    @rule(status=st.sampled_from([Status.CANCELLED, Status.FAILED]), really=st.integers(0, 4))
    def application_ends_it(self, status, really):
        if really == 4:
            self.job = replace(self.job, status=status, failure=None)
            self.by_application = True

    @precondition(lambda self: self.job.status.is_final and self.world.answers)
    @rule(saves=st.integers(1, 2))
    def application_reopens_it(self, saves):
        self.open_attempt(saves)

    # What the server does.

    @precondition(lambda self: self.world.works)
    @rule(closes=st.sampled_from(["whole"] * 5 + ["broken"]))
    def go_on(self, closes):
        """The next thing that happens where nothing goes wrong, but for a broken file."""
        prompt = self.world.current
        if prompt is None:
            self.world.start_next()
        elif self.to_save(prompt):
            self.world.write(closes)
        else:
            self.world.finish(EndKind.SUCCESS)

    @precondition(lambda self: self.world.works)
    @rule()
    def go_on_to_the_end(self):
        if self.world.current is None:
            self.world.start_next()
        self.succeed()

    @precondition(lambda self: self.world.running in self.own and self.world.answers)
    @rule(saves=st.integers(0, 2))
    def queue_follow_up(self, saves):
        if len(self.own) < 3:
            self.submit(saves)
            # One that nobody could ever see is beyond all evidence: let it be seen.
            self.look()

    @rule(what=st.sampled_from(DISTURBANCES), data=st.data())
    def disturb(self, what, data):
        world, runs = self.world, bool(self.world.works and self.world.running)
        if what in ("network", "mounted"):
            setattr(world, what, not getattr(world, what))
        elif what == "restart":
            if world.up:
                world.crash()
            else:
                world.restart()
        elif what == "history":
            world.history.clear()
        elif what == "delete" and world.queue:
            world.remove(data.draw(st.sampled_from(world.queue)))
        elif what == "worker" and runs:
            world.worker = False
        elif what in tuple(EndKind) and runs:
            world.finish(EndKind(what))

    @precondition(lambda self: self.world.mounted and self.saved())
    @rule(data=st.data(), state=st.sampled_from(["broken", "deleted", "whole"]))
    def touch_file(self, data, state):
        """Somebody deletes or damages a file, or brings it back."""
        prompt = data.draw(st.sampled_from(self.saved()))
        prompt.files[data.draw(st.sampled_from(sorted(prompt.files)))] = state

    # What the reconciler does.

    @rule(seconds=st.sampled_from([1, 10, 30, 60, 301, 1001, 2001]))
    def pass_time(self, seconds):
        self.world.now += seconds
        self.look()

    @rule()
    def restart_reconciler(self):
        self.observer.watching_since = self.world.now
        self.observer.witness_since = None

    @rule(times=st.integers(1, 4), every=st.sampled_from([1, 11, 30]))
    def look_often(self, times, every):
        for _ in range(times):
            self.look()
            self.world.now += every

    def look(self):
        first = self.judge()
        if first.needs_second_look:
            second = self.judge()
            if (second.rule, second.failure) != (first.rule, first.failure):
                return
        before, self.job = (
            self.job,
            replace(self.job, status=first.status, failure=first.failure),
        )
        self.check_transition(before, first)

    def judge(self) -> Decision:
        evidence = self.observer.look(self.own, self.job.prompt_id)
        return decide(self.job, evidence, POLICY, self.world.now)

    # What must hold.

    def check_transition(self, before: Job, decision: Decision):
        if before.status.is_final:
            if decision.status is not before.status:
                assert decision.rule == "late_success"
                assert before.failure is not None
                assert not before.failure.is_permanent
            else:
                assert decision.failure is before.failure
        if decision.status is before.status:
            return
        if decision.status is Status.COMPLETED:
            self.check_completed()
        elif decision.status is Status.CANCELLED:
            assert any(p.end is EndKind.REMOVED for p in self.truth())
            assert not self.any_alive()
        elif decision.status is Status.FAILED:
            self.check_failed(decision.failure)
        elif decision.status is Status.QUEUED:
            assert self.any_alive()

    def check_completed(self):
        assert self.world.mounted
        assert not self.any_alive()
        assert any(p.files for p in self.truth())
        for prompt in self.truth():
            kept = self.observer.memory.get(prompt.id)
            if kept is None or not kept.ever_seen:
                continue
            assert prompt.whole
            assert prompt.succeeded or len(prompt.files) >= prompt.saves

    def check_failed(self, code: FailureCode):
        truth, ends, now = self.truth(), {p.end for p in self.truth()}, self.world.now
        running = self.world.current
        files = [state for p in truth if p.succeeded for state in p.files.values()]
        if code is FailureCode.EXECUTION_ERROR:
            assert EndKind.ERROR in ends
        elif code is FailureCode.INTERRUPTED:
            assert EndKind.INTERRUPTED in ends
        elif code is FailureCode.STALLED:
            assert running is not None
            assert running.started_at is not None
            assert running.sign_at is not None
            budget = runtime_budget_s(self.job, POLICY.stall)
            silent = now - running.sign_at > POLICY.stall.no_progress_s
            assert silent or now - running.started_at > budget
        elif code is FailureCode.WORKER_DEAD:
            assert not self.world.worker
        elif code is FailureCode.SERVER_DOWN:
            assert not self.world.answers
            assert self.unreachable_for_s() > (POLICY.server_down_timeout_s or 0)
        elif code in (FailureCode.LOST, FailureCode.NEVER_SUBMITTED):
            assert not self.any_alive()
            assert self.world.answers
            assert self.world.mounted
            assert self.missed_for_long(never_seen=code is FailureCode.NEVER_SUBMITTED)
            assert not (truth and all(p.succeeded and p.files and p.whole for p in truth))
        elif code is FailureCode.MISSING_OUTPUT:
            assert "deleted" in files
        elif code is FailureCode.INVALID_OUTPUT:
            assert "broken" in files
            assert now - min(self.observer.broken_since.values()) >= CONFIRM_S
        else:
            assert code is FailureCode.NO_OUTPUT
            assert not files
            assert not self.any_alive()

    def unreachable_for_s(self) -> float:
        assert self.observer.unreachable_since is not None
        seen_from = max(self.observer.unreachable_since, self.observer.watching_since)
        return self.world.now - seen_from

    def missed_for_long(self, never_seen: bool) -> bool:
        """Every prompt that the row could be waiting for was missed, by looks or by a new boot."""
        now, missed = self.world.now, []
        for kept in self.observer.memory.values():
            if kept.ending is not None:
                continue
            since = math.inf if kept.missing_since is None else kept.missing_since
            if never_seen:
                missed.append(now - since > (POLICY.never_seen_timeout_s or 0))
                continue
            changed = kept.boot_changed_since
            restarted = changed is not None and now - changed >= POLICY.restart_grace_s
            long = kept.looks >= POLICY.lost_confirmations and now - since >= POLICY.lost_grace_s
            missed.append(restarted or long)
        return bool(missed) and all(missed)

    def truth(self) -> list[Prompt]:
        return [self.world.prompts[i] for i in self.own if i in self.world.prompts]

    def any_alive(self) -> bool:
        return any(self.world.alive(i) for i in self.own)

    def saved(self) -> list[Prompt]:
        return [p for p in self.world.prompts.values() if p.succeeded and p.files]

    @staticmethod
    def to_save(prompt: Prompt) -> bool:
        return len(prompt.files) < prompt.saves or "growing" in prompt.files.values()

    def succeed(self):
        """The running prompt saves what it has not saved yet, and ends."""
        while self.to_save(self.world.current):
            self.world.write("whole")
        self.world.finish(EndKind.SUCCESS)

    def teardown(self):
        """When all is mended and every prompt has run, the row must say how the job ended."""
        if not hasattr(self, "world"):
            return
        world = self.world
        self.look()
        world.network = world.mounted = True
        if not world.up or not world.worker:
            if world.up:
                world.crash()
            world.restart()
        while world.running or world.queue:
            if not world.running:
                world.start_next()
            self.succeed()
        for seconds in (0, 30, 30, 30, 3001):
            world.now += seconds
            self.look()
        self.check_end()

    def check_end(self):
        status, truth = self.job.status, self.truth()
        told = {i for i, kept in self.observer.memory.items() if kept.ending}
        if self.links or any(p.id in self.observer.memory for p in truth):
            assert status.is_final
        if self.by_application:
            assert status in (Status.CANCELLED, Status.FAILED)
            return
        evident = all(p.saves or p.id in told for p in truth)
        if truth and evident and all(p.succeeded and p.whole for p in truth):
            saved = any(p.files for p in truth)
            assert status is (Status.COMPLETED if saved else Status.FAILED)


Life.TestCase.settings = settings(PATIENT, max_examples=300, stateful_step_count=30)
TestLife = Life.TestCase
