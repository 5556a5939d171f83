"""An agent saw a prompt whose row nobody had read yet, and was silent for an hour afterwards."""

from tests.faults.stateful.machine import History

state = History()
state.begin(jobs=[("pack", "row names it"), ("pack", "row names it")], running=False, shared=True)
state.end_meanwhile(after=0, agent=0, outcome="sound", which=0)
state.holds()
state.look(after_s=5000, agent=1, look_at=None, search=False, settle=False)
state.holds()
