-- name: adopt_database
-- Where we are, and what we may do. Nothing here, or below, changes anything.
select current_database() as name, current_user as role,
       current_setting('server_version') as version, current_setting('TimeZone') as timezone,
       extract(timezone from now())::float8 as utc_offset_s,
       extract(epoch from clock_timestamp())::float8 as now,
       current_schemas(false)::text[] as search_path,
       has_database_privilege(current_database(), 'CREATE') as may_create_schema,
       pg_is_in_recovery() as standby

-- name: adopt_schemas
-- Where we may make tables, and which names are taken there.
select n.nspname::text as schema,
       array(select c.relname::text from pg_class c where c.relnamespace = n.oid) as names
from pg_namespace n
where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  and has_schema_privilege(n.oid, 'CREATE') and has_schema_privilege(n.oid, 'USAGE')
order by n.nspname limit 100

-- name: adopt_relations
-- Tables and views that may hold jobs: those with a column that is called like a status; or the
-- named one. No partitions (their parent is meant), nothing of an extension, nothing of ours.
select c.oid::bigint as oid, n.nspname::text as schema, c.relname::text as name,
       c.relkind::text as kind, pg_table_is_visible(c.oid) as visible,
       case when c.reltuples >= 0 then c.reltuples::bigint end as rows,
       pg_has_role(c.relowner, 'USAGE') as owned,
       has_schema_privilege(n.oid, 'USAGE') as may_use_schema,
       row_security_active(c.oid) as row_security,
       pg_relation_is_updatable(c.oid, false) & 4 = 4 as updatable,
       pg_relation_is_updatable(c.oid, true) & 4 = 4 as updatable_by_trigger
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'v', 'm', 'f') and not c.relispartition
  and n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and n.nspname <> %(own_schema)s
  and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass
                  and d.objid = c.oid and d.deptype = 'e')
  and case when %(name)s is null
      then exists (select from pg_attribute a where a.attrelid = c.oid and a.attnum > 0
                   and not a.attisdropped and a.attname ~* %(status)s)
      else c.relname = %(name)s
           and (n.nspname = %(schema)s or %(schema)s is null and pg_table_is_visible(c.oid)) end
order by n.nspname = any(current_schemas(false)) desc, c.relname ~* 'job' desc, 2, 3
limit %(limit)s

-- name: adopt_names
-- What could have been meant by a name that nothing has.
select n.nspname::text as schema, c.relname::text as name
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'v') and not c.relispartition
  and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
order by n.nspname = any(current_schemas(false)) desc, 1, 2 limit 1000

-- name: adopt_columns
-- Columns with what a domain adds to its type: checks, a default, and that null is none.
select a.attrelid::bigint as oid, a.attname::text as name,
       format_type(a.atttypid, a.atttypmod) as type,
       format_type(coalesce(nullif(t.typbasetype, 0), t.oid),
                   case when t.typtype = 'd' then t.typtypmod else a.atttypmod end) as base_type,
       t.typcategory::text as category,
       a.attnotnull or t.typnotnull as not_null,
       case when a.attidentity <> '' then 'identity'
            else coalesce(pg_get_expr(d.adbin, d.adrelid), t.typdefault) end as "default",
       array(select e.enumlabel::text from pg_enum e
             where e.enumtypid = coalesce(nullif(t.typbasetype, 0), t.oid)
             order by e.enumsortorder) as labels,
       array(select pg_get_constraintdef(k.oid) from pg_constraint k
             where k.contype = 'c' and (k.conrelid = a.attrelid and k.conkey = array[a.attnum]
                                        or k.contypid = t.oid and t.typtype = 'd')) as checks,
       (select k.confrelid::regclass::text from pg_constraint k
        where k.contype = 'f' and k.conrelid = a.attrelid and k.conkey = array[a.attnum]
        limit 1) as "references",
       has_column_privilege(a.attrelid, a.attnum, 'SELECT') as may_read,
       has_column_privilege(a.attrelid, a.attnum, 'UPDATE') as may_write,
       a.attgenerated = '' and a.attidentity <> 'a'
           and pg_column_is_updatable(a.attrelid, a.attnum, true) as updatable
from pg_attribute a join pg_type t on t.oid = a.atttypid
left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
where a.attrelid = any(%(oids)s::oid[]) and a.attnum > 0 and not a.attisdropped
order by a.attrelid, a.attnum

-- name: adopt_keys
-- The primary key first, then whatever else is unique without conditions.
select i.indrelid::bigint as oid, i.indisprimary as is_primary,
       array(select a.attname::text from unnest(i.indkey::int2[]) with ordinality k(number, place)
             join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.number
             where k.place <= i.indnkeyatts order by k.place) as columns
from pg_index i
where i.indrelid = any(%(oids)s::oid[]) and i.indisunique and i.indisvalid
  and i.indpred is null and i.indexprs is null
order by i.indrelid, i.indisprimary desc, i.indexrelid

-- name: adopt_triggers
-- Those of people that fire on an update.
select g.tgrelid::bigint as oid, g.tgname::text as name, g.tgfoid::regproc::text as function
from pg_trigger g
where g.tgrelid = any(%(oids)s::oid[]) and not g.tgisinternal and g.tgenabled <> 'D'
  and g.tgtype & 16 = 16
order by 1, 2

-- name: adopt_constraints
-- Conditions on several columns at once; those of one column come with the column.
select k.conrelid::bigint as oid, k.conname::text as name, pg_get_constraintdef(k.oid) as definition,
       array(select a.attname::text from pg_attribute a
             where a.attrelid = k.conrelid and a.attnum = any(k.conkey)) as columns
from pg_constraint k
where k.conrelid = any(%(oids)s::oid[]) and k.contype = 'c' and cardinality(k.conkey) > 1
order by 1, 2

-- name: adopt_sources
-- What views read.
select distinct r.ev_class::bigint as oid, d.refobjid::regclass::text as source
from pg_rewrite r join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid
where r.ev_class = any(%(oids)s::oid[]) and d.refclassid = 'pg_class'::regclass
  and d.refobjid <> r.ev_class
order by 1, 2

-- name: adopt_frequent
-- Words that the planner found to be frequent: of the whole table, without reading it.
select s.most_common_vals::text::text[] as words from pg_stats s
where s.schemaname = %(schema)s and s.tablename = %(table)s and s.attname = %(column)s

-- name: adopt_statuses
-- Words of a column in a part of the rows.
select s.word, count(*) as rows
from (select left({column}::text, {text}) as word from {jobs} {order} limit {rows}) s
where s.word is not null group by 1 order by 2 desc, 1 limit {words}

-- name: adopt_rows
select {cells} from {jobs} {order} limit {rows}
