-- name: save_server
insert into reconciler.servers as s
    (name, url, version, unreachable_since, unreachable_how, answered_at, output_dir, output_marker,
     boot_id, earlier_boot_ids, boot_returned_at, worker_dead_since, unwatched_s)
values (%(name)s, %(url)s, %(version)s, to_timestamp(%(unreachable_since)s), %(unreachable_how)s,
        to_timestamp(%(answered_at)s), %(output_dir)s, %(output_marker)s,
        %(boot_id)s, %(earlier_boot_ids)s::text[], to_timestamp(%(boot_returned_at)s),
        to_timestamp(%(worker_dead_since)s), %(unwatched_s)s)
on conflict (name) do update
set url = excluded.url, version = coalesce(excluded.version, s.version),
    unreachable_since = excluded.unreachable_since, unreachable_how = excluded.unreachable_how,
    answered_at = coalesce(excluded.answered_at, s.answered_at), output_dir = excluded.output_dir,
    output_marker = coalesce(excluded.output_marker, s.output_marker),
    boot_id = excluded.boot_id, earlier_boot_ids = excluded.earlier_boot_ids,
    boot_returned_at = excluded.boot_returned_at, worker_dead_since = excluded.worker_dead_since,
    unwatched_s = greatest(excluded.unwatched_s, s.unwatched_s)

-- name: servers
select name, url, version, extract(epoch from unreachable_since)::float8 as unreachable_since,
       unreachable_how, extract(epoch from answered_at)::float8 as answered_at, output_dir,
       output_marker, boot_id, earlier_boot_ids,
       extract(epoch from boot_returned_at)::float8 as boot_returned_at,
       extract(epoch from worker_dead_since)::float8 as worker_dead_since, unwatched_s, space
from reconciler.servers order by name

-- name: lock_spaces
-- Of agents that start at the same moment, one after the other.
select pg_advisory_xact_lock(hashtext('reconciler spaces'))

-- name: settle_space
insert into reconciler.servers as s (name, url, output_dir, machine, space)
select %(name)s, %(url)s, %(root)s, %(machine)s,
       case when not %(shared)s and exists (
                select from reconciler.servers o
                where o.name <> %(name)s and o.output_dir = %(root)s and o.machine <> %(machine)s
                  and coalesce(o.space, '') = '')
            then %(name)s else '' end
on conflict (name) do update
set machine = excluded.machine, space = coalesce(s.space, excluded.space)
returning s.space
