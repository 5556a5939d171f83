"""Does a ComfyUI server answer, and with what: version, node pack, routes, websocket."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Iterator
from contextlib import closing

import requests

from reconciler.comfyui.address import ServerAddress
from reconciler.comfyui.channel import Channel, Hangup, Silence
from reconciler.comfyui.client import ComfyClient
from reconciler.comfyui.events import StatusHeard, events_of
from reconciler.comfyui.fields import Misshapen
from reconciler.comfyui.transport import NoSuchRoute, Transport
from reconciler.comfyui.values import ServerInfo
from reconciler.doctor.finding import Finding, failed, ok, warning
from reconciler.doctor.pack import check_pack
from reconciler.errors import ServerAnswer, ServerError, ServerRefused, ServerTimeout
from reconciler.service.attending import address_of, client_of
from reconciler.settings import ComfySettings, ServerSettings, Settings

#: Older versions were never tried.
OLDEST_VERSION = (0, 3, 0)
#: How long to wait for the `status` that ComfyUI sends to each new websocket, in seconds.
STATUS_S = 5.0
_MAX_MESSAGE_BYTES = 8 * 2**20
_BROWSER = "{base}/system_stats must show JSON with comfyui_version in a browser"


def check_server(settings: Settings, server: ServerSettings) -> Iterator[Finding]:
    """What it answers; where it does not, no further question is asked."""
    with closing(client_of(settings, server)) as client:
        try:
            info = client.info()
        except ServerError as error:
            yield judge_error(f"{server.name}, ComfyUI", client, error)
            return
    yield judge_info(f"{server.name}, ComfyUI", info)
    with closing(_transport(settings.comfyui, server)) as transport:
        yield from check_pack(server.name, transport)
        yield _check_jobs_route(f"{server.name}, queue", transport)


def judge_error(what: str, client: ComfyClient, error: ServerError) -> Finding:
    """Refused, silent and talking nonsense are different illnesses."""
    base = client.address.base
    browser = _BROWSER.format(base=base)
    if isinstance(error, ServerTimeout):
        if isinstance(error.__cause__, requests.ConnectTimeout):
            advice = f"nothing answers at {base} at all: check host, port and firewall"
        else:
            advice = "try again when it is idle; if it stays silent, restart ComfyUI"
    elif isinstance(error, ServerRefused) and "tls_ca" in str(error):
        advice = "let url say http or https as the server speaks, and name its authority in tls_ca"
    elif isinstance(error, ServerRefused):
        advice = (
            "start ComfyUI, or correct the server's url; from another host or container it is"
            " reached only if it was started with --listen"
        )
    elif isinstance(error, NoSuchRoute):
        advice = f"something else answers there, or a proxy adds a path: {browser}"
    else:
        advice = (
            f"{browser}; if it does not, correct the server's url, or give token or headers where"
            " a proxy asks for them"
        )
    return failed(what, str(error), advice)


def judge_info(what: str, info: ServerInfo) -> Finding:
    """The version and what it runs on."""
    devices = ", ".join(device.name for device in info.devices) or "no device named"
    python = (info.python_version or "unknown").split(" ")[0]
    runs = f"Python {python} on {info.os or 'an unknown system'}, {devices}"
    advice = "update ComfyUI; versions 0.3.64 and 0.33.0 are the tested ones"
    if info.version is None:
        return warning(what, f"it does not tell its version; {runs}", advice)
    detail = f"version {info.version}, {runs}"
    numbers = re.match(r"v?(\d+)\.(\d+)\.(\d+)", info.version)
    if numbers and tuple(map(int, numbers.groups())) < OLDEST_VERSION:
        return warning(what, f"{detail}: older than any version that was tried", advice)
    return ok(what, detail)


def _transport(comfyui: ComfySettings, server: ServerSettings) -> Transport:
    return Transport(
        address_of(server),
        comfyui.connect_timeout_s,
        comfyui.timeout_s,
        comfyui.max_answer_bytes,
    )


def _check_jobs_route(what: str, transport: Transport) -> Finding:
    try:
        transport.get("/api/jobs", {"status": "pending,in_progress"})
    except NoSuchRoute:
        return ok(what, "no /api/jobs in this version: the whole queue is read at each look")
    except ServerAnswer as error:
        advice = "the log of ComfyUI says why; until then the whole queue is read"
        return warning(what, f"/api/jobs fails: {error}", advice)
    except ServerError as error:
        return warning(what, f"not known: {error}", "run doctor again when ComfyUI is idle")
    return ok(what, "/api/jobs is there: a look costs kilobytes")


def check_websocket(settings: Settings, server: ServerSettings) -> Iterator[Finding]:
    """That a websocket connects and speaks.

    Under a client id of its own: with the service's it would take the service's socket away.
    """
    what = f"{server.name}, websocket"
    if not settings.comfyui.socket:
        yield ok(what, "switched off by comfyui.socket: changes are seen at the next pass")
        return
    try:
        _hear_status(address_of(server))
    except (Hangup, Silence) as problem:
        advice = (
            "where a proxy stands before ComfyUI, let it pass websockets on (Upgrade and"
            " Connection headers); else set comfyui.socket to false"
        )
        if isinstance(problem.__cause__, ConnectionRefusedError):
            advice = "first let the server answer, then run doctor again"
        yield warning(
            what,
            f"it does not work, so changes are seen only at the next pass: {problem}",
            advice,
        )
        return
    yield ok(what, "it connects and sends its status")


def _hear_status(address: ServerAddress) -> None:
    until = time.monotonic() + STATUS_S
    own_id = f"reconciler-doctor-{uuid.uuid4()}"
    with closing(Channel(address, own_id, max_message_bytes=_MAX_MESSAGE_BYTES)) as channel:
        channel.open(STATUS_S)
        while True:
            message = channel.hear(max(until - time.monotonic(), 0.01))
            try:
                events = () if message is None else events_of(message)
            except Misshapen as problem:
                raise Hangup(f"what it says is not ComfyUI's: {problem}") from problem
            if any(isinstance(event, StatusHeard) for event in events):
                return
