"""Somebody asks for a job to be cancelled, at each instant of a pass in which its prompt ends or
waits; the reconciler may be killed, or lose its connection, before it has answered."""

from tests.faults.stateful.machine import History

state = History()
for server in ("pack", "plain"):
    for after in range(2, 14, 2):
        state.submit(server=server, how="row names it")
        state.looks(agent=0, times=2, every_s=1)
        state.user_meanwhile(agent=0, after=after, which=0, does="ask to cancel")
        state.holds()
        state.looks(agent=0, times=3, every_s=1)
        state.holds()
    for outcome in ("sound", "error", "interrupted"):
        state.submit(server=server, how="row names it")
        state.get_on()
        state.looks(agent=0, times=2, every_s=1)
        state.user(which=0, does="ask to cancel")
        state.end_meanwhile(after=3, agent=0, outcome=outcome, which=0)
        state.holds()
        state.looks(agent=0, times=3, every_s=1)
        state.holds()
    state.submit(server=server, how="row names it")
    state.get_on()
    state.looks(agent=0, times=2, every_s=1)
    state.user(which=0, does="ask to cancel")
    state.world.stop(0)
    state.looks(agent=1, times=3, every_s=11)
    state.holds()
    state.calm(restarting=False)
    state.holds()
