"""Rows are opened again, with the prompt that they had and with others; what was then is past."""

from tests.faults.stateful.machine import History

state = History()
for outcome in ("error", "sound", "damaged", "nothing"):
    state.submit(server="plain", how="row names it")
    state.end(which=0, outcome=outcome)
    state.looks(agent=0, times=3, every_s=21)
    state.holds()
    state.user(which=0, does="retry")
    state.looks(agent=0, times=3, every_s=1)
    state.holds()
    state.end(which=0, outcome="error" if outcome == "sound" else "sound")
    state.looks(agent=0, times=2, every_s=1)
    state.holds()
    state.user(which=0, does="reopen")
    state.looks(agent=0, times=2, every_s=1)
    state.user(which=0, does="cancel")
    state.holds()
state.teardown()
