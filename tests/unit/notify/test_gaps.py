"""The gap rule against all interleavings of writers that Hypothesis thinks of."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from reconciler.notify.gaps import GapRule


@dataclass(frozen=True)
class Event:
    id: int


@dataclass
class World:
    """A table of events as transactions fill it, and a reader that follows it by the rule."""

    page: int = 3
    last_id: int = 0
    #: The ids that transactions under way have taken; they hold the lock from the first moment.
    under_way: dict[str, list[int]] = field(default_factory=dict)
    visible: set[int] = field(default_factory=set)
    heard: list[int] = field(default_factory=list)
    rule: GapRule = field(default_factory=lambda: GapRule(0))

    def read(self) -> None:
        seen = sorted(each for each in self.visible if each > self.rule.position)
        released = self.rule.release([Event(each) for each in seen[: self.page]])
        self.heard += [event.id for event in released]

    def note(self) -> bool:
        return self.rule.note(set(self.under_way))

    def read_on(self) -> None:
        """As the feed does: until nothing more may be told now."""
        while True:
            before = self.rule.position
            self.read()
            if self.rule.is_held:
                if not self.note():
                    return
            elif self.rule.position == before:
                return


class Writers(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.begun = 0

    @precondition(lambda self: len(self.world.under_way) < 4)
    @rule()
    def begin(self) -> None:
        self.begun += 1
        self.world.under_way[f"transaction {self.begun}"] = []

    @precondition(lambda self: self.world.under_way)
    @rule(data=st.data())
    def write(self, data: st.DataObject) -> None:
        writer = data.draw(st.sampled_from(sorted(self.world.under_way)))
        self.world.last_id += 1
        self.world.under_way[writer].append(self.world.last_id)

    @precondition(lambda self: self.world.under_way)
    @rule(data=st.data(), commits=st.booleans())
    def end(self, data: st.DataObject, commits: bool) -> None:
        writer = data.draw(st.sampled_from(sorted(self.world.under_way)))
        ids = self.world.under_way.pop(writer)
        if commits:
            self.world.visible |= set(ids)

    @rule()
    def read(self) -> None:
        self.world.read()

    @precondition(lambda self: self.world.rule.is_held)
    @rule()
    def note(self) -> None:
        self.world.note()
        self.world.read()  # what is noted counts for what is read after it alone

    @rule()
    def read_on(self) -> None:
        self.world.read_on()

    @invariant()
    def nothing_is_passed_over(self) -> None:
        position = self.world.rule.position
        to_come = [each for ids in self.world.under_way.values() for each in ids]
        assert all(each > position for each in to_come)
        assert self.world.heard == sorted(i for i in self.world.visible if i <= position)

    def teardown(self) -> None:
        """Once everybody has ended, everything is told, whatever was rolled back."""
        for ids in self.world.under_way.values():
            self.world.visible |= set(ids)
        self.world.under_way = {}
        self.world.read_on()
        assert self.world.heard == sorted(self.world.visible)


TestWriters = Writers.TestCase
TestWriters.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)


def test_what_is_behind_a_gap_waits_for_those_who_wrote_then_and_for_nobody_else() -> None:
    world = World(under_way={"slow": [1]}, visible={2}, last_id=2)
    world.read_on()
    assert world.heard == [] and world.rule.is_held
    world.under_way["later"] = [3]
    world.visible |= {4}
    world.read_on()
    assert world.heard == [], "the first one has not ended"
    del world.under_way["slow"]  # rolled back
    world.read_on()
    assert world.heard == [2], "1 never comes; 3 still may"
    world.visible |= set(world.under_way.pop("later"))
    world.read_on()
    assert world.heard == [2, 3, 4]


def test_ids_that_nobody_will_use_hold_up_nothing() -> None:
    """As after a crash, when a sequence skips some."""
    world = World(visible={33, 34})
    world.read_on()
    assert world.heard == [33, 34]
