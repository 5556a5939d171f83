-- name: output_of_id
-- The expression is that of the index `outputs_id`.
select path, server, job_id, size_bytes, mtime_ns, inode, device, verdict, inspection
from reconciler.outputs where substring(sha256(path) from 1 for 16) = %(id)s

-- name: thumbnail_of_id
select thumbnail from reconciler.outputs where substring(sha256(path) from 1 for 16) = %(id)s

-- name: shown_outputs_of_job
select path, server, job_id, size_bytes, mtime_ns, inode, device, verdict, inspection
from reconciler.outputs where job_id = %(job_id)s order by mtime_ns, path
