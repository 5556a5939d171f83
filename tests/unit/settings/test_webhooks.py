"""Endpoints of webhooks: what is taken, what is refused, and that secrets stay what they are."""

from __future__ import annotations

import json

import pytest

from reconciler.settings import load
from tests.unit.settings.conftest import Problems, WriteFile

SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
OTHER = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODIES = (SECRET.removeprefix("whsec_"), OTHER.removeprefix("whsec_"))


def webhooks(**endpoint: object) -> str:
    entry = {"name": "studio", "url": "https://a.example/hook", "secrets": SECRET} | endpoint
    return json.dumps({"webhooks": {"endpoints": [entry]}})


def test_one_secret_or_several(write: WriteFile) -> None:
    for given, known in ((SECRET, [SECRET]), ([SECRET, OTHER], [SECRET, OTHER])):
        section = load(config=write(webhooks(secrets=given)), environ={}).webhooks
        (endpoint,) = section.endpoints
        assert [s.get_secret_value() for s in section.secrets_of(endpoint)] == known


def test_secrets_from_the_environment_are_those_of_the_endpoint_of_that_name(
    write: WriteFile,
) -> None:
    environ = {"RECONCILER_WEBHOOKS__SECRETS": json.dumps({"studio": OTHER})}
    section = load(config=write(webhooks(secrets=[])), environ=environ).webhooks
    (endpoint,) = section.endpoints
    assert [s.get_secret_value() for s in section.secrets_of(endpoint)] == [OTHER]


def test_no_secret_is_shown_and_nothing_after_a_question_mark(write: WriteFile) -> None:
    path = write(webhooks(url="https://a.example/hook?token=hunter2", secrets=[SECRET, OTHER]))
    environ = {"RECONCILER_WEBHOOKS__SECRETS": json.dumps({"studio": OTHER})}
    settings = load(config=path, environ=environ)
    printed = [json.dumps(settings.shown()), settings.model_dump_json()]
    assert not [body for body in (*BODIES, "hunter2") for text in printed if body in text]
    assert not [body for body in BODIES if body in repr(settings)]
    shown = settings.shown()["webhooks"]
    assert shown["endpoints"][0]["url"] == "https://a.example/hook?***"
    assert shown["secrets"] == {"studio": ["**********"]}


@pytest.mark.parametrize(
    ("endpoint", "told"),
    [
        ({"url": "ftp://a.example/"}, "should be as https://"),
        ({"url": "a.example"}, "should be as https://"),
        ({"url": "https://user:hunter2@a.example/"}, "should hold no user, password or #"),
        ({"url": "https://hunter2@a.example/"}, "should hold no user, password or #"),
        ({"secrets": "hunter2"}, "should be whsec_ and 24 to 64 random bytes"),
        ({"secrets": "whsec_hunter2"}, "should be whsec_ and 24 to 64 random bytes"),
        ({"secrets": ["whsec_aHVudGVyMg=="]}, "should be whsec_ and 24 to 64 random bytes"),
        ({"secrets": []}, "webhooks.secrets has none for 'studio'"),
        ({"statuses": ["done"]}, "should be 'queued', 'processing'"),
        ({"statuses": []}, "at least 1 item"),
        ({"events": "some"}, "should be 'endings', 'changes' or 'all'"),
        ({"name": "two\nlines"}, "should be one line"),
        ({"tls_ca": "/a.pem", "url": "http://a.example/"}, "has no meaning for an http url"),
        ({"secret": SECRET}, "did you mean webhooks"),
    ],
)
def test_mistakes_are_told_and_no_secret_with_them(
    problems: Problems, endpoint: dict[str, object], told: str
) -> None:
    found = "\n".join(problems(webhooks(**endpoint)))
    assert told in found
    assert "hunter2" not in found and "aHVudGVy" not in found


def test_each_endpoint_has_its_own_name_and_secrets_are_of_one(problems: Problems) -> None:
    entry = {"name": "studio", "url": "https://a.example/", "secrets": SECRET}
    section = {"endpoints": [entry, entry], "secrets": {"archive": OTHER}}
    found = problems(json.dumps({"webhooks": section}))
    assert "webhooks.endpoints[1].name: is the name of endpoints[0] too" in found[0]
    assert "webhooks.secrets.archive: is the name of no endpoint" in found[1]


def test_certificates_are_looked_for_beside_the_file(write: WriteFile) -> None:
    path = write(webhooks(tls_ca="studio.pem"))
    assert load(config=path, environ={}).webhooks.endpoints[0].tls_ca == path.parent / "studio.pem"
