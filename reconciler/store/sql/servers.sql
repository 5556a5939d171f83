-- name: save_server
insert into reconciler.servers as s
    (name, url, version, unreachable_since, unreachable_how, answered_at, output_dir, output_marker)
values (%(name)s, %(url)s, %(version)s, to_timestamp(%(unreachable_since)s), %(unreachable_how)s,
        to_timestamp(%(answered_at)s), %(output_dir)s, %(output_marker)s)
on conflict (name) do update
set url = excluded.url, version = coalesce(excluded.version, s.version),
    unreachable_since = excluded.unreachable_since, unreachable_how = excluded.unreachable_how,
    answered_at = coalesce(excluded.answered_at, s.answered_at), output_dir = excluded.output_dir,
    output_marker = coalesce(excluded.output_marker, s.output_marker)

-- name: servers
select name, url, version, extract(epoch from unreachable_since)::float8 as unreachable_since,
       unreachable_how, extract(epoch from answered_at)::float8 as answered_at, output_dir,
       output_marker
from reconciler.servers order by name
