"""The directory is unmounted when the prompts have succeeded: an empty one proves nothing."""

from tests.faults.stateful.machine import History

state = History()
state.begin(jobs=[("plain", "row names it"), ("pack", "tag")], running=True)
state.looks(agent=0, times=2, every_s=1)
for outcome in ("sound", "two"):
    state.end(which=0, outcome=outcome)
    state.submit(server="plain", how="row names it")
state.looks(agent=0, times=2, every_s=1)
for which in range(2):
    state.end(which=which, outcome="sound")
for server in ("plain", "pack"):
    state.storage(server=server)
state.looks(agent=0, times=4, every_s=21)
state.holds()
state.teardown()
