-- name: events_after
-- Events in the order of their ids, with what is known of their jobs now.
select e.id, extract(epoch from e.at)::float8 as at, e.job_id, e.attempt, e.kind, e.from_status,
       e.to_status, e.failure, e.rule, e.reason, s.server, s.job_type
from (
    select * from reconciler.events
    where id > %(after)s and (%(upto)s::bigint is null or id <= %(upto)s)
      and (%(job_ids)s::text[] is null or job_id = any(%(job_ids)s))
    order by id limit %(limit)s
) e left join reconciler.job_state s on s.job_id = e.job_id
order by e.id

-- name: event_bounds
select coalesce(min(id), 0) as oldest, coalesce(max(id), 0) as newest from reconciler.events

-- name: event_age
-- How old the last event up to an id is, in seconds.
select extract(epoch from clock_timestamp() - at)::float8 as age_s from reconciler.events
where id <= %(id)s order by id desc limit 1

-- name: event_writers
-- Transactions that may have taken ids of events which nobody else sees yet. The lock is taken before
-- the first id, and goes when what was written is seen by all, or never will be.
select virtualtransaction as writer from pg_locks
where locktype = 'relation' and mode = 'RowExclusiveLock' and granted
  and relation = 'reconciler.events'::regclass
  and database = (select oid from pg_database where datname = current_database())

-- name: changed_states
-- Of open jobs, what was written of late: of those that run, that will soon, and that are asked for.
select job_id, known_status as status, stage, server, queue_position, progress, eta_s,
       eta_high_s, wait_s, job_type
from reconciler.job_state
where known_status in ('queued', 'processing')
  and changed_at > clock_timestamp() - %(within_s)s * interval '1 s'
  and (known_status = 'processing' or queue_position is null or queue_position <= %(nearest)s
       or job_id = any(%(job_ids)s))
order by known_status desc, queue_position, job_id
