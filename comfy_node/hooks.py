"""Puts the pack's hooks on a PromptServer. Each is put on apart: one that fails leaves the others.

A wrapper calls the original exactly once with all that it was given, returns what that returns and
lets its exceptions through. What the pack does before or after is guarded.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from .contract import PACK_VERSION
from .guard import guarded, log, replace_method, step_aside
from .pack import Pack
from .previews import add_preview_route
from .snapshot import add_route
from .tags import tag_prompt

__all__ = ["install", "register", "tag_prompt"]

#: Attribute of a PromptServer that has the pack: a link and a clone may both be there.
MARK = "reconciler_pack"

Method = Callable[..., Any]


def register() -> bool:
    """Installs the pack in the ComfyUI that loads it. False where there is none, or it was there.

    `server` is looked up and never imported: ComfyUI has loaded it before its custom nodes, and
    elsewhere a module of that name is somebody else's program.
    """
    instance = getattr(getattr(sys.modules.get("server"), "PromptServer", None), "instance", None)
    if instance is None:
        return False

    def output_directory() -> str:
        return str(sys.modules["folder_paths"].get_output_directory())

    return install(instance, output_directory) is not None


def install(server_instance: Any, output_directory: Callable[[], str]) -> Pack | None:
    """Puts every hook on this PromptServer, with manifests in `output_directory()`.

    What is returned belongs to this server alone; its `close` takes the hooks off and stops the
    threads. None where the server has a pack already. Never raises.
    """
    try:
        return _install(server_instance, output_directory)
    except Exception as error:
        step_aside("the node pack does nothing", error)
        return None


def _install(server: Any, output_directory: Callable[[], str]) -> Pack | None:
    if getattr(server, MARK, None) is not None:
        log.warning(
            "reconciler: the node pack is installed twice in custom_nodes; this one steps aside, "
            "delete one of them"
        )
        return None
    pack = Pack(server, output_directory, getattr(server, "send_sync", _nobody))
    missing = []
    for name, (put_on, consequence) in _HOOKS.items():
        try:
            put_on(pack)
            pack.hooks.add(name)
        except AttributeError:
            missing.append(f"{consequence} (no {name})")
        except Exception as error:
            step_aside(consequence, error)
    _mark(pack)
    if missing:
        log.warning("reconciler: node pack %s loaded, but %s", PACK_VERSION, "; ".join(missing))
    else:
        log.info("reconciler: node pack %s loaded: tags, manifests, snapshot", PACK_VERSION)
    return pack


def _mark(pack: Pack) -> None:
    if hasattr(pack.server, "__dict__"):
        setattr(pack.server, MARK, PACK_VERSION)
        pack.on_close(lambda: delattr(pack.server, MARK))


def _nobody(*args: Any) -> None:
    """Stands for a server that sends nothing."""


def _prompts(pack: Pack) -> None:
    def handler(body: Any) -> Any:
        return body if pack.closed else tag_prompt(body)

    pack.server.add_on_prompt_handler(handler)
    handlers = getattr(pack.server, "on_prompt_handlers", None)
    if isinstance(handlers, list):
        pack.on_close(lambda: handlers.remove(handler))


def _put(pack: Pack) -> None:
    def make(original: Method) -> Method:
        def put(*args: Any, **kwargs: Any) -> Any:
            if pack.closed:
                return original(*args, **kwargs)
            item = args[0] if args else kwargs.get("item")
            tagged = guarded("a queued prompt is not noted", pack.submitted, item)
            if tagged is None:
                return original(*args, **kwargs)
            if args:
                return original(tagged, *args[1:], **kwargs)
            return original(**{**kwargs, "item": tagged})

        return put

    pack.on_close(replace_method(pack.queue, "put", make))


def _get(pack: Pack) -> None:
    def make(original: Method) -> Method:
        def get(*args: Any, **kwargs: Any) -> Any:
            if not pack.closed:
                guarded("the worker is not seen", pack.ledger.worker_asks)
            taken = original(*args, **kwargs)
            if not pack.closed:
                guarded("a prompt's start is not noted", pack.started, taken)
            return taken

        return get

    pack.on_close(replace_method(pack.queue, "get", make))


def _task_done(pack: Pack) -> None:
    def make(original: Method) -> Method:
        def task_done(*args: Any, **kwargs: Any) -> Any:
            if pack.closed:
                return original(*args, **kwargs)
            given = dict(zip(("item_id", "history_result", "status"), args, strict=False)) | kwargs
            ending = guarded("a prompt's end is not noted", pack.ending, given.get("item_id"))
            try:
                result = original(*args, **kwargs)
                if ending is not None:
                    outcome = (given.get("history_result"), given.get("status"))
                    guarded("a prompt's end is not noted", pack.ended, ending, *outcome)
            finally:
                if ending is None:
                    pack.ledger.lose()
                else:
                    guarded("a prompt's end is not noted", pack.forget, ending)
            return result

        return task_done

    pack.on_close(replace_method(pack.queue, "task_done", make))


def _removal(name: str) -> Callable[[Pack], None]:
    def put_on(pack: Pack) -> None:
        removals = pack.removals
        _ = pack.queue.mutex  # without it, it must not be wrapped

        def make(original: Method) -> Method:
            def remove(*args: Any, **kwargs: Any) -> Any:
                if pack.closed:
                    return original(*args, **kwargs)
                with removals.watched():
                    return original(*args, **kwargs)

            return remove

        pack.on_close(replace_method(pack.queue, name, make))

    return put_on


def _send_sync(pack: Pack) -> None:
    def make(original: Method) -> Method:
        def send_sync(*args: Any, **kwargs: Any) -> Any:
            result = original(*args, **kwargs)
            if not pack.closed:
                event = args[0] if args else kwargs.get("event")
                data = args[1] if len(args) > 1 else kwargs.get("data")
                guarded("an event is not heard", pack.heard, event, data)
            return result

        return send_sync

    pack.on_close(replace_method(pack.server, "send_sync", make))


#: By what it needs: how each hook is put on, and what is lost without it.
_HOOKS: dict[str, tuple[Callable[[Pack], None], str]] = {
    "add_on_prompt_handler": (_prompts, "prompts are not tagged"),
    "put": (_put, "prompts that a node queues are not tagged"),
    "get": (_get, "no prompt's start is seen"),
    "task_done": (_task_done, "there are no manifests"),
    "delete_queue_item": (_removal("delete_queue_item"), "deleted prompts leave no manifest"),
    "wipe_queue": (_removal("wipe_queue"), "wiped prompts leave no manifest"),
    "send_sync": (_send_sync, "no progress is seen"),
    "routes": (add_route, "there is no snapshot"),
    "preview route": (add_preview_route, "nobody sees what a prompt shows"),
}
