"""Seccomp: a process of Linux denies itself system calls, needing no privilege for it.

Denied are those that reach other processes or the network: a decoder needs none. A pair of sockets
reaches nobody else, and the worker talks with its forks by one. What is denied fails with EPERM;
all else goes on. Source: the kernel's Documentation/userspace-api/seccomp_filter.rst, and
uapi/linux/{filter,seccomp,audit}.h.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct

_SET_SECCOMP, _MODE_FILTER = 22, 2
_LOAD, _JUMP_IF_EQUAL, _JUMP_IF_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _DENY = 0x7FFF0000, 0x00050000 | errno.EPERM
#: Where the filter's input holds the number of the call and the architecture.
_NUMBER, _ARCHITECTURE = 0, 4
#: From here on: x86_64's second set of numbers (x32), through which a filter could be passed by.
_X32 = 0x40000000

#: The kernel's word for an architecture, and the numbers there of: socket, connect, ptrace,
#: process_vm_readv, process_vm_writev, bpf, perf_event_open, userfaultfd, keyctl.
_DENIED = {
    "x86_64": (0xC000003E, (41, 42, 101, 310, 311, 321, 298, 323, 250)),
    "aarch64": (0xC00000B7, (198, 203, 117, 270, 271, 280, 241, 282, 219)),
}
#: io_uring_setup, io_uring_enter, io_uring_register, pidfd_getfd: the same everywhere.
_DENIED_EVERYWHERE = (425, 426, 427, 438)


def deny_sockets() -> None:
    """Deny this process, for good, to open sockets and to reach into other processes.

    `no_new_privs` must have been set. Raises OSError where the kernel or the architecture has no
    such filter.
    """
    known = _DENIED.get(platform.machine())
    if known is None:
        raise OSError(f"no seccomp filter for {platform.machine()}")
    program = _program(known[0], (*known[1], *_DENIED_EVERYWHERE))
    code = ctypes.create_string_buffer(program, len(program))
    pointer = struct.pack("@HP", len(program) // 8, ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_SET_SECCOMP, ctypes.c_ulong(_MODE_FILTER), pointer) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"seccomp: {os.strerror(error)}")


def _program(architecture: int, denied: tuple[int, ...]) -> bytes:
    """Classic BPF. A jump counts the instructions that it skips; the last two are the answers."""
    count = len(denied)
    lines = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_JUMP_IF_EQUAL, 0, count + 3, architecture),
        (_LOAD, 0, 0, _NUMBER),
        (_JUMP_IF_AT_LEAST, count + 1, 0, _X32),
        *((_JUMP_IF_EQUAL, count - n, 0, number) for n, number in enumerate(denied)),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _DENY),
    ]
    return b"".join(struct.pack("=HBBI", *line) for line in lines)
