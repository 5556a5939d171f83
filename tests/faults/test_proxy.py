"""The proxy does what it is told: a fault that does not happen proves nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import psycopg2
import pytest

from tests.faults.proxy import Moment, PostgresProxy, postgres_proxy, proxied_url
from tests.integration.conftest import execute
from tests.waiting import wait_for


@pytest.fixture
def proxy(database: str) -> Iterator[PostgresProxy]:
    execute(database, "create table marks (mark int)")
    with postgres_proxy(database) as proxy:
        yield proxy


def marks(database: str) -> int:
    with closing(psycopg2.connect(database)) as connection, connection.cursor() as cursor:
        cursor.execute("select count(*) from marks")
        return int(cursor.fetchone()[0])


@pytest.mark.parametrize("moment", Moment)
def test_a_connection_is_cut_at_its_commit(
    database: str, proxy: PostgresProxy, moment: Moment
) -> None:
    proxy.cut_commit(moment, b"insert")
    with closing(psycopg2.connect(proxied_url(database, proxy.port))) as connection:
        with connection, connection.cursor() as cursor:
            cursor.execute("select 1")
        with pytest.raises(psycopg2.OperationalError), connection, connection.cursor() as cursor:
            cursor.execute("insert into marks values (1)")
    assert proxy.cuts == 1
    if moment is Moment.BEFORE_COMMIT:
        assert marks(database) == 0
    else:
        wait_for(lambda: marks(database) == 1, "what was committed is there")


def test_a_black_hole_holds_and_a_refusal_refuses(database: str, proxy: PostgresProxy) -> None:
    url = proxied_url(database, proxy.port)
    proxy.hold()
    with pytest.raises(psycopg2.OperationalError, match="timeout"):
        psycopg2.connect(url, connect_timeout=2)
    proxy.release()
    proxy.refuse()
    with pytest.raises(psycopg2.OperationalError, match="refused"):
        psycopg2.connect(url)
    proxy.accept()
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("select 1")
        proxy.cut()
        with pytest.raises(psycopg2.OperationalError):
            cursor.execute("select 1")
