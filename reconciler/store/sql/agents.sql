-- name: note_agent
-- The heartbeat. Whoever was taken for dead meanwhile is there again.
insert into reconciler.agents as a
    (id, name, host, pid, version, revision, lock_key, servers, waiting)
values (%(id)s, %(name)s, %(host)s, %(pid)s, %(version)s, %(revision)s, %(lock_key)s,
        %(servers)s::text[], %(waiting)s)
on conflict (id) do update
set heartbeat_at = clock_timestamp(), lock_key = excluded.lock_key, waiting = excluded.waiting

-- name: forget_agent
delete from reconciler.agents where id = %(id)s

-- name: forget_dead_agents
-- Those that hold nothing and have not been heard for long, and this one's predecessors: of the same
-- name and host, and their session is gone.
delete from reconciler.agents a
where a.id <> %(id)s
  and not exists (select from reconciler.leases l where l.agent = a.id)
  and (a.heartbeat_at < clock_timestamp() - %(dead_s)s * interval '1 s'
       or (a.name = %(name)s and a.host = %(host)s and a.lock_key is not null
           and not exists (
               select from pg_locks k
               where k.locktype = 'advisory' and k.database = (
                         select oid from pg_database where datname = current_database())
                 and (k.classid::bigint << 32) + k.objid::bigint = a.lock_key)))

-- name: agents
select a.id, a.name, a.host, a.pid, a.version, a.revision, a.servers, a.waiting,
       extract(epoch from a.started_at)::float8 as started_at,
       extract(epoch from a.heartbeat_at)::float8 as heartbeat_at
from reconciler.agents a order by a.name, a.started_at

-- name: lock_session
select pg_try_advisory_lock(%(lock_key)s) as locked

-- name: revision
-- The one of our own tables, as it is now.
select version_num as revision from reconciler.migrations

-- name: has_revision
select to_regclass('reconciler.migrations') is not null as there

-- name: has_agents
select to_regclass('reconciler.agents') is not null as there

-- name: name_leases
insert into reconciler.leases (server) select unnest(%(servers)s::text[]) on conflict do nothing

-- name: acquire_leases
-- Leases that nobody has, or not any more: given back, expired, or of an agent whose session is gone.
-- Sessions end with Postgres, too, so that counts only where it was renewed since Postgres started.
-- One whose holder is writing at this moment is not waited for: the next round comes soon.
with free as (
    select l.server
    from reconciler.leases l left join reconciler.agents a on a.id = l.agent
    where l.server = any(%(servers)s::text[])
      and case when l.agent is null or l.agent = %(agent)s or l.expires_at <= clock_timestamp()
               then true
               when a.lock_key is null or l.renewed_at <= pg_postmaster_start_time() then false
               else pg_try_advisory_xact_lock(a.lock_key) end
    for update of l skip locked
)
update reconciler.leases l
set agent = %(agent)s, epoch = l.epoch + 1, acquired_at = clock_timestamp(),
    renewed_at = clock_timestamp(),
    expires_at = clock_timestamp() + %(lease_s)s * interval '1 s', looked_at = null
from free where l.server = free.server
returning l.server, l.epoch

-- name: renew_leases
-- Those that are still ours. No key column changes, so no write of ours is waited for.
update reconciler.leases l
set renewed_at = clock_timestamp(),
    expires_at = clock_timestamp() + %(lease_s)s * interval '1 s',
    looked_at = greatest(l.looked_at, to_timestamp(held.looked_at))
from unnest(%(servers)s::text[], %(epochs)s::bigint[], %(looked_at)s::float8[])
     as held (server, epoch, looked_at)
where l.server = held.server and l.epoch = held.epoch and l.agent = %(agent)s
returning l.server

-- name: release_leases
-- Given back: the next one need not wait until they expire.
update reconciler.leases set agent = null, expires_at = clock_timestamp()
where agent = %(agent)s

-- name: check_leases
-- The first statement of each change: the leases under which it is made, held until it is committed.
-- Says to the story who makes it.
select l.server, set_config('agents.writer', %(agent)s, true)
from reconciler.leases l
where l.agent = %(agent)s
  and (l.server, l.epoch) in (
      select * from unnest(%(servers)s::text[], %(epochs)s::bigint[]))
for key share of l

-- name: take_turn
select pg_try_advisory_lock(%(key)s)

-- name: give_turn
select pg_advisory_unlock(%(key)s)

-- name: leases
select l.server, l.agent, l.epoch, l.expires_at > clock_timestamp() as live,
       extract(epoch from l.acquired_at)::float8 as acquired_at,
       case when l.renewed_at is not null
            then extract(epoch from l.renewed_at)::float8 end as renewed_at,
       extract(epoch from l.looked_at)::float8 as looked_at
from reconciler.leases l order by l.server
