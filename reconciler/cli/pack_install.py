"""Installs, updates, judges and removes the node pack in a custom_nodes, and tells of it."""

from __future__ import annotations

import os
from pathlib import Path

import comfy_node
from comfy_node.contract import MANIFEST_DIR, PACK_VERSION
from reconciler.cli import pack_files, terminal
from reconciler.cli.installed_pack import (
    Form,
    Installed,
    changed_since_copied,
    digests_of,
    installed_in,
    receipt_of,
)
from reconciler.cli.pack_clone import why_keep
from reconciler.errors import ReconcilerError

#: The pack's folder in custom_nodes.
NAME = "reconciler"
#: The pack that this reconciler came with: of a checkout, or of an installed package.
SOURCE = Path(comfy_node.__file__).resolve().parent
_SHOWN_FILES = 5


def say_what_is_there(custom_nodes: Path, found: list[Installed]) -> bool:
    """Shows the pack, with what is wrong and what to do; True where nothing is."""
    for one in found:
        terminal.raw(terminal.safe(one))
    wrong = _complaint(found)
    if not found:
        wrong = "it is not installed: run this without --check"
        terminal.raw(f"{terminal.safe(custom_nodes)}: no node pack of reconciler")
    if wrong is None:
        terminal.remark(f"It is the one that this reconciler ({PACK_VERSION}) expects.")
        return True
    terminal.warn("", wrong)
    return False


def _complaint(found: list[Installed]) -> str | None:
    """What is wrong with what is installed, and what to do; None where nothing is."""
    if len(found) > 1:
        return f"it is installed {len(found)} times, and ComfyUI loads each: remove all but one"
    for one in found:
        if one.version is None:
            return "the link leads nowhere: run this without --check to repair it"
        if one.form is Form.COPY and (changed := changed_since_copied(one.path)):
            return f"changed by hand since it was copied: {_some(changed)}"
        if not one.is_current:
            return f"this reconciler expects {PACK_VERSION}: {_how_to_update(one)}"
        if one.form is Form.COPY and receipt_of(one.path) != digests_of(SOURCE):
            return "its files differ from this reconciler's: run this without --check"
    return None


def install(custom_nodes: Path, found: list[Installed], *, copy: bool) -> None:
    """Puts the pack there, or sets right what is found. Raises ReconcilerError."""
    if len(found) > 1:
        where = ", ".join(str(one.path) for one in found)
        raise ReconcilerError(
            f"the node pack is there {len(found)} times, and ComfyUI loads each: remove all but"
            f" one of {where}"
        )
    there = found[0] if found else None
    place = custom_nodes / NAME if there is None else there.path
    if there is None and os.path.lexists(place):
        raise ReconcilerError(f"{place} is there, and is not ours: move it away, then try again")
    if there is not None and _is_settled(there, copy=copy):
        terminal.raw(terminal.safe(there))
        terminal.remark("Nothing to do: it is there already.")
        return
    as_copy = copy or (there is not None and there.form is Form.COPY)
    if not as_copy and not pack_files.place_link(place, SOURCE):
        terminal.remark("Links do not work there, so it is copied: run this after each update.")
        as_copy = True
    if as_copy:
        pack_files.place_copy(place, SOURCE)
    for one in installed_in(custom_nodes):
        terminal.raw(terminal.safe(one))
    terminal.remark("Restart ComfyUI: it loads node packs when it starts, and logs a line of ours.")


def _is_settled(there: Installed, *, copy: bool) -> bool:
    """True where it is as it should be; raises ReconcilerError where it is not ours to change."""
    if there.form is Form.LINK:
        target = there.path.resolve()
        return not copy and there.version is not None and target in (SOURCE, SOURCE.parent)
    if there.form is Form.COPY:
        if changed := changed_since_copied(there.path):
            raise ReconcilerError(
                f"{there.path} was changed by hand since it was copied ({_some(changed)}): move"
                " it out of custom_nodes, then try again"
            )
        return receipt_of(there.path) == digests_of(SOURCE)
    if there.is_current:
        return True
    raise ReconcilerError(
        f"{there}, and this reconciler expects {PACK_VERSION}: {_how_to_update(there)}"
    )


def _how_to_update(there: Installed) -> str:
    if there.form is Form.REPOSITORY:
        return (
            "update it as it was installed, with `git pull` or ComfyUI-Manager, and the"
            " reconciler along with it"
        )
    if there.form is Form.LINK:
        return "update what the link leads to, or run this without --check"
    if there.form is Form.COPY:
        return "run this without --check"
    return "move it out of custom_nodes, then run this without --check"


def uninstall_all(custom_nodes: Path, found: list[Installed]) -> None:
    """Removes what is ours alone. Raises ReconcilerError for the rest, which stays."""
    kept = {one.path: reason for one in found if (reason := _why_keep(one)) is not None}
    for one in found:
        if one.path not in kept:
            pack_files.remove(one.path)
            terminal.raw(f"removed {terminal.safe(one.path)}")
    if not found:
        terminal.remark(f"Nothing to do: no node pack of reconciler in {custom_nodes}.")
        return
    if kept:
        reasons = "\n".join(f"{path} stays: {reason}" for path, reason in kept.items())
        raise ReconcilerError(f"{reasons}\nTo remove it all the same: rm -r")
    terminal.remark(
        f"Restart ComfyUI. What the pack wrote stays: the folder {MANIFEST_DIR} in ComfyUI's output"
        " directory, with one small file for each prompt. reconciler reads them; else delete it."
    )


def _why_keep(one: Installed) -> str | None:
    """Why it is not for us to delete; None where it is."""
    if one.form is Form.LINK:
        return None
    if SOURCE.is_relative_to(one.path.resolve()):
        return "this very reconciler runs from it"
    if one.form is Form.COPY:
        changed = changed_since_copied(one.path)
        return f"changed by hand since it was copied ({_some(changed)})" if changed else None
    if one.form is Form.FOLDER:
        return "somebody copied it there by hand, and may have changed it"
    return why_keep(one.path)


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN_FILES} more" if len(names) > _SHOWN_FILES else ""
    return ", ".join(names[:_SHOWN_FILES]) + more
