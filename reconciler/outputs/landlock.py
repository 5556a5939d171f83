"""Landlock: a process of Linux denies itself files, TCP and signals, needing no privilege for it.

Source: the kernel's Documentation/userspace-api/landlock.rst and uapi/linux/landlock.h. No library
of Python wraps it that is kept up to date; the three system calls have the same numbers on every
architecture that Python runs on, but for Alpha.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG, _PATH_BENEATH = 1, 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
#: What may be allowed for one file, as against a folder.
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE
READ = _READ_FILE | _READ_DIR
READ_EXECUTE = READ | _EXECUTE
READ_WRITE = _READ_FILE | _WRITE_FILE

#: All that each version can deny of files; an unknown bit makes an older kernel refuse the rest.
_FILES = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
_TCP, _TCP_SINCE = 0b11, 4  # bind, connect
#: Abstract Unix sockets and signals, to processes outside.
_SCOPES, _SCOPES_SINCE = 0b11, 6


def version() -> int:
    """Return what the running kernel offers, 0 where it is nothing."""
    offered: int = _libc().syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION_FLAG)
    return max(0, offered)


def restrict(allowed: Iterable[tuple[Path, int]]) -> int:
    """Deny this process, for good, all files but these, and all TCP where the kernel can.

    Each path comes with what is allowed of it and of what is below it; one that does not exist is
    left out. Open descriptors go on working. `no_new_privs` must have been set. Returns the
    kernel's version of landlock. Raises OSError where it has none, or it is switched off.
    """
    offered = version()
    if offered == 0:
        raise OSError("this kernel has no landlock")
    ruleset = _ruleset(offered)
    try:
        for path, rights in allowed:
            with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
                _allow(ruleset, path, rights)
        _call(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)
    return offered


def _ruleset(offered: int) -> int:
    values = [max(bits for since, bits in _FILES.items() if since <= offered)]
    if offered >= _TCP_SINCE:
        values.append(_TCP)
    if offered >= _SCOPES_SINCE:
        values.append(_SCOPES)
    attributes = struct.pack(f"={len(values)}Q", *values)
    return _call(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)


def _allow(ruleset: int, path: Path, rights: int) -> None:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        of_this = rights if path.is_dir() else rights & _OF_FILES
        _call(_ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("=Qi", of_this, descriptor), 0)
    finally:
        os.close(descriptor)


def _call(number: int, *arguments: object) -> int:
    result: int = _libc().syscall(number, *arguments)
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"landlock: {os.strerror(error)}")
    return result


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
