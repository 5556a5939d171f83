"""Keys, and what is signed with them: sessions and the tokens of forms."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reconciler.store.tokens import digest_of
from reconciler.web.security.access import Caller, Role, Way
from reconciler.web.security.csrf import VALID_S, is_token, make_token
from reconciler.web.security.keys import NAME, Signer, signer_of
from reconciler.web.security.sessions import (
    COOKIE,
    digest_of_session,
    make_session,
    session_in,
)
from reconciler.web.security.sessions import VALID_S as SESSION_S

SIGNER, OTHER = Signer(b"k" * 32), Signer(b"o" * 32)
ANA = Caller("ana", Role.OPERATOR, Way.COOKIE)
NOW = 1_700_000_000.5


def test_a_key_is_made_once_and_for_its_user_alone(tmp_path: Path) -> None:
    first = signer_of(tmp_path / "new")
    assert signer_of(tmp_path / "new").is_signed(first.sign("a"), "a")
    assert (tmp_path / "new" / NAME).stat().st_mode & 0o777 == 0o600
    assert not signer_of(tmp_path / "other").is_signed(first.sign("a"), "a")


def test_where_no_key_can_be_kept_there_is_one_for_this_process(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    signer = signer_of(tmp_path / "file")
    assert signer.is_signed(signer.sign("a"), "a")


def test_a_key_that_is_cut_off_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"")
    signer_of(tmp_path)
    assert len((tmp_path / NAME).read_bytes()) == 32
    assert os.listdir(tmp_path) == [NAME]


def test_parts_are_signed_one_by_one() -> None:
    assert not SIGNER.is_signed(SIGNER.sign("ab", "c"), "a", "bc")
    assert not SIGNER.is_signed("ü", "a")


@pytest.mark.parametrize("caller", [None, ANA, Caller("this machine", Role.OPERATOR)])
def test_a_forms_token_is_of_whom_it_was_made_for(caller: Caller | None) -> None:
    token = make_token(SIGNER, caller, NOW)
    assert is_token(SIGNER, token, caller, NOW)
    assert is_token(SIGNER, token, caller, NOW + VALID_S - 2)
    assert not is_token(SIGNER, token, caller, NOW + VALID_S + 2)
    assert not is_token(SIGNER, token, caller, NOW - 3600)
    assert not is_token(OTHER, token, caller, NOW)
    assert not is_token(SIGNER, token, Caller("ben", Role.OPERATOR, Way.COOKIE), NOW)


@pytest.mark.parametrize("token", ["", ".", "abc", "zz.00", f"{int(NOW):x}.", "ü.ü", "0" * 9000])
def test_what_is_no_token_is_none(token: str) -> None:
    assert not is_token(SIGNER, token, None, NOW)
    assert digest_of_session(SIGNER, token, NOW) is None


def test_a_session_stands_for_a_token_and_ends() -> None:
    digest = digest_of("rec_secret")
    session = make_session(SIGNER, digest, NOW)
    assert "rec_secret" not in session
    assert digest_of_session(SIGNER, session, NOW) == digest
    assert digest_of_session(SIGNER, session, NOW + SESSION_S + 1) is None
    assert digest_of_session(OTHER, session, NOW) is None
    later = session.split(".")
    later[1] = f"{int(NOW) + 10 * SESSION_S:x}"
    assert digest_of_session(SIGNER, ".".join(later), NOW) is None
    # A form's token is no session, though the same key signed it.
    assert digest_of_session(SIGNER, make_token(SIGNER, ANA, NOW), NOW) is None


def test_our_cookie_is_found_among_those_of_other_programs() -> None:
    assert session_in(f"a=[1]; bad{{}}; {COOKIE}=x.y.z; theme=dark") == "x.y.z"
    assert session_in("") is None
