"""One reconciler has some of the servers and the other one the rest: the one of a job of no known
server does not call it missing before both have looked.
"""

from tests.faults.stateful.machine import History

state = History()
state.begin(jobs=[], shared=True)
for _ in range(3):
    state.submit(server="pack", how="row names it")
    state.submit(server="plain", how="row names it")
    state.look(agent=1, after_s=1, look_at=None, search=False, settle=True)
    state.holds()
    state.look(agent=1, after_s=1, look_at=None, search=False, settle=True)
    state.holds()
    state.look(agent=0, after_s=1, look_at=None, search=False, settle=True)
    state.holds()
    state.end(which=0, outcome="sound")
    state.end(which=1, outcome="error")
state.teardown()
