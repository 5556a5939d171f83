"""A reconciler is frozen at each instant of a pass, and wakes when the other one has its leases."""

from tests.faults.stateful.machine import History

for after in range(3, 16):
    state = History()
    state.submit(server="pack", how="row names it")
    state.end(which=0, outcome="missing")
    state.look(agent=0, after_s=1, look_at=None, search=True, settle=True)
    state.holds()
    state.world.sleep(30)
    state.frozen(agent=0, after=after, for_s=16)
    state.holds()
    state.user(which=0, does="retry")
    state.frozen(agent=1, after=after, for_s=16)
    state.holds()
    state.world.close()
