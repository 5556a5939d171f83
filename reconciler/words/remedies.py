"""What can be done about a failure, in words for whoever runs the studio."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.core.jobs import FailureCode

REMEDIES: Mapping[FailureCode, str] = {
    FailureCode.EXECUTION_ERROR: (
        "A node of the workflow raised an error; the job's page has the full message. A missing"
        " model or input file, or a setting that the node refuses, are the usual causes. Set the"
        " row back to queued once it is mended."
    ),
    FailureCode.OUT_OF_MEMORY: (
        "The GPU or the host had too little memory. Fewer frames, a lower resolution, a smaller or"
        " quantised model help; so does ComfyUI with --lowvram, or nothing else on that GPU."
    ),
    FailureCode.INTERRUPTED: (
        "Somebody pressed cancel in ComfyUI, or another program asked it to interrupt. If nobody"
        " meant to, look who else uses this server."
    ),
    FailureCode.REJECTED: (
        "ComfyUI refused the prompt: a node type is not installed there, or an input is not valid."
        " Open the workflow in ComfyUI: it marks the node."
    ),
    FailureCode.STALLED: (
        "It ran without any sign of life, or far beyond its budget. Look at that GPU (nvidia-smi)"
        " and ComfyUI's log; a restart of ComfyUI frees what hangs. If such jobs really take so"
        " long, raise stall.no_progress_s or the budget for them."
    ),
    FailureCode.WORKER_DEAD: (
        "ComfyUI answers and runs nothing any more, until it is restarted. Its log tells what ended"
        " its worker."
    ),
    FailureCode.LOST: (
        "ComfyUI was restarted, or the prompt deleted, before it ended. Submit it again; with the"
        " node pack a deleted prompt is told apart."
    ),
    FailureCode.SERVER_DOWN: (
        "ComfyUI did not answer for too long. See Servers: is its process up, and does the address"
        " of the settings lead there?"
    ),
    FailureCode.MISSING_OUTPUT: (
        "ComfyUI reported success, and its file is not there. Does something move or delete files,"
        " and is output_dir of this server the folder in which ComfyUI saves?"
    ),
    FailureCode.INVALID_OUTPUT: (
        "The file is damaged, or not what was expected. Render it again; if it comes back, look at"
        " the disk's free space and at the encoder. A file that is good enough is taken with"
        " Accept as it is."
    ),
    FailureCode.UNJUDGED_OUTPUT: (
        "Nothing here can decode the file, and verdicts.unjudged refuses such. Look at it yourself:"
        " Accept as it is takes it."
    ),
    FailureCode.NO_OUTPUT: (
        "The workflow ended well and saved nothing: it has no node that saves, or only one that"
        " shows previews."
    ),
    FailureCode.QUEUE_TIMEOUT: (
        "It waited longer than timeouts.queue_s. More servers, fewer jobs at once, or a longer"
        " limit."
    ),
    FailureCode.NEVER_SUBMITTED: (
        "No ComfyUI ever knew its prompt. Did the application's POST /prompt fail, or does it ask a"
        " server that the settings do not name?"
    ),
}
