"""Our SQL takes no more than the oldest Postgres that is supported has: version 13.

That is also tried, where such a Postgres is at hand; this is for machines that have none.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from reconciler import store

#: What came later, by the version in which it came.
NEWER = {
    14: r"\bdate_bin\(|\bbit_xor\(|\bstring_to_table\(|\btrim_array\(|\bunistr\(|multirange\b"
    r"|\bgroup by distinct\b|\bsearch (depth|breadth) first\b|\bjoin using \([^)]*\) as\b"
    r"|\bcompression (pglz|lz4)\b|\bidle_session_timeout\b|\bdetach partition \S+ concurrently\b",
    15: r"\bmerge into\b|\bnulls (not )?distinct\b|\bregexp_(like|count|instr|substr)\("
    r"|\bsecurity_invoker\b|\bset null \(",
    16: r"\bany_value\(|\bjson_(array|object|arrayagg|objectagg)\(|\bis json\b|\brandom_normal\("
    r"|\bsystem_user\b|\bpg_input_is_valid\(|\bdate_(add|subtract)\(|\b0x[0-9a-f]|\d_\d",
    17: r"\bjson_table\(|\bjson_(query|value|exists|scalar|serialize)\(|\bto_bin\(|\bto_oct\("
    r"|\btransaction_timeout\b|\bmerge_action\(|\bon_error\b|\brandom\([^)]",
    18: r"\buuidv[47]\(|\bvirtual\b|\bwithout overlaps\b|\breturning (old|new|with)\b|\bcasefold\("
    r"|\barray_(sort|reverse)\(|\bcrc32\(|\bnot enforced\b",
}
_FILES = sorted(Path(store.__path__[0]).glob("**/*.sql"))


@pytest.mark.parametrize("file", _FILES, ids=lambda file: file.name)
def test_no_sql_of_ours_needs_a_newer_postgres(file: Path) -> None:
    code = re.sub(r"--.*|'[^']*'|%\(\w+\)s|\{\w+\}", " ", file.read_text(encoding="utf-8")).lower()
    found = {version: re.findall(pattern, code) for version, pattern in NEWER.items()}
    assert not any(found.values()), found


def test_a_newer_word_would_be_found() -> None:
    assert re.search(NEWER[15], "merge into jobs using")
    assert re.search(NEWER[18], "returning old.status")
