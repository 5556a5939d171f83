-- name: watched_states
-- What we know of the jobs that a pass has to judge: of those that we know as open, and of failed
-- ones whose success may still arrive. Those of other servers are other agents'.
with watched as (
    select job_id from reconciler.job_state where known_status in ('queued', 'processing')
    union
    select job_id from reconciler.job_state
    where failure = any(%(revocable)s) and decided_at > now() - %(late_s)s * interval '1 s'
      and forgotten_at is null
    union
    select unnest(%(also)s::text[])
    union
    select job_id from reconciler.job_state where intended is not null
)
select {state} from reconciler.job_state s join watched using (job_id)
where %(servers)s::text[] is null or s.server is null or s.server = any(%(servers)s)

-- name: states_of
select {state} from reconciler.job_state s where s.job_id = any(%(job_ids)s)

-- name: prompts_of
select prompt_id, job_id, attempt, server, client_id, output_nodes, ever_seen, missing_looks,
       interrupted_by_us, ending, boot_id, unwatched_before_s, doing,
       extract(epoch from boot_changed_since)::float8 as boot_changed_since,
       extract(epoch from running_since)::float8 as running_since,
       extract(epoch from last_sign_at)::float8 as last_sign_at,
       extract(epoch from missing_since)::float8 as missing_since,
       extract(epoch from ending_seen_at)::float8 as ending_seen_at
from reconciler.prompts where job_id = any(%(job_ids)s) order by linked_at, prompt_id

-- name: reopen_jobs
-- Somebody reopened final rows: new attempts. Their clocks start now.
update reconciler.job_state s
set attempt = s.attempt + 1, opened_at = now(), changed_at = clock_timestamp(),
    known_status = w.status, failure = null,
    stage = null, queue_position = null, progress = null, eta_s = null, eta_high_s = null,
    wait_s = null, rule = null, reason = null, decided_at = now(), overwritten = w.overwritten,
    forgotten_at = null
from jsonb_to_recordset(%(jobs)s)
    as w(job_id text, attempt integer, status text, overwritten integer)
where s.job_id = w.job_id and s.job_id = any(%(job_ids)s) and s.attempt = w.attempt
returning s.job_id, s.attempt

-- name: reattempt_prompts
-- The row was reopened with the prompt it had: it counts for the new attempt, with new clocks. Its
-- ending stands, unless the server, which is asked once more, tells of a later run.
update reconciler.prompts p
set attempt = w.attempt, missing_looks = 0, missing_since = null, last_sign_at = now(),
    ending_seen_at = null, boot_changed_since = null,
    running_since = case when p.running_since is null then null else now() end, doing = null,
    unwatched_before_s = coalesce(
        (select s.unwatched_s from reconciler.servers s where s.name = p.server), 0)
from jsonb_to_recordset(%(prompts)s) as w(prompt_id text, job_id text, attempt integer)
where p.prompt_id = w.prompt_id and p.prompt_id = any(%(prompt_ids)s) and p.job_id = w.job_id

-- name: forget_ending
-- The prompt id is in use again: how it ended before says nothing about this run.
update reconciler.prompts
set ending = null, ending_seen_at = null, running_since = null, interrupted_by_us = false
where prompt_id = %(prompt_id)s

-- name: note_overwritten
-- The row was reopened again although its evidence stands: a warning, then it is left alone.
update reconciler.job_state set overwritten = %(overwritten)s
where job_id = %(job_id)s and overwritten < %(overwritten)s
returning job_id

-- name: see_jobs
-- Rows that we see for the first time. Created in the future (a skewed clock) counts as now.
insert into reconciler.job_state (job_id, known_status, opened_at, job_type)
select job_id, status, least(to_timestamp(created_at), now()), job_type
from jsonb_to_recordset(%(jobs)s)
    as w(job_id text, status text, created_at double precision, job_type text)
on conflict (job_id) do nothing
returning job_id

-- name: note_row_statuses
-- (The keys, here and below, apart as well: of a recordset Postgres cannot tell how many it has, and
-- would rather read the whole table.)
-- The application changed rows: we follow, once. A new row under the id of a deleted one then counts
-- as reopened, and what is known of the old one's prompts is no evidence about it.
update reconciler.job_state s
set known_status = w.status, failure = null, stage = null, queue_position = null, eta_s = null,
    eta_high_s = null, wait_s = null, rule = 'application', reason = w.reason, decided_at = now(),
    changed_at = clock_timestamp()
from jsonb_to_recordset(%(jobs)s)
    as w(job_id text, attempt integer, known_status text, status text, reason text)
where s.job_id = w.job_id and s.job_id = any(%(job_ids)s)
  and s.attempt = w.attempt and s.known_status = w.known_status
returning s.job_id

-- name: lock_states
-- Compare and set as well: of two reconcilers with the same news one tells it. What the other has in
-- hand is not waited for.
select s.job_id from reconciler.job_state s
join jsonb_to_recordset(%(states)s)
    as w(job_id text, attempt integer, known_status text, known_rule text) using (job_id)
where s.job_id = any(%(job_ids)s) and s.attempt = w.attempt and s.known_status = w.known_status
  and s.rule is not distinct from w.known_rule
for no key update of s skip locked

-- name: write_states
-- Of jobs whose states are locked. A prompt that lives shows that its row was reopened for a reason.
update reconciler.job_state s
set known_status = w.status, failure = w.failure, stage = w.stage, server = w.server,
    queue_position = w.queue_position, progress = w.progress, eta_s = w.eta_s,
    eta_high_s = w.eta_high_s, wait_s = w.wait_s, rule = w.rule,
    reason = w.reason, intended = null, changed_at = clock_timestamp(),
    job_type = coalesce(w.job_type, s.job_type),
    overwritten = case when w.stage in ('pending', 'running') then 0 else s.overwritten end,
    decided_at = case when s.known_status is distinct from w.status then now()
                      else s.decided_at end
from jsonb_to_recordset(%(states)s) as w(
    job_id text, status text, failure text, stage text, server text, queue_position integer,
    progress integer, eta_s double precision, eta_high_s double precision, wait_s double precision,
    rule text, reason text, job_type text)
where s.job_id = w.job_id and s.job_id = any(%(job_ids)s)

-- name: note_intentions
-- Of jobs whose states are locked.
update reconciler.job_state s set intended = w.intended
from jsonb_to_recordset(%(notes)s) as w(job_id text, intended jsonb)
where s.job_id = w.job_id

-- name: standing_intentions
select job_id from reconciler.job_state where job_id = any(%(job_ids)s) and intended is not null

-- name: forget_intentions
update reconciler.job_state set intended = null
where job_id = any(%(job_ids)s) and intended is not null

-- name: link_prompts
-- A prompt belongs to the job that it was linked to first, until that job is done with: a row that
-- names it then is judged by it, too (the row was made anew, or copied; the id was used again).
insert into reconciler.prompts as p
    (prompt_id, job_id, attempt, server, client_id, output_nodes, ever_seen, boot_id)
select prompt_id, job_id, attempt, server, client_id, output_nodes, ever_seen, boot_id
from jsonb_to_recordset(%(prompts)s) as w(
    prompt_id text, job_id text, attempt integer, server text, client_id text, output_nodes integer,
    ever_seen boolean, boot_id text)
on conflict (prompt_id) do update
set job_id = excluded.job_id, attempt = excluded.attempt, linked_at = now(),
    missing_looks = 0, missing_since = null, ending_seen_at = null, boot_changed_since = null
where p.prompt_id = any(%(by_row)s) and not exists (
    select from reconciler.job_state s
    where s.job_id = p.job_id and s.known_status in ('queued', 'processing'))
returning prompt_id

-- name: save_prompts
-- A reconciler that looked before the end does not erase the ending that another one has stored.
update reconciler.prompts p
set server = w.server, client_id = w.client_id, output_nodes = w.output_nodes,
    ever_seen = p.ever_seen or w.ever_seen, running_since = to_timestamp(w.running_since),
    last_sign_at = to_timestamp(w.last_sign_at), missing_looks = w.missing_looks,
    missing_since = to_timestamp(w.missing_since), ending = coalesce(w.ending, p.ending),
    ending_seen_at = to_timestamp(w.ending_seen_at), interrupted_by_us = w.interrupted_by_us,
    boot_id = w.boot_id, boot_changed_since = to_timestamp(w.boot_changed_since),
    unwatched_before_s = w.unwatched_before_s, doing = w.doing
from jsonb_to_recordset(%(prompts)s) as w(
    prompt_id text, job_id text, attempt integer, server text, client_id text, output_nodes integer,
    ever_seen boolean, running_since double precision, last_sign_at double precision,
    missing_looks integer, missing_since double precision, ending jsonb,
    ending_seen_at double precision, interrupted_by_us boolean, boot_id text,
    boot_changed_since double precision, unwatched_before_s double precision, doing jsonb)
where p.prompt_id = w.prompt_id and p.prompt_id = any(%(prompt_ids)s)
  and p.job_id = w.job_id and p.attempt = w.attempt
