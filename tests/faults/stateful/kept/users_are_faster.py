"""A user cancels, deletes, or names another prompt, at each instant of the last pass."""

from tests.faults.stateful.machine import History

state = History()
for does in ("cancel", "name another", "delete"):
    for after in range(5, 15):
        state.submit(server="plain", how="row names it")
        state.end(which=0, outcome="error")
        state.user_meanwhile(agent=0, after=after, which=0, does=does)
        state.holds()
        state.end(which=0, outcome="nothing")  # the other prompt, where there is one
state.teardown()
