-- name: add_events
-- With each event, what webhooks are to be told of it: both or neither. Whether an endpoint wants it
-- is known here; where there is none, nothing more is read.
with told as (
    insert into reconciler.events
        (job_id, attempt, kind, from_status, to_status, failure, rule, reason, evidence)
    select job_id, attempt, kind, from_status, to_status, failure, rule, reason, evidence
    from jsonb_to_recordset(%(events)s) as w(
        job_id text, attempt integer, kind text, from_status text, to_status text, failure text,
        rule text, reason text, evidence jsonb)
    returning id, at, job_id, attempt, kind, from_status, to_status, failure, rule, reason
), outbox as (
    insert into reconciler.deliveries (webhook, event_id, job_id, type, payload)
    select h.name, e.id, e.job_id, 'job.' || coalesce(e.to_status, e.kind),
           jsonb_build_object(
               'event_id', e.id, 'at', e.at, 'attempt', e.attempt, 'kind', e.kind,
               'from_status', e.from_status, 'to_status', e.to_status, 'failure', e.failure,
               'rule', e.rule, 'reason', e.reason)
    from told e join reconciler.webhooks h on h.removed_at is null and h.disabled_at is null
        and (h.events = 'all'
             or e.to_status is not null and e.to_status is distinct from e.from_status
             and (h.events = 'changes' or e.to_status in ('completed', 'failed', 'cancelled')))
        and (h.statuses is null or e.to_status = any(h.statuses))
        and (h.job_type_patterns is null or (
            select s.job_type from reconciler.job_state s where s.job_id = e.job_id
        ) ilike any(h.job_type_patterns))
    order by e.id, h.name
)
select id from told

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
