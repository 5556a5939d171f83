-- name: save_output
-- Whose file it is stays, once known, unless another was written in its place.
insert into reconciler.outputs as o
    (path, server, job_id, prompt_id, size_bytes, mtime_ns, inode, inspection, sound,
     tag_job_id, tag_prompt_id, inspected_at, unsound_since, confirmed, thumbnail)
values (%(path)s, %(server)s, %(job_id)s, %(prompt_id)s, %(size_bytes)s, %(mtime_ns)s, %(inode)s,
        %(inspection)s, %(sound)s, %(tag_job_id)s, %(tag_prompt_id)s, now(),
        to_timestamp(%(unsound_since)s), %(confirmed)s, %(thumbnail)s)
on conflict (path) do update
set server = excluded.server,
    job_id = case when (o.size_bytes, o.mtime_ns, o.inode)
                     = (excluded.size_bytes, excluded.mtime_ns, excluded.inode)
                  then coalesce(o.job_id, excluded.job_id) else excluded.job_id end,
    prompt_id = case when (o.size_bytes, o.mtime_ns, o.inode)
                        = (excluded.size_bytes, excluded.mtime_ns, excluded.inode)
                     then coalesce(o.prompt_id, excluded.prompt_id) else excluded.prompt_id end,
    size_bytes = excluded.size_bytes, mtime_ns = excluded.mtime_ns, inode = excluded.inode,
    inspection = excluded.inspection, sound = excluded.sound, tag_job_id = excluded.tag_job_id,
    tag_prompt_id = excluded.tag_prompt_id, inspected_at = now(),
    unsound_since = excluded.unsound_since, confirmed = excluded.confirmed,
    thumbnail = excluded.thumbnail

-- name: attribute_output
-- A file belongs to one job: the first that proved it.
update reconciler.outputs set job_id = %(job_id)s, prompt_id = %(prompt_id)s
where path = %(path)s and job_id is null

-- name: known_outputs
select path, server, job_id, prompt_id, size_bytes, mtime_ns, inode, inspection, sound,
       tag_job_id, tag_prompt_id, extract(epoch from unsound_since)::float8 as unsound_since,
       confirmed, extract(epoch from inspected_at)::float8 as inspected_at
from reconciler.outputs where path = any(%(paths)s)

-- name: tagged_outputs
select path, server, job_id, prompt_id, size_bytes, mtime_ns, inode, inspection, sound,
       tag_job_id, tag_prompt_id, extract(epoch from unsound_since)::float8 as unsound_since,
       confirmed, extract(epoch from inspected_at)::float8 as inspected_at
from reconciler.outputs where tag_job_id = any(%(job_ids)s) order by path

-- name: outputs_of_job
select path, server, job_id, prompt_id, size_bytes, mtime_ns, inode, inspection, sound,
       tag_job_id, tag_prompt_id, extract(epoch from unsound_since)::float8 as unsound_since,
       confirmed, extract(epoch from inspected_at)::float8 as inspected_at
from reconciler.outputs where job_id = %(job_id)s order by path

-- name: some_outputs
-- A few recent outputs of a server: if one is still there, it is the same storage.
select path from reconciler.outputs where server = %(server)s order by inspected_at desc limit 50
