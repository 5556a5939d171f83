"""Servers are away for longer than a prompt may be silent or run, and then it is still there."""

from tests.faults.stateful.machine import History

state = History()
state.begin(jobs=[("pack", "row names it"), ("plain", "tag")], running=True)
state.looks(agent=0, times=2, every_s=1)
for server in ("pack", "plain"):
    state.network(server=server, network="timeout")
state.look(agent=0, after_s=61, look_at=None, search=False, settle=True)
state.look(agent=0, after_s=650, look_at=None, search=False, settle=True)
state.holds()
for server in ("pack", "plain"):
    state.network(server=server, network="well")
for _ in range(4):
    state.look(agent=0, after_s=61, look_at=None, search=True, settle=True)
    state.holds()
state.teardown()
