-- name: count_cutoff_events
-- Right after the newest of those that are beyond the number: ids are given in the order of time.
select at + interval '1 microsecond' as cutoff from reconciler.events
where id <= (select max(id) from reconciler.events) - %(count)s order by id desc limit 1

-- name: count_cutoff_outputs
select inspected_at + interval '1 microsecond' as cutoff from reconciler.outputs where server = %(server)s
order by inspected_at desc offset %(count)s limit 1

-- name: count_cutoff_thumbnails
select inspected_at + interval '1 microsecond' as cutoff from reconciler.outputs where thumbnail is not null
order by inspected_at desc offset %(count)s limit 1

-- name: count_cutoff_runs
select ended_at + interval '1 microsecond' as cutoff from reconciler.runs
order by ended_at desc offset %(count)s limit 1

-- name: age_cutoff
select now() - %(days)s * interval '1 day' as cutoff

-- name: old_events
-- The next events by age, and whether each may go: its job ended before the cutoff, or is forgotten.
with oldest as materialized (
    select id, at, job_id from reconciler.events where id > %(after)s order by id limit %(batch)s
)
select o.id, o.job_id, o.at < %(cutoff)s as old,
       s.known_status is null or (s.known_status not in ('queued', 'processing')
                                  and s.decided_at < %(cutoff)s) as ended
from oldest o left join lateral (
    select known_status, decided_at from reconciler.job_state where job_id = o.job_id limit 1
) s on true
order by o.id

-- name: allow_deletes
-- Events are append-only but for this.
select set_config('reconciler_retention.deletes', 'on', true)

-- name: delete_events
-- A job that is reopened at this moment waits, or is left out: its state is locked first.
with known as (
    select job_id from reconciler.job_state where job_id = any(%(job_ids)s)
), ended as (
    select s.job_id from reconciler.job_state s
    where s.job_id = any(%(job_ids)s) and s.known_status not in ('queued', 'processing')
    for share skip locked
)
delete from reconciler.events e
where e.id = any(%(ids)s)
  and (e.job_id in (select job_id from ended) or e.job_id not in (select job_id from known))

-- name: old_jobs
-- Final jobs by age, the oldest first.
select job_id, decided_at from reconciler.job_state
where known_status not in ('queued', 'processing') and decided_at < %(cutoff)s
  and (%(after)s::timestamptz is null or (decided_at, job_id) > (%(after)s, %(after_id)s))
order by decided_at, job_id limit %(batch)s

-- name: delete_states
delete from reconciler.job_state
where job_id = any(%(job_ids)s) and known_status not in ('queued', 'processing')
  and decided_at < %(cutoff)s
returning job_id

-- name: delete_prompts
delete from reconciler.prompts where job_id = any(%(job_ids)s) returning prompt_id

-- name: delete_listings
delete from reconciler.listings where prompt_id = any(%(prompt_ids)s)

-- name: drop_thumbnails
with old as (
    select o.path from reconciler.outputs o
    where o.thumbnail is not null and o.inspected_at < %(cutoff)s
      and not exists (select from reconciler.job_state s where s.job_id = o.job_id
                      and s.known_status in ('queued', 'processing'))
    order by o.inspected_at limit %(batch)s for no key update of o skip locked
)
update reconciler.outputs o set thumbnail = null from old where o.path = old.path

-- name: old_outputs
-- Files of a server that were inspected long ago, the oldest first; none of an open job.
select o.path, o.inspected_at, o.job_id from reconciler.outputs o
where o.server = %(server)s and o.inspected_at < %(cutoff)s
  and (%(after)s::timestamptz is null or (o.inspected_at, o.path) > (%(after)s, %(after_path)s))
order by o.inspected_at, o.path limit %(batch)s

-- name: delete_outputs
-- Those that were not inspected anew meanwhile, and are no open job's.
with gone as (
    delete from reconciler.outputs o
    where o.path = any(%(paths)s) and o.inspected_at < %(cutoff)s
      and not exists (select from reconciler.job_state s where s.job_id = o.job_id
                      and s.known_status in ('queued', 'processing'))
    returning o.path
), listings as (
    delete from reconciler.listings l using gone
    where l.path = any(%(paths)s) and l.path = gone.path
      and not exists (select from reconciler.prompts p where p.prompt_id = l.prompt_id)
)
select count(*) as number from gone

-- name: ended_prompts
-- The jobs of these prompts that ended before the cutoff, with the status that their rows should have.
select p.prompt_id, p.job_id, s.known_status
from reconciler.prompts p join reconciler.job_state s using (job_id)
where p.prompt_id = any(%(prompt_ids)s) and p.ending is not null
  and s.known_status not in ('queued', 'processing') and s.decided_at < %(cutoff)s

-- name: table_sizes
-- How large our own tables are, with indexes and pictures, the largest first. Rows as Postgres
-- reckons: to count them would read them.
select c.relname as name, pg_total_relation_size(c.oid) as size_bytes,
       greatest(c.reltuples, 0)::bigint as rows
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = 'reconciler' and c.relkind in ('r', 'p')
order by 2 desc, 1
