-- name: lock_requests
-- Of two that ask for the same at once one is first.
select pg_advisory_xact_lock(hashtextextended('reconciler request ' || %(action)s, 0))

-- name: ask
insert into reconciler.requests (job_id, action, attempt, asked_by)
select w.job_id, %(action)s, s.attempt, %(asked_by)s
from unnest(%(job_ids)s::text[]) with ordinality as w(job_id, number)
left join reconciler.job_state s on s.job_id = w.job_id
where not exists (
    select from reconciler.requests r
    where r.job_id = w.job_id and r.action = %(action)s and r.answered_at is null)
order by w.number
returning id, job_id, action, attempt, asked_by, extract(epoch from asked_at)::float8 as asked_at,
          null::float8 as answered_at, outcome, answer

-- name: asked
select id, job_id, action, attempt, asked_by, extract(epoch from asked_at)::float8 as asked_at,
       null::float8 as answered_at, outcome, answer
from reconciler.requests
where job_id = any(%(job_ids)s) and action = %(action)s and answered_at is null
order by array_position(%(job_ids)s::text[], job_id), id

-- name: open_requests
-- Some at a time: the others wait for these.
select id, job_id, action, attempt, asked_by, extract(epoch from asked_at)::float8 as asked_at,
       null::float8 as answered_at, outcome, answer
from reconciler.requests
where answered_at is null and id not in (select unnest(%(but)s::bigint[]))
order by id limit %(limit)s

-- name: requests_of_job
select id, job_id, action, attempt, asked_by, extract(epoch from asked_at)::float8 as asked_at,
       extract(epoch from answered_at)::float8 as answered_at, outcome, answer
from reconciler.requests where job_id = %(job_id)s order by id

-- name: some_requests
select id, job_id, action, attempt, asked_by, extract(epoch from asked_at)::float8 as asked_at,
       extract(epoch from answered_at)::float8 as answered_at, outcome, answer
from reconciler.requests where id = any(%(ids)s) order by id

-- name: answer_requests
update reconciler.requests r
set answered_at = clock_timestamp(), outcome = w.outcome, answer = w.answer
from jsonb_to_recordset(%(answers)s) as w(id bigint, outcome text, answer text)
where r.id = w.id and r.answered_at is null
returning r.id

-- name: forget_job
update reconciler.job_state
set forgotten_at = clock_timestamp(), changed_at = clock_timestamp(), stage = null,
    queue_position = null, eta_s = null, eta_high_s = null, wait_s = null,
    reason = %(reason)s
where job_id = %(job_id)s

-- name: remember_job
update reconciler.job_state set forgotten_at = null, changed_at = clock_timestamp()
where job_id = %(job_id)s and forgotten_at is not null

-- name: forget_orphans
-- Files of jobs stay as they are. The expression is that of the index `outputs_id`.
update reconciler.outputs
set forgotten_at = case when %(forgotten)s then coalesce(forgotten_at, clock_timestamp()) end
where substring(sha256(path) from 1 for 16) = any(%(ids)s::bytea[]) and job_id is null
returning path

-- name: delete_strays
-- Requests about rows of which nothing is known: they were deleted, or never looked at.
delete from reconciler.requests where id in (
    select r.id from reconciler.requests r
    where r.asked_at < %(cutoff)s
      and not exists (select from reconciler.job_state s where s.job_id = r.job_id)
    order by r.id limit %(batch)s)

-- name: delete_requests
delete from reconciler.requests where job_id = any(%(job_ids)s)
