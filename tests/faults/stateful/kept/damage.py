"""A damaged file is inspected again before it is called so; one that is cached is another's."""

from tests.faults.stateful.machine import History

state = History()
state.begin(jobs=[("plain", "row names it"), ("pack", "tag")], running=True)
state.end(which=0, outcome="damaged")
state.end(which=0, outcome="damaged")
state.looks(agent=0, times=3, every_s=1)
state.holds()
state.looks(agent=0, times=3, every_s=21)
state.holds()
for outcome in ("sound", "cached", "cached", "overwritten", "cached"):
    for server in ("plain", "pack"):
        state.submit(server=server, how="tag")
        state.end(which=0, outcome=outcome)
    state.look(agent=0, after_s=11, look_at=None, search=True, settle=True)
    state.looks(agent=0, times=2, every_s=1)
    state.holds()
state.teardown()
