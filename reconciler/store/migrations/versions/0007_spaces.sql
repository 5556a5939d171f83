-- A path names one file on one host. Where hosts have output directories of the same name, each with
-- files of its own, the keys of outputs begin with a name for the space: 'gpu2:/srv/comfy/output/...'.

alter table reconciler.servers
    -- Empty: keys are plain paths. Null: not settled yet.
    add column space text,
    -- The running kernel of the agent that settled it: agents of one machine see the same files.
    add column machine text;
