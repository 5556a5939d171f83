-- name: create_token
-- A name that was revoked or has expired may be given again.
insert into reconciler.tokens as t (name, digest, role, expires_at)
values (%(name)s, %(digest)s, %(role)s, clock_timestamp() + %(valid_s)s * interval '1 s')
on conflict (name) do update
set digest = excluded.digest, role = excluded.role, created_at = excluded.created_at,
    expires_at = excluded.expires_at, revoked_at = null, last_used_at = null
where t.revoked_at is not null or t.expires_at < clock_timestamp()
returning name

-- name: tokens
select t.name, t.digest, t.role,
       extract(epoch from t.created_at)::float8 as created_at,
       extract(epoch from t.expires_at)::float8 as expires_at,
       extract(epoch from t.revoked_at)::float8 as revoked_at,
       extract(epoch from t.last_used_at)::float8 as last_used_at,
       extract(epoch from clock_timestamp())::float8 as read_at
from reconciler.tokens t order by t.created_at, t.name

-- name: revoke_token
update reconciler.tokens set revoked_at = clock_timestamp()
where name = %(name)s and revoked_at is null
returning name

-- name: note_token_used
-- To the hour.
update reconciler.tokens set last_used_at = clock_timestamp()
where name = %(name)s
  and (last_used_at is null or last_used_at < clock_timestamp() - interval '1 hour')
