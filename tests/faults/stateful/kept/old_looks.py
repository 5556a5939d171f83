"""Passes for files and progress alone: what was seen of a server long ago gives no verdict."""

from tests.faults.stateful.machine import History

state = History()
state.begin(jobs=[("pack", "row names it")], running=True)
state.looks(agent=0, times=4, every_s=61)
state.get_on()
for _ in range(2):
    state.look(agent=0, after_s=250, look_at=None, search=False, settle=True)
    state.holds()
state.get_on()
# The last look saw a sign of life 500 s ago; there has been one since.
state.look(agent=0, after_s=170, look_at=[], search=False, settle=True)
state.holds()
state.end(which=0, outcome="sound")
state.look(agent=0, after_s=250, look_at=[], search=False, settle=True)
state.holds()
state.teardown()
