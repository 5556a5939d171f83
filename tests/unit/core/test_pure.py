"""The core is pure: it imports nothing that reads a clock, a file, a network or the environment."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import reconciler.core

HARMLESS = {"__future__", "collections.abc", "dataclasses", "enum", "fnmatch", "functools", "math"}
HARMLESS |= {"collections", "re", "statistics", "typing"}
IMPURE_BUILTINS = {"open", "input", "exec", "eval", "__import__", "compile", "print"}
MODULES = sorted(Path(reconciler.core.__file__).parent.glob("*.py"))


def imported(tree: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add("." * node.level + (node.module or ""))
    return names


def body_without_main(tree: ast.Module) -> ast.Module:
    body = [n for n in tree.body if not (isinstance(n, ast.If) and "__main__" in ast.dump(n.test))]
    return ast.Module(body, [])


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_core_imports_values_only(path):
    names = imported(ast.parse(path.read_text(encoding="utf-8")))
    foreign = {n for n in names - HARMLESS if not n.startswith("reconciler.core")}
    assert foreign - {"reconciler"} == set()


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_core_calls_nothing_that_does_io(path):
    tree = body_without_main(ast.parse(path.read_text(encoding="utf-8")))
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert names & IMPURE_BUILTINS == set()
