"""Libraries of others are as they were published."""

from __future__ import annotations

import hashlib

from reconciler.web.pages.statics import FOLDER

#: sha256 of what `npm pack` gave.
PUBLISHED = {
    "idiomorph/idiomorph.esm.js": (
        "e1e2c7dbd606233d302bac48074fd1307c15609b77ea485c18f1b13d6be67c14"
    ),
    "idiomorph/LICENSE": "d3d2456f76414f2456104660ebd65aff1c04cd7966b942bdabd63f3cdb316a38",
}


def test_each_file_is_the_published_one() -> None:
    """All of them, and none that is not listed."""
    vendor = FOLDER / "vendor"
    found = {
        path.relative_to(vendor).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in vendor.rglob("*")
        if path.is_file() and path.name != "README.md"
    }
    assert found == PUBLISHED


def test_each_names_its_version_and_licence() -> None:
    """The table beside them does."""
    table = (FOLDER / "vendor" / "README.md").read_text(encoding="utf-8")
    assert "0.8.0 | 0BSD" in table
