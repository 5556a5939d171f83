"""Settings that are right one by one and contradict each other."""

import pytest

from tests.unit.settings.conftest import Problems


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "servers:\n- url: http://A:80/\n  name: x\n- name: y\n  url: http://a\n",
            "line 5: servers[1].url: is the url of servers[0] too",
        ),
        (
            "servers:\n- {url: 'http://a', name: Gpu}\n- {url: 'http://b', name: gpu}\n",
            "line 3: servers[1].name: is the name of servers[0] too",
        ),
        (
            "servers:\n- url: http://a:1\n- url: http://b\n  name: a:1\n",
            "line 4: servers[1].name: is the name of servers[0] too",
        ),
        (
            "servers:\n- url: http://a\n  token: t\n  headers: {authorization: x}\n",
            "line 3: servers[0].token: and an Authorization header",
        ),
        (
            "servers:\n- url: http://u:p@a\n  token: t\n",
            "line 3: servers[0].token: and an Authorization header",
        ),
        (
            "servers:\n- url: http://a\n  headers: {X: a, x: b}\n",
            "line 3: servers[0].headers: names a header twice",
        ),
        (
            "servers:\n- url: http://a\n  tls_ca: /x.pem\n",
            "line 3: servers[0].tls_ca: has no meaning for an http url",
        ),
        (
            "data_dir: /srv/out/.data\nservers: [{url: 'http://a', output_dir: /srv/out}]\n",
            "line 1: data_dir: lies inside the output directory of server a:80",
        ),
        (
            "reconcile:\n  batch_s: 10\n",
            "line 2: reconcile.batch_s: should be shorter than reconcile.interval_s",
        ),
        (
            "watch:\n  rescan_s: 1\n  poll_interval_s: 2\n",
            "line 3: watch.poll_interval_s: should be at most watch.rescan_s",
        ),
    ],
)
def test_a_contradiction_names_both_sides(problems: Problems, text: str, expected: str) -> None:
    (problem,) = problems(text)
    assert expected in problem


def test_a_contradiction_with_a_default_names_the_setting_that_was_given(
    problems: Problems,
) -> None:
    (problem,) = problems("reconcile: {interval_s: 0.01}")
    assert "reconcile.batch_s: should be shorter than reconcile.interval_s" in problem


def test_contradictions_come_with_the_mistakes_of_other_sources(problems: Problems) -> None:
    found = problems("reconcile: {batch_s: 10}", {"RECONCILER_NONSENS": "1"})
    assert len(found) == 2
