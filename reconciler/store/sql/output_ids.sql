-- name: output_of_id
-- The expression is that of the index `outputs_id`.
select path, server, job_id, size_bytes, mtime_ns, inode, device, verdict, inspection
from reconciler.outputs where substring(sha256(path) from 1 for 16) = %(id)s

-- name: thumbnail_of_id
select thumbnail from reconciler.outputs where substring(sha256(path) from 1 for 16) = %(id)s

-- name: shown_outputs_of_job
select path, server, job_id, size_bytes, mtime_ns, inode, device, verdict, inspection
from reconciler.outputs where job_id = %(job_id)s order by mtime_ns, path

-- name: shown_outputs_listed
select o.path, o.server, o.job_id, o.size_bytes, o.mtime_ns, o.inode, o.device, o.verdict,
       o.inspection
from reconciler.outputs o
where o.path in (
    select l.path from reconciler.listings l join reconciler.prompts p using (prompt_id)
    where p.job_id = %(job_id)s)
order by o.mtime_ns, o.path
