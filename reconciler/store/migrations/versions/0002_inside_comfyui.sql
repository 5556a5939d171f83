-- What the node pack and longer watching tell.

-- The life of ComfyUI's process that answered last.
alter table reconciler.servers
    add column boot_id text,
    -- Earlier boot ids, newest last: one that comes back means several servers behind one address.
    add column earlier_boot_ids text[] not null default '{}',
    -- When one came back last, and since when this boot has had no living worker.
    add column boot_returned_at timestamptz,
    add column worker_dead_since timestamptz,
    -- Seconds, in all, in which nobody saw what runs there: it did not answer, or no reconciler
    -- looked. They count against no prompt's budget.
    add column unwatched_s double precision not null default 0;

alter table reconciler.prompts
    -- The boot id under which the prompt was last seen, and since when another one has answered.
    add column boot_id text,
    add column boot_changed_since timestamptz,
    -- The `unwatched_s` of its server when its run began: what was added since is of this run.
    add column unwatched_before_s double precision not null default 0,
    -- What it was doing when it was heard last: {node_id, node_type, value, maximum}.
    add column doing jsonb;

alter table reconciler.outputs
    -- What a configured pattern reads off the path, and what the files of one save have in common.
    add column named_job_id text,
    add column named_prompt_id text,
    add column group_key bytea;
create index outputs_tag_prompt on reconciler.outputs (tag_prompt_id) where tag_prompt_id is not null;
create index outputs_named_job on reconciler.outputs (named_job_id) where named_job_id is not null;
create index outputs_named_prompt on reconciler.outputs (named_prompt_id)
    where named_prompt_id is not null;
create index outputs_group on reconciler.outputs (group_key) where group_key is not null;
-- Files that are nobody's, the newest first.
create index outputs_loose on reconciler.outputs (mtime_ns desc) where job_id is null;

-- Which prompts' endings list which files: a file is one job's, whoever else lists it.
create table reconciler.listings (
    path      bytea not null,
    prompt_id text not null,
    -- Its node was answered from the cache: an earlier prompt wrote the file.
    reused    boolean not null,
    -- As the pack's manifest saw the file at the prompt's end.
    size_bytes bigint,
    mtime_ns  bigint,
    primary key (path, prompt_id)
);
create index listings_prompt on reconciler.listings (prompt_id);
