"""Every ending of a prompt: one definition, played on the simulator and on a real ComfyUI.

`scenario` says what a scenario is, `stage` what it plays on, `ground` which ComfyUI stands below.
The scenarios themselves lie in `savers`, `ends`, `crashes` and `claims`.
"""
