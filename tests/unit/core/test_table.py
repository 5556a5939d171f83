"""The table in words, in code, in docs/decisions.md and in the tests is one table."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.core.decide import RULES, Rule
from reconciler.core.table import BEGIN, END, embed, render

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
DOCUMENT = ROOT / "docs" / "decisions.md"
REWRITE = (
    'python -c "from pathlib import Path; from reconciler.core.table import embed;'
    " p = Path('docs/decisions.md'); p.write_text(embed(p.read_text('utf-8')), 'utf-8')\""
)


def rules_with_a_test() -> set[str]:
    names = set()
    for module in HERE.glob("test_rules_*.py"):
        for node in ast.parse(module.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_rule_"):
                names.add(node.name.removeprefix("test_rule_").partition("__")[0])
    return names


def test_every_rule_has_a_test_of_its_own():
    assert rules_with_a_test() == {rule.name for rule in RULES}


def test_rules_have_names_of_their_own():
    assert len({rule.name for rule in RULES}) == len(RULES)


def test_the_document_holds_the_table_of_the_code():
    document = DOCUMENT.read_text(encoding="utf-8")
    assert embed(document) == document, (
        f"docs/decisions.md differs from reconciler/core/decide.py. Rewrite it with:\n{REWRITE}"
    )


def test_the_rewriting_command_works(tmp_path):
    copy = tmp_path / "docs" / "decisions.md"
    copy.parent.mkdir()
    whole = DOCUMENT.read_text(encoding="utf-8")
    copy.write_text(whole.replace("| `lost` |", "| `found` |"), encoding="utf-8")
    command = REWRITE.removeprefix('python -c "').removesuffix('"')
    subprocess.run(
        [sys.executable, "-c", command], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, check=True
    )
    assert copy.read_text(encoding="utf-8") == whole


def test_render_writes_one_line_a_rule_in_order():
    lines = render().splitlines()
    assert len(lines) == len(RULES) + 2
    for number, (rule, line) in enumerate(zip(RULES, lines[2:], strict=True), start=1):
        assert line.startswith(f"| {number} | `{rule.name}` | {rule.when} |")


def test_render_keeps_a_cell_in_its_column():
    odd = Rule("odd", "a | b\nc", "d", lambda case: None)
    assert render([odd]).splitlines()[-1] == "| 1 | `odd` | a \\| b c | d |"


def test_embed_leaves_the_rest_alone():
    before, after = "# Title\n\n", "\n\nafter\n"
    once = embed(f"{before}{BEGIN}\nold{END}{after}")
    assert once == f"{before}{BEGIN}\n\n{render()}\n{END}{after}"
    assert embed(once) == once


@pytest.mark.parametrize("document", ["", BEGIN, END, f"{END}{BEGIN}"])
def test_embed_wants_its_markers(document):
    with pytest.raises(ValueError, match="put it back"):
        embed(document)


def test_the_module_prints_the_table():
    command = [sys.executable, "-m", "reconciler.core.table"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert printed == render()
