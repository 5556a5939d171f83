-- A file may be sound, unsound, or of a kind that nothing could judge.
alter table reconciler.outputs
    alter column sound type text using case when sound then 'sound' else 'unsound' end;
alter table reconciler.outputs rename column sound to verdict;
alter table reconciler.outputs
    add constraint outputs_verdict check (verdict in ('sound', 'unsound', 'unjudged')),
    -- With inode, size and time: the same file under whatever name. Null where it was not asked.
    add column device numeric(20),
    -- Which version of the checks gave the answer (0: before they were counted), and what it was
    -- asked for.
    add column checks_version integer not null default 0,
    add column wanted jsonb,
    -- The digest of a manifest that this very file was found to have: "<algorithm>:<hex>".
    add column identical_to text;
create index outputs_file on reconciler.outputs (inode, device) where device is not null;
