"""Servers lose everything; nothing is lost before its time, and everything in its time."""

from tests.faults.stateful.machine import History

state = History()
state.begin(jobs=[("plain", "row names it"), ("plain", "tag"), ("pack", "tag")], running=True)
state.looks(agent=0, times=2, every_s=1)
state.crash(server="plain", saved=False, at_once=True)
state.crash(server="pack", saved=True, at_once=True)
state.holds()
for after_s in (0, 61, 1, 1, 61):
    state.look(agent=0, after_s=after_s, look_at=None, search=False, settle=True)
    state.holds()
state.calm(restarting=True)
state.teardown()
