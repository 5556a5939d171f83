-- Output files by the ids that URLs have of them (see `store/output_ids.py`).
create index outputs_id on reconciler.outputs (substring(sha256(path) from 1 for 16));
