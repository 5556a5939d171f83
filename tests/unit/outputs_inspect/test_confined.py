"""What a confined process cannot do: told from inside, by one that tries."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from reconciler.outputs import landlock, sandbox, seccomp
from reconciler.outputs.limits import Limits

from .conftest import FRAMES

#: How each program begins; its argument is the path of a file.
PROLOGUE = """
import os, signal, socket, subprocess, sys
from pathlib import Path
from reconciler.outputs.decode import decode, ffmpeg
from reconciler.outputs.limits import Limits
from reconciler.outputs.sandbox import confine
from reconciler.outputs.wanted import Wanted

path = sys.argv[1]
port = int(sys.argv[2]) if len(sys.argv) > 2 else 0
program = [ffmpeg(), "-v", "error", "-nostdin"]
held = os.open(path, os.O_RDONLY) if path else -1

def tell(attempt):
    try:
        attempt()
    except OSError as error:
        print(type(error).__name__, flush=True)
    else:
        print("done", flush=True)
"""
#: Confines the process, and keeps what was told of it.
CONFINE = "\nseen = confine(Limits(), Path(ffmpeg()))\n"


def inside(attempt: str, path: Path | str = "", *more: str) -> list[str]:
    """What a process says that tries something, is confined, and tries again."""
    again = f"\ntell(lambda: {attempt})\n"
    return program(PROLOGUE + again + CONFINE + again, path, *more)


def program(text: str, path: Path | str = "", *more: str) -> list[str]:
    """The words that a program prints; it is not to fail."""
    done = subprocess.run(
        [sys.executable, "-c", text, str(path), *more],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.decode().split()


@pytest.fixture
def other(tmp_path: Path) -> Path:
    path = tmp_path / "other"
    path.write_text("secret")
    return path


@pytest.mark.parametrize(
    "attempt",
    [
        "open(path)",
        "os.listdir(Path(path).parent)",
        "open(path, 'a')",
        "open(path + '.new', 'w')",
        "os.link(path, path + os.urandom(4).hex())",
        "os.mkdir(path + os.urandom(4).hex())",
        "open('/proc/self/environ')",
        "subprocess.run(['/bin/sh', '-c', ':'], check=True)",
        "socket.socket()",
        "socket.create_connection(('127.0.0.1', port))",
        "os.kill(os.getppid(), 0)",
    ],
)
def test_what_was_possible_is_denied(other: Path, attempt: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        before, after = inside(attempt, other, str(server.getsockname()[1]))
    assert before == "done"
    assert after == "PermissionError"
    assert other.read_text() == "secret"


def test_each_layer_denies_the_network_alone() -> None:
    for layer in ("seccomp.deny_sockets()", "landlock.restrict([])"):
        text = (
            "import socket\nfrom reconciler.outputs import landlock, sandbox, seccomp\n"
            f"sandbox._renounce(None)\n{layer}\n"
            "try: socket.create_connection(('127.0.0.1', 9))\n"
            "except OSError as error: print(type(error).__name__)\n"
        )
        assert program(text) == ["PermissionError"]


def test_a_written_byte_is_too_many(tmp_path: Path) -> None:
    """The limit on files holds for what was open before, too."""
    text = (
        f"{PROLOGUE}\nout = os.open(path, os.O_WRONLY)\n"
        f"{CONFINE}\ntell(lambda: os.write(out, b'x'))"
    )
    (tmp_path / "file").touch()
    assert program(text, tmp_path / "file") == ["OSError"]
    assert (tmp_path / "file").read_bytes() == b""


@pytest.mark.parametrize("namespaces", ["", "box._NEW_USER = -1"])
def test_the_open_file_is_decoded_all_the_same(
    studio: Callable[[str], Path], namespaces: str
) -> None:
    before = f"import reconciler.outputs.sandbox as box\n{namespaces}\n"
    text = f"{PROLOGUE}{before}{CONFINE}\nprint(decode(held, 'mov', Limits(), Wanted()).frames)"
    assert program(text, studio("h264.mp4")) == [str(FRAMES)]


@pytest.mark.parametrize(
    ("demuxer", "words", "options"),
    [
        ("hls", "#EXTM3U\n#EXTINF:1,\nfile://{}\n#EXT-X-ENDLIST\n", "-extension_picky 0"),
        ("concat", "ffconcat version 1.0\nfile 'file:{}'\n", "-safe 0"),
    ],
)
def test_ffmpeg_opens_nothing_that_a_file_names(
    studio: Callable[[str], Path], tmp_path: Path, demuxer: str, words: str, options: str
) -> None:
    """Every protocol allowed, as no command of ours does: the kernel alone has to refuse."""
    script = tmp_path / "script"
    script.write_text(words.format(studio("h264.mp4")))
    command = f"-protocol_whitelist fd,file,crypto {options} -f {demuxer} -i fd: -f null -"
    play = (
        f"done = subprocess.run([*program, '-fd', str(held), *{command.split()}],"
        " pass_fds=[held], stderr=subprocess.DEVNULL)\n"
        "print(done.returncode == 0, flush=True)\n"
        "os.lseek(held, 0, os.SEEK_SET)\n"
    )
    assert program(f"{PROLOGUE}\n{play}{CONFINE}\n{play}", script) == ["True", "False"]


def test_what_was_applied_is_told() -> None:
    held = " ".join(program(f"{PROLOGUE}{CONFINE}\nprint(*seen.held, *seen.missing)"))
    for words in ("low priority (nice ", "network denied (", "all other files denied (landlock "):
        assert words in held


def test_priority_and_limits_are_set() -> None:
    words = program(
        f"{PROLOGUE}{CONFINE}\nimport resource\n"
        "print(os.nice(0), resource.getrlimit(resource.RLIMIT_AS)[1],"
        " resource.getrlimit(resource.RLIMIT_CORE)[1])"
    )
    nice, memory, core = (int(word) for word in words)
    assert nice >= min(19, os.nice(0) + Limits().nice)
    assert (memory, core) == (Limits().memory_bytes, 0)


@pytest.mark.parametrize("namespaces", ["", "box._NEW_USER = -1"])
def test_no_privilege_is_left_with_namespaces_or_without(namespaces: str) -> None:
    words = program(
        f"{PROLOGUE}\nimport reconciler.outputs.sandbox as box\n{namespaces}\n"
        f"status = open('/proc/self/status')\n{CONFINE}\nprint(status.read())"
    )
    told = dict(pairwise(words))
    assert told["NoNewPrivs:"] == "1"
    assert int(told["CapEff:"], 16) == int(told["CapPrm:"], 16) == 0
    assert told["Seccomp:"] == "2"


def test_an_old_kernel_is_told_and_does_not_stop_the_rest() -> None:
    text = (
        "from reconciler.outputs import landlock, seccomp\n"
        "landlock.version = lambda: 0\n"
        "def deny(): raise OSError(38, 'Function not implemented')\n"
        "import psutil\n"
        "def busy(*_): raise psutil.AccessDenied(1)\n"
        "psutil.Process.ionice = busy\n"
        "seccomp.deny_sockets = deny\n"
        f"{PROLOGUE}\nimport reconciler.outputs.sandbox as box\n"
        "box._NEW_USER = -1\n"
        f"{CONFINE}\nprint(*seen.missing, sep='|')"
    )
    missing = " ".join(program(text)).split("|")
    assert len(missing) == 3
    assert missing[0].startswith("low priority (of the disk: ")
    assert missing[1].startswith("network denied (Function not implemented")
    assert missing[2] == "all other files denied (this kernel has no landlock)"


@pytest.mark.parametrize(
    ("version", "size", "files"), [(1, 8, 13), (2, 8, 14), (3, 8, 15), (4, 16, 15), (5, 16, 16)]
)
def test_an_old_landlock_is_asked_for_what_it_knows(
    monkeypatch: pytest.MonkeyPatch, version: int, size: int, files: int
) -> None:
    asked: list[bytes] = []

    def call(number: int, attributes: bytes, *_: object) -> int:
        asked.append(attributes)
        return -1

    monkeypatch.setattr(landlock, "_call", call)
    landlock._ruleset(version)
    (attributes,) = asked
    assert len(attributes) == size
    assert int.from_bytes(attributes[:8], sys.byteorder) == (1 << files) - 1


def test_an_unknown_processor_has_no_filter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seccomp.platform, "machine", lambda: "z80")
    with pytest.raises(OSError, match="no seccomp filter for z80"):
        seccomp.deny_sockets()


@pytest.mark.parametrize(("mode", "plain"), [(0o755, True), (0o700, True), (0o600, False)])
def test_root_without_privileges_reaches_what_is_open_to_it(
    tmp_path: Path, mode: int, plain: bool
) -> None:
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / "ffmpeg").touch()
    reachable = sandbox._plain(folder / "ffmpeg")
    folder.chmod(mode)
    assert sandbox._plain(folder / "ffmpeg") is (reachable and plain)
    folder.chmod(0o700)
