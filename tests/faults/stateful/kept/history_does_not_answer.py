"""The queue is told and the history is not: what left the queue may be there."""

from tests.faults.stateful.machine import History

state = History()
state.begin(jobs=[("plain", "row names it"), ("pack", "row names it")], running=True)
state.looks(agent=0, times=2, every_s=1)
for server in ("plain", "pack"):
    state.network(server=server, network="mute history")
    state.gone_meanwhile(agent=0, after=0, server=server, what="clear")
state.end(which=0, outcome="sound")
state.end(which=0, outcome="error")
state.looks(agent=0, times=4, every_s=61)
state.holds()
for server in ("plain", "pack"):
    state.network(server=server, network="refused")
    state.submit(server=server, how="row names it")
state.looks(agent=0, times=4, every_s=61)
state.holds()
state.teardown()
