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
