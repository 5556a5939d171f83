-- name: add_event
insert into reconciler.events
    (job_id, attempt, kind, from_status, to_status, failure, rule, reason, evidence)
values (%(job_id)s, %(attempt)s, %(kind)s, %(from_status)s, %(to_status)s, %(failure)s, %(rule)s,
        %(reason)s, %(evidence)s)
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
