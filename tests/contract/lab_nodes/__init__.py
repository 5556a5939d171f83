"""Test-only nodes for a real ComfyUI: no models, only noise, delays and every way to fail.

The matrix of endings links this folder into `custom_nodes`; nothing else imports it, since it needs
torch and ComfyUI. The simulator has nodes of the same names, inputs and effects.
"""

from .endings import CrashAfterSave, Hang, KillWorker, OutOfMemory, RaiseError
from .follow_ups import QueueFollowUp
from .sources import Linger, SlowNoise, SlowPreviews, Tone

NODE_CLASS_MAPPINGS = {
    "SlowNoise": SlowNoise,
    "SlowPreviews": SlowPreviews,
    "Tone": Tone,
    "Linger": Linger,
    "RaiseError": RaiseError,
    "OutOfMemory": OutOfMemory,
    "Hang": Hang,
    "KillWorker": KillWorker,
    "CrashAfterSave": CrashAfterSave,
    "QueueFollowUp": QueueFollowUp,
}
