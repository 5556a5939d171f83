-- name: view_rows
-- Rows as people look at them. Open ones first, those that run before those that wait, then the
-- newest.
select {fields} from {jobs} j {where}
order by case when j.{status} = any(%(processing)s::text[]::{status_type}[]) then 0
              when j.{status} = any(%(queued)s::text[]::{status_type}[]) then 1 else 2 end,
         {created_at} desc nulls last, j.{id} desc

-- name: next_in_queue
-- What runs, and what will run first.
select job_id from reconciler.job_state where known_status in ('queued', 'processing')
order by case known_status when 'processing' then 0 else 1 end, queue_position, opened_at desc
limit %(limit)s

-- name: last_words
-- The last sentence of each story.
select w.job_id, e.reason
from unnest(%(job_ids)s::text[]) as w(job_id) cross join lateral (
    select reason from reconciler.events
    where job_id = w.job_id and kind not in ('linked', 'note') order by id desc limit 1
) e

-- name: known_rows
-- Which of these are keys of rows.
select j.{id}::text as job_id from {jobs} j where j.{id} = any(%(job_ids)s::text[]::{id_type}[])

-- name: is_prepared
-- Our own tables exist, so somebody has run the service on this database.
select to_regclass('reconciler.job_state') is not null as prepared
