"""Odd names of files, which say nothing about what they hold."""

from __future__ import annotations

import os

#: Stems; the ending is the file's own.
ODD = (
    "with some spaces",
    'it\'s "quoted"',
    "-i",
    "--help",
    "http:__colon:8080",
    "file:x",
    "new\nline",
    "tab\there",
    "percent %03d",
    "[brackets] {braces} *?",
    "$(echo) `echo` ;&|",
    "back\\slash",
    os.fsdecode(b"not-utf8-\xff\xfe\xe9"),
    "\N{CLAPPER BOARD}\N{SPARKLES} emoji",
    "\u30d3\u30c7\u30aa_\u00fcml\u00e4ut",
    "\u202egpj.exe",
    ".hidden",
    "two.mp4.endings",
    "l" + "o" * 240 + "ng",
    "UPPER",
)
