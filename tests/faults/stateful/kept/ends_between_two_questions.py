"""A prompt leaves the queue and enters the history at each instant of a pass."""

from tests.faults.stateful.machine import History

state = History()
for after in range(14):
    state.submit(server="plain", how="row names it")
    state.get_on()
    state.look(agent=0, after_s=1, look_at=None, search=False, settle=True)
    state.end_meanwhile(agent=0, after=after, which=0, outcome="sound")
    state.holds()
state.teardown()
