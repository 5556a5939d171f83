"""Metrics: what they tell, and that dashboard and alerts ask for such as exist."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from reconciler import metrics
from reconciler.store.agents import AgentStore, Identity
from reconciler.store.webhooks import Endpoint, WebhookStore
from reconciler.web.app import create_app
from tests.integration.commands import Stage
from tests.integration.reconciling import Bench, error, success
from tests.integration.web.rest import client_of, context_of

EXAMPLES = Path(__file__).parents[3] / "config" / "examples"
ALERTS = EXAMPLES / "prometheus-alerts.yaml"
DASHBOARD = EXAMPLES / "grafana-dashboard.json"
#: Prometheus' own, of what it scrapes.
NOT_OURS = {"up"}

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scraped(client: TestClient) -> Samples:
    answer = client.get("/metrics")
    assert answer.status_code == 200
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float | None:
    return samples.get((name, frozenset(labels.items())))


@pytest.fixture
def stage(database: str) -> Iterator[Stage]:
    stage = Stage(database)
    yield stage
    stage.close()


def test_the_database_is_told_of(stage: Stage) -> None:
    stage.server("gpu1")
    stage.server("gpu2", unreachable_since=1.0, unreachable_how="refused", worker_dead_since=1.0)
    stage.known("queued", rule="pending", server="gpu1", opened_at="2020-01-01")
    stage.known("completed")
    stage.insert(status="failed")
    AgentStore(stage.store.connection).note(Identity("a", "0014", ["gpu1"]))
    WebhookStore(stage.store.connection).name(
        "a", [Endpoint("hook", "https://h/", "all", None, None)]
    )
    with client_of(stage.url) as client:
        samples = scraped(client)
    assert value(samples, "reconciler_database_up") == 1
    assert value(samples, "reconciler_jobs", status="failed") == 1
    assert value(samples, "reconciler_jobs", status="processing") == 0
    waiting = {"status": "queued", "rule": "pending", "server": "gpu1"}
    assert value(samples, "reconciler_open_jobs", **waiting) == 1
    assert (value(samples, "reconciler_longest_wait_seconds") or 0) > 1e8
    assert value(samples, "reconciler_server_up", server="gpu1") == 1
    assert value(samples, "reconciler_server_up", server="gpu2") == 0
    assert value(samples, "reconciler_server_worker_alive", server="gpu2") == 0
    assert value(samples, "reconciler_server_attended", server="gpu1") == 0
    assert value(samples, "reconciler_agents", state="stands by") == 1
    assert value(samples, "reconciler_webhook_enabled", webhook="hook") == 1
    assert value(samples, "reconciler_webhook_deliveries_waiting", webhook="hook") == 0
    assert value(samples, "reconciler_stream_lag_seconds") == 0


def test_what_happens_in_the_process_is_counted(database: str, tmp_path: Path) -> None:
    with closing(Bench(database, tmp_path)) as bench, client_of(database) as client:
        before = scraped(client)
        for prompt_id in ("p1", "p2"):
            bench.insert(comfyui_job_id=prompt_id)
        bench.server.run("p1")
        bench.run_pass()
        ended_at = bench.clock.now() - 2.0
        bench.server.end("p1", success(bench.image("a.png"), ended_at=ended_at))
        bench.server.end("p2", error("boom"))
        bench.passes(4)
        assert [
            row["status"] for row in bench.sql("select status from production_jobs order by id")
        ] == ["completed", "failed"]
        after = scraped(client)

    def more(name: str, **labels: str) -> float:
        return (value(after, name, **labels) or 0) - (value(before, name, **labels) or 0)

    server = "gpu"
    ended = "reconciler_jobs_ended_total"
    assert more(ended, status="completed", reason="", server=server) == 1
    assert more(ended, status="failed", reason="execution_error", server=server) == 1
    assert more("reconciler_reaction_seconds_count") == 1
    assert more("reconciler_reaction_seconds_sum") >= 2.0
    assert more("reconciler_looks_total", server=server) >= 5
    assert more("reconciler_inspection_duration_seconds_count", verdict="sound") == 1
    assert more("reconciler_run_duration_seconds_count", kind="success") == 1


def test_a_look_that_fails_is_counted_by_its_kind_and_the_queue_is_unknown() -> None:
    metrics.looked("gpu-x", 1, 4)
    depth = {"server": "gpu-x", "state": "pending"}
    assert metrics.REGISTRY.get_sample_value("reconciler_queue_depth", depth) == 4
    metrics.look_failed("gpu-x", "timeout")
    failures = {"server": "gpu-x", "kind": "timeout"}
    assert metrics.REGISTRY.get_sample_value("reconciler_look_failures_total", failures) == 1
    assert metrics.REGISTRY.get_sample_value("reconciler_queue_depth", depth) is None


def test_an_inspection_that_breaks_is_an_error() -> None:
    labels = {"verdict": "error"}
    name = "reconciler_inspection_duration_seconds_count"
    before = metrics.REGISTRY.get_sample_value(name, labels) or 0
    with pytest.raises(RuntimeError), metrics.inspecting():
        raise RuntimeError
    assert metrics.REGISTRY.get_sample_value(name, labels) == before + 1


def test_with_the_database_away_the_rest_is_told() -> None:
    with client_of("postgresql://nobody@127.0.0.1:1/none") as client:
        samples = scraped(client)
    assert value(samples, "reconciler_database_up") == 0
    assert ("reconciler_jobs", frozenset({("status", "queued")})) not in samples
    assert any(name == "process_resident_memory_bytes" for name, _ in samples)


def test_however_often_it_is_asked_the_database_is_asked_once(stage: Stage) -> None:
    with context_of(stage.url) as context:
        client = TestClient(create_app(context), "http://127.0.0.1:8328")
        assert value(scraped(client), "reconciler_jobs", status="queued") == 0
        stage.insert()
        assert value(scraped(client), "reconciler_jobs", status="queued") == 0


def _existing(stage: Stage) -> dict[str, set[str]]:
    """The metrics that there are, with their labels."""
    stage.server("gpu1")
    stage.known("queued", rule="pending", server="gpu1")
    WebhookStore(stage.store.connection).name(
        "a", [Endpoint("hook", "https://h/", "all", None, None)]
    )
    metrics.looked("gpu1", 0, 0)
    metrics.look_failures.labels("gpu1", "timeout")
    metrics.job_ended("failed", "stalled", "gpu1", 1.0)
    metrics.ran("success", 1.0, 1.0)
    with metrics.inspecting() as told:
        told("sound")
    with client_of(stage.url) as client:
        samples = scraped(client)
    found: dict[str, set[str]] = {}
    for name, labels in samples:
        found.setdefault(name, set()).update(label for label, _ in labels)
    return found


def _asked(expression: str) -> Iterator[tuple[str, set[str]]]:
    """The metrics that an expression names, with the labels that it asks of each."""
    for name, selector in re.findall(r"\b([a-z][a-z0-9_]+)\b(?:\{([^}]*)\})?(?!\s*\()", expression):
        if name.startswith(("reconciler_", "process_")) or name in NOT_OURS:
            yield name, set(re.findall(r"(\w+)\s*=", selector))


def _expressions() -> list[str]:
    rules = [r for group in yaml.safe_load(ALERTS.read_text())["groups"] for r in group["rules"]]
    panels: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    return [r["expr"] for r in rules] + [t["expr"] for p in panels for t in p["targets"]]


def test_dashboard_and_alerts_ask_for_metrics_that_exist(stage: Stage) -> None:
    existing = _existing(stage)
    expressions = _expressions()
    assert len(expressions) > 30
    for expression in expressions:
        asked = list(_asked(expression))
        assert asked, expression
        for name, labels in asked:
            if name in NOT_OURS:
                continue
            assert name in existing, f"{name}: {expression}"
            assert labels - {"job"} <= existing[name], expression
    by = {label for e in expressions for group in re.findall(r"by \(([^)]*)\)", e)
          for label in re.split(r"[,\s]+", group)}  # fmt: skip
    assert by <= {label for labels in existing.values() for label in labels} | {"instance"}


def test_every_metric_is_documented(stage: Stage) -> None:
    documented = (EXAMPLES.parents[1] / "docs" / "metrics.md").read_text()
    suffixes = re.compile(r"_(bucket|count|sum)$")
    ours = {suffixes.sub("", name) for name in _existing(stage) if name.startswith("reconciler_")}
    assert not [name for name in ours if f"`{name}`" not in documented]


def test_no_label_names_a_job(stage: Stage) -> None:
    labels = {label for labels in _existing(stage).values() for label in labels}
    assert not labels & {"job", "job_id", "id", "prompt_id", "path", "error"}


@pytest.mark.skipif(
    shutil.which("promtool") is None, reason="no promtool here: Debian's package prometheus has it"
)
def test_prometheus_takes_rules_and_metrics(stage: Stage) -> None:
    rules = subprocess.run(
        ["promtool", "check", "rules", ALERTS], capture_output=True, text=True, check=False
    )
    assert rules.returncode == 0, rules.stdout + rules.stderr
    _existing(stage)
    with client_of(stage.url) as client:
        text = client.get("/metrics").text
    lint = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    assert lint.returncode == 0, lint.stdout + lint.stderr
