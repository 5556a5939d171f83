-- name: save_output
-- Whose file it is stays, once known, unless another was written in its place.
insert into reconciler.outputs as o
    (path, server, job_id, prompt_id, size_bytes, mtime_ns, inode, device, inspection, verdict,
     checks_version, wanted, identical_to, tag_job_id, tag_prompt_id, named_job_id, named_prompt_id, group_key, inspected_at,
     unsound_since, confirmed, thumbnail)
values (%(path)s, %(server)s, %(job_id)s, %(prompt_id)s, %(size_bytes)s, %(mtime_ns)s, %(inode)s,
        %(device)s, %(inspection)s, %(verdict)s, %(checks_version)s, %(wanted)s, %(identical_to)s,
        %(tag_job_id)s, %(tag_prompt_id)s, %(named_job_id)s,
        %(named_prompt_id)s, %(group_key)s, now(),
        to_timestamp(%(unsound_since)s), %(confirmed)s, %(thumbnail)s)
on conflict (path) do update
set server = case when (o.size_bytes, o.mtime_ns, o.inode)
                     = (excluded.size_bytes, excluded.mtime_ns, excluded.inode)
                     and o.job_id is not null
                  then o.server else excluded.server end,
    job_id = case when (o.size_bytes, o.mtime_ns, o.inode)
                     = (excluded.size_bytes, excluded.mtime_ns, excluded.inode)
                  then coalesce(o.job_id, excluded.job_id) else excluded.job_id end,
    prompt_id = case when (o.size_bytes, o.mtime_ns, o.inode)
                        = (excluded.size_bytes, excluded.mtime_ns, excluded.inode)
                     then coalesce(o.prompt_id, excluded.prompt_id) else excluded.prompt_id end,
    identical_to = case when (o.size_bytes, o.mtime_ns, o.inode)
                           = (excluded.size_bytes, excluded.mtime_ns, excluded.inode)
                        then coalesce(excluded.identical_to, o.identical_to)
                        else excluded.identical_to end,
    device = excluded.device, checks_version = excluded.checks_version, wanted = excluded.wanted,
    size_bytes = excluded.size_bytes, mtime_ns = excluded.mtime_ns, inode = excluded.inode,
    inspection = excluded.inspection, verdict = excluded.verdict, tag_job_id = excluded.tag_job_id,
    tag_prompt_id = excluded.tag_prompt_id, named_job_id = excluded.named_job_id,
    named_prompt_id = excluded.named_prompt_id, group_key = excluded.group_key,
    forgotten_at = case when (o.size_bytes, o.mtime_ns, o.inode)
                           = (excluded.size_bytes, excluded.mtime_ns, excluded.inode)
                        then o.forgotten_at end,
    inspected_at = now(), unsound_since = excluded.unsound_since, confirmed = excluded.confirmed,
    thumbnail = excluded.thumbnail

-- name: attribute_outputs
-- A file belongs to one job: the first that proved it; and to the server that ran it, of those that
-- share a directory.
update reconciler.outputs o
set job_id = %(job_id)s, prompt_id = w.prompt_id,
    server = coalesce(
        (select p.server from reconciler.prompts p where p.prompt_id = w.prompt_id), o.server)
from unnest(%(paths)s::bytea[], %(prompt_ids)s::text[]) as w(path, prompt_id)
where o.path = w.path and o.job_id is null

-- name: attribute_siblings
-- What one save wrote together is one job's, unless a tag of its own says otherwise. Nothing where
-- two jobs have files of the group.
with owners as (
    select group_key, min(job_id) as job_id, min(prompt_id) as prompt_id
    from reconciler.outputs
    where job_id is not null and group_key = any(
        select group_key from reconciler.outputs where path = any(%(paths)s))
    group by group_key having count(distinct job_id) = 1
)
update reconciler.outputs o set job_id = w.job_id, prompt_id = w.prompt_id
from owners w
where o.group_key = w.group_key and o.job_id is null
  and (o.tag_prompt_id is null or exists (
      select from reconciler.prompts p
      where p.prompt_id = o.tag_prompt_id and p.job_id = w.job_id))

-- name: known_outputs
select path, server, job_id, prompt_id, size_bytes, mtime_ns, inode, inspection, verdict,
       device, checks_version, wanted, identical_to, tag_job_id, tag_prompt_id, named_job_id, named_prompt_id,
       extract(epoch from unsound_since)::float8 as unsound_since,
       confirmed, extract(epoch from inspected_at)::float8 as inspected_at
from reconciler.outputs where path = any(%(paths)s)

-- name: same_file
-- Answers about this very file under any name, the newest first, as these checks would give them.
select path, server, job_id, prompt_id, size_bytes, mtime_ns, inode, inspection, verdict,
       device, checks_version, wanted, identical_to, tag_job_id, tag_prompt_id, named_job_id,
       named_prompt_id, extract(epoch from unsound_since)::float8 as unsound_since,
       confirmed, extract(epoch from inspected_at)::float8 as inspected_at, thumbnail
from reconciler.outputs
where inode = %(inode)s and device = %(device)s and size_bytes = %(size_bytes)s
  and mtime_ns = %(mtime_ns)s and checks_version = %(checks_version)s and wanted = %(wanted)s
order by inspected_at desc limit 20

-- name: note_identical
update reconciler.outputs set identical_to = %(digest)s
where path = %(path)s and size_bytes = %(size_bytes)s and mtime_ns = %(mtime_ns)s
  and inode = %(inode)s

-- name: claims
-- What is claimed of files: the jobs of the prompts that their tags and names speak of, and the
-- prompts whose endings list them. A job that was completed with another file in its place, or with
-- an earlier job's, claims nothing any more.
select o.path, o.mtime_ns, o.tag_job_id, o.tag_prompt_id, o.named_job_id, o.named_prompt_id,
       (select json_agg(json_build_object(
                   'prompt_id', p.prompt_id, 'job_id', p.job_id,
                   'ended_at', p.ending->'ended_at') order by p.prompt_id)
        from reconciler.prompts p
        where p.prompt_id in (o.tag_prompt_id, o.named_prompt_id)) as links,
       (select json_agg(json_build_object(
                   'prompt_id', p.prompt_id, 'job_id', p.job_id, 'reused', l.reused,
                   'started_at', p.ending->'started_at', 'ended_at', p.ending->'ended_at',
                   'unchanged', l.size_bytes = o.size_bytes
                                and l.mtime_ns / 1000 = o.mtime_ns / 1000)
                   order by p.linked_at, p.prompt_id)
        from reconciler.listings l join reconciler.prompts p using (prompt_id)
        left join reconciler.job_state s on s.job_id = p.job_id
        where l.path = o.path
          and (s.known_status is distinct from 'completed' or o.job_id = p.job_id)) as listings
from reconciler.outputs o where o.path = any(%(paths)s)

-- name: claimed_outputs
-- The files that name a job or one of its prompts, by tag or by name, and their siblings.
with mine as (
    select path, group_key from reconciler.outputs
    where tag_job_id = %(job_id)s or named_job_id = %(job_id)s
       or tag_prompt_id = any(%(prompt_ids)s) or named_prompt_id = any(%(prompt_ids)s)
)
select path, server, job_id, prompt_id, size_bytes, mtime_ns, inode, inspection, verdict,
       device, checks_version, wanted, identical_to, tag_job_id, tag_prompt_id, named_job_id, named_prompt_id,
       extract(epoch from unsound_since)::float8 as unsound_since,
       confirmed, extract(epoch from inspected_at)::float8 as inspected_at
from reconciler.outputs
where path in (select path from mine
               union select s.path from reconciler.outputs s join mine using (group_key))
order by mtime_ns, path

-- name: outputs_of_job
select path, server, job_id, prompt_id, size_bytes, mtime_ns, inode, inspection, verdict,
       device, checks_version, wanted, identical_to, tag_job_id, tag_prompt_id, named_job_id, named_prompt_id,
       extract(epoch from unsound_since)::float8 as unsound_since,
       confirmed, extract(epoch from inspected_at)::float8 as inspected_at
from reconciler.outputs where job_id = %(job_id)s order by path

-- name: orphans
-- Files that are nobody's, the newest first, from behind a place: not those that an open job may yet turn out to have,
-- nor those that one job alone lists, or that one save wrote together with such a file.
select o.path, o.server, o.size_bytes, o.mtime_ns, o.verdict, count(*) over () as total
from reconciler.outputs o
where o.job_id is null and o.forgotten_at is null
  and (%(server)s::text is null or o.server = %(server)s)
  and o.mtime_ns >= %(since_ns)s
  and not exists (
      select from reconciler.prompts p
      where p.prompt_id = o.tag_prompt_id
        and (o.tag_job_id is null or o.tag_job_id in (p.job_id, p.prompt_id)))
  and not (o.tag_prompt_id is null and (
      exists (
          select from reconciler.prompts p
          where p.prompt_id = o.named_prompt_id
            and (o.named_job_id is null or o.named_job_id = p.job_id))
      or exists (
          select from reconciler.job_state s
          where s.job_id in (o.tag_job_id, o.named_job_id)
            and s.known_status in ('queued', 'processing')
            and o.mtime_ns >= extract(epoch from s.opened_at) * 1e9)
      or exists (
          select from reconciler.outputs s
          where s.group_key = o.group_key and s.path <> o.path and (
              s.job_id is not null
              or exists (select from reconciler.prompts p where p.prompt_id = s.tag_prompt_id)
              or exists (select from reconciler.listings l where l.path = s.path)))
      or 1 = (
          select count(distinct p.job_id)
          from reconciler.listings l join reconciler.prompts p using (prompt_id)
          left join reconciler.job_state s on s.job_id = p.job_id
          where l.path = o.path and not l.reused
            and s.known_status is distinct from 'completed')))
  and (%(behind_ns)s::bigint is null
       or (o.mtime_ns, o.path) < (%(behind_ns)s::bigint, %(behind)s::bytea))
order by o.mtime_ns desc, o.path desc
limit %(limit)s

-- name: some_outputs
-- A few recent outputs of a server: if one is still there, it is the same storage.
select path from reconciler.outputs where server = %(server)s order by inspected_at desc limit 50

-- name: forget_listings
-- The prompts' endings list other files than they did.
delete from reconciler.listings l
where l.prompt_id = any(%(all_prompt_ids)s) and not exists (
    select from unnest(%(prompt_ids)s::text[], %(paths)s::bytea[]) as w(prompt_id, path)
    where w.prompt_id = l.prompt_id and w.path = l.path)

-- name: note_listings
insert into reconciler.listings as l (prompt_id, path, reused, size_bytes, mtime_ns)
select * from unnest(%(prompt_ids)s::text[], %(paths)s::bytea[], %(reused)s::boolean[],
                     %(sizes)s::bigint[], %(times)s::bigint[])
on conflict (path, prompt_id) do update
set reused = excluded.reused, size_bytes = excluded.size_bytes, mtime_ns = excluded.mtime_ns
where (l.reused, l.size_bytes, l.mtime_ns)
      is distinct from (excluded.reused, excluded.size_bytes, excluded.mtime_ns)
