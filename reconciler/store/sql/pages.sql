-- name: row_window
-- The next so many rows in an order, and of them those that are wanted; the last one in any case,
-- since the next window begins behind it. However few are wanted, it ends.
select {fields}, ({wanted}) as wanted, j.reconciler_value as value, j.reconciler_number as number
from (
    select j.*, {value} as reconciler_value, row_number() over (order by {order}) as reconciler_number
    from {jobs} j where {within} order by {order} limit %(window)s
) j
where ({wanted}) or j.reconciler_number = %(window)s
order by j.reconciler_number

-- name: state_window
-- The same of what we know of jobs, by when it was decided last.
select {state}, s.value, s.number, ({wanted}) as wanted
from (
    select s.*, s.decided_at::text as value,
           row_number() over (order by s.decided_at {direction}, s.job_id {direction}) as number
    from reconciler.job_state s where {within}
    order by s.decided_at {direction}, s.job_id {direction} limit %(window)s
) s
where ({wanted}) or s.number = %(window)s
order by s.number

-- name: rows_wanted
select {fields} from {jobs} j where j.{id} = any(%(job_ids)s::text[]::{id_type}[]) and ({wanted})

-- name: jobs_of_prompt
select job_id from reconciler.prompts where prompt_id = %(prompt_id)s

-- name: story_page
select id, extract(epoch from at)::float8 as at, attempt, kind, from_status, to_status, failure,
       rule, reason, evidence
from reconciler.events where job_id = %(job_id)s and id > %(after)s order by id limit %(limit)s

-- name: outputs_page
-- The files that were inspected last. Of each server by itself: that is the order of its index.
select o.path, o.server, o.job_id, o.prompt_id, o.size_bytes, o.mtime_ns, o.inode, o.inspection,
       o.verdict, o.device, o.checks_version, o.wanted, o.identical_to, o.tag_job_id,
       o.tag_prompt_id, o.named_job_id, o.named_prompt_id,
       extract(epoch from o.unsound_since)::float8 as unsound_since, o.confirmed,
       extract(epoch from o.inspected_at)::float8 as inspected_at, o.inspected_at::text as value
from reconciler.servers s cross join lateral (
    select * from reconciler.outputs o
    where o.server = s.name and (%(verdict)s::text is null or o.verdict = %(verdict)s)
      and (%(value)s::text is null
           or (o.inspected_at, o.path) < (%(value)s::timestamptz, %(key)s::bytea))
    order by o.inspected_at desc, o.path desc limit %(limit)s
) o
where %(server)s::text is null or s.name = %(server)s
order by o.inspected_at desc, o.path desc limit %(limit)s

-- name: outputs_page_of_job
select o.path, o.server, o.job_id, o.prompt_id, o.size_bytes, o.mtime_ns, o.inode, o.inspection,
       o.verdict, o.device, o.checks_version, o.wanted, o.identical_to, o.tag_job_id,
       o.tag_prompt_id, o.named_job_id, o.named_prompt_id,
       extract(epoch from o.unsound_since)::float8 as unsound_since, o.confirmed,
       extract(epoch from o.inspected_at)::float8 as inspected_at, null::text as value
from reconciler.outputs o
where o.job_id = %(job_id)s and (%(key)s::bytea is null or o.path > %(key)s::bytea)
order by o.path limit %(limit)s
