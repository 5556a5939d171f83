-- name: doctor_server
-- What the database is, and whether we may make our schema there.
select current_setting('server_version_num')::int as version_number,
       current_setting('server_version') as version, current_database() as database,
       current_user as role, current_setting('transaction_read_only') = 'on' as read_only,
       has_database_privilege(current_database(), 'CREATE') as may_create,
       to_regnamespace('reconciler') is not null as has_schema,
       extract(epoch from clock_timestamp())::float8 as now

-- name: doctor_schema
-- Our schema's tables, each with the rights on it that we lack. Events are only added; whoever
-- migrates owns the table of the revision anyway.
select c.relname as name, array_remove(array[
           case when not has_table_privilege(c.oid, 'SELECT') then 'SELECT' end,
           case when c.relname <> 'migrations'
                 and not has_table_privilege(c.oid, 'INSERT') then 'INSERT' end,
           case when c.relname not in ('migrations', 'events')
                 and not has_table_privilege(c.oid, 'UPDATE') then 'UPDATE' end], null) as lacking
from pg_class c
where c.relnamespace = to_regnamespace('reconciler') and c.relkind in ('r', 'p')
order by c.relname

-- name: doctor_schema_rights
select has_schema_privilege('reconciler', 'USAGE') as may_use,
       has_schema_privilege('reconciler', 'CREATE') as may_create,
       n.nspowner::regrole::text as owner
from pg_namespace n where n.nspname = 'reconciler'

-- name: doctor_revision
select version_num as revision from reconciler.migrations

-- name: doctor_place
-- Whether the jobs table is there, or else may be made; `schema` is null if there is no such place.
select to_regclass(%(table)s) is not null as found, n.nspname as schema,
       has_schema_privilege(n.oid, 'CREATE') as may_create
from (select 1) as one
left join pg_namespace n on n.nspname = coalesce(%(schema)s, current_schema())

-- name: doctor_table
-- The jobs table: rights by column, its size, and what would surprise us.
select c.oid::regclass::text as name, pg_relation_size(c.oid) as size_bytes,
       row_security_active(c.oid) as row_security, pg_has_role(c.relowner, 'USAGE') as owned,
       array(select a.attname::text from pg_attribute a where a.attrelid = c.oid and a.attnum > 0
             and not a.attisdropped and not has_column_privilege(c.oid, a.attnum, 'SELECT'))
           as unreadable,
       array(select a.attname::text from pg_attribute a where a.attrelid = c.oid and a.attnum > 0
             and not a.attisdropped and not has_column_privilege(c.oid, a.attnum, 'UPDATE'))
           as unwritable,
       exists (select from pg_index i join pg_attribute a on a.attrelid = i.indrelid
               where i.indrelid = c.oid and a.attname = %(status)s and i.indisvalid
                 and (i.indkey[0] = a.attnum
                      or position(quote_ident(a.attname) in pg_get_expr(i.indpred, i.indrelid)) > 0
                     )) as indexed,
       exists (select from pg_index i join pg_attribute a on a.attrelid = i.indrelid
               where i.indrelid = c.oid and a.attname = %(created_at)s and i.indisvalid
                 and i.indkey[0] = a.attnum and i.indpred is null) as created_indexed
from pg_class c where c.oid = to_regclass(%(table)s)

-- name: doctor_patience
-- A large table takes long to count, and this is a doctor's visit.
select set_config('statement_timeout', '5s', true)

-- name: doctor_statuses
-- Statuses that are none of ours, the most frequent first.
select coalesce(j.{status}::text, 'null') as status, count(*) as rows from {jobs} j
where coalesce(j.{status}::text, 'null') <> all(%(known)s) group by 1 order by 2 desc, 1 limit 6
