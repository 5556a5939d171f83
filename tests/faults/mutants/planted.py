"""The bugs: each a change of a few words in one file of a copy of the package."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """A bug. `old` stands exactly once in the file; where it does not any more the bug cannot be
    planted, and that is a failure, too: find the place where its like would be made today."""

    name: str
    #: Below reconciler/.
    file: str
    old: str
    new: str
    #: The kept history that is likely to notice: it is followed before the others.
    first: str = ""
    #: Who has to notice: the histories, or the model of the leases.
    by: str = "histories"


MUTANTS = (
    Mutant(
        "the row's status is not compared when it is written",
        "store/sql/rows.sql",
        " and j.{status} = w.from_word",
        "",
        first="users_are_faster",
    ),
    Mutant(
        "the row's prompt id is not compared when it is written",
        "store/sql/rows.sql",
        """
      and nullif({prompt_id}::text, '') is not distinct from w.row_prompt_id
    for no key update""",
        """
    for no key update""",
        first="users_are_faster",
    ),
    Mutant(
        "what is known of a row and its event are written though the row was not",
        "store/writing.py",
        "done = ours - {w.record.job.id for w in touching} | touched",
        "done = ours",
        first="users_are_faster",
    ),
    Mutant(
        "history is read before the queue",
        "reconcile/gather.py",
        "        list(self.pool.map(self._look, wanted))\n",
        """        self._early = {}
        for server in wanted:
            for prompt_id in self._places:
                try:
                    self._early[server.name, prompt_id] = server.client.ending(prompt_id)
                except ServerError:
                    pass
        list(self.pool.map(self._look, wanted))
        ask = type(self)._ending
        def early(server, prompt):
            key = (server.name, prompt.prompt_id)
            if key in self._early:
                return self._early[key] or Place.ABSENT
            return ask(self, server, prompt)
        self._ending = early
""",
        first="ends_between_two_questions",
    ),
    Mutant(
        "no change is kept from an agent that lost its lease",
        "store/leases.py",
        "        if lost := sorted({lease.server for lease in leases} - ours):\n",
        "        if lost := []:\n",
        first="frozen_until_others_have_it",
    ),
    Mutant(
        "belief in a lease lasts until its very end",
        "core/lease.py",
        "return asked_at_s + self._terms.lease_s - self._terms.margin_s",
        "return asked_at_s + self._terms.lease_s",
        by="model of leases",
    ),
    Mutant(
        "an outage of the server counts against a prompt's budget",
        "core/stall.py",
        "return now - prompt.running_since - prompt.unwatched_s",
        "return now - prompt.running_since",
        first="outages",
    ),
    Mutant(
        "silence counts though nobody could hear it broken",
        "reconcile/gather.py",
        "return max([min(since), *(gap for gap in gaps if gap is not None)])",
        "return 0.0",
        first="outages",
    ),
    Mutant(
        "one look that misses a prompt is enough",
        "core/case.py",
        "prompt.missing_looks >= self.policy.lost_confirmations",
        "prompt.missing_looks >= 1",
        first="gone_for_a_moment",
    ),
    Mutant(
        "a question that failed is an answer that does not show the prompt",
        "reconcile/gather.py",
        """            self._note_silence(server, error)
        return Place.UNKNOWN""",
        """            self._note_silence(server, error)
        return Place.ABSENT""",
        first="history_does_not_answer",
    ),
    Mutant(
        "files count as missing while their storage is away",
        "reconcile/servers.py",
        "healthy = self._is_accepted(real, marker, known_outputs)",
        "healthy = True",
        first="storage_away",
    ),
    Mutant(
        "an earlier attempt's prompts count for the present one",
        "store/records.py",
        "return [prompt for prompt in self.prompts if prompt.attempt == self.job.attempt]",
        "return list(self.prompts)",
        first="retries",
    ),
    Mutant(
        "the second look is left out",
        "reconcile/passes.py",
        "if decision.needs_second_look:",
        "if False:",
        first="old_looks",
    ),
    Mutant(
        "what applications do to open rows is not followed",
        "reconcile/passes.py",
        "            if record.known_open and record.job.status.is_final\n",
        "            if False\n",
        first="users_are_faster",
    ),
    Mutant(
        "since when a prompt is missing is not stored",
        "store/sql/jobs.sql",
        "missing_since = to_timestamp(w.missing_since), ending",
        "missing_since = null, ending",
        first="gone_for_a_moment",
    ),
    Mutant(
        "an ending is not stored",
        "store/sql/jobs.sql",
        "ending = coalesce(w.ending, p.ending)",
        "ending = p.ending",
        first="ends_between_two_questions",
    ),
    Mutant(
        "damage is confirmed by one inspection",
        "reconcile/files.py",
        "            unsound_since=None if inspection.sound else now,\n",
        """            unsound_since=None if inspection.sound else now,
            confirmed=not inspection.sound,
""",
        first="damage",
    ),
    Mutant(
        "a server that does not answer for a moment is down",
        "core/living.py",
        "down > limit:",
        "down > 10:",
        first="outages",
    ),
    Mutant(
        "a look counts as missing though other agents have not looked",
        "reconcile/remit.py",
        "if any((one.looked_at or 0.0) < last + CLOCKS_S for one in self._answering):",
        "if False:",
        first="two_who_share",
    ),
)
