-- name: add_events
insert into reconciler.events
    (job_id, attempt, kind, from_status, to_status, failure, rule, reason, evidence)
select job_id, attempt, kind, from_status, to_status, failure, rule, reason, evidence
from jsonb_to_recordset(%(events)s) as w(
    job_id text, attempt integer, kind text, from_status text, to_status text, failure text,
    rule text, reason text, evidence jsonb)
returning id

-- name: notify
-- A hint that something changed, with the newest event's id: the events table is the truth.
select pg_notify('reconciler', %(payload)s)

-- name: is_told
select exists (
    select from reconciler.events where job_id = %(job_id)s and reason = %(reason)s
) as told

-- name: story
select id, extract(epoch from at)::float8 as at, attempt, kind, from_status, to_status, failure,
       rule, reason, evidence
from reconciler.events where job_id = %(job_id)s order by id
