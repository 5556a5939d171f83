"""Every ending, with the node pack and without it.

On the simulator as it is; on a real ComfyUI with COMFYUI_DIR and COMFYUI_PYTHON set (see
`matrix/real.py`). docs/endings.md tells what comes out.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.contract.matrix import graphs, real
from tests.contract.matrix.claims import age, submit_relics, wait_until_inspected
from tests.contract.matrix.crashes import CRASHES, UNTAGGED
from tests.contract.matrix.ends import ENDS
from tests.contract.matrix.ground import Ground, SimulatedGround
from tests.contract.matrix.savers import SAVERS
from tests.contract.matrix.scenario import Scenario, completed, lost
from tests.contract.matrix.stage import Stage
from tests.integration.conftest import execute

pytestmark = [pytest.mark.contract]

VERSION = os.environ.get("SIMULATED_VERSION", "0.33.0")
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def any_stage(
    request: pytest.FixtureRequest,
    postgres_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stage]:
    """One for all scenarios: each leaves a ComfyUI behind that can go on, or says so."""
    pack, metadata = request.param
    folder = tmp_path_factory.mktemp("ground")
    ground: Ground
    if real.CHECKOUT:
        ground = real.RealGround(folder, pack=pack, metadata=metadata)
    else:
        ground = SimulatedGround(folder, VERSION, pack=pack, metadata=metadata)
    name = f"matrix_{next(_numbers)}"
    execute(postgres_url, f'CREATE DATABASE "{name}"')
    ground.start()
    stage = Stage(ground, urlsplit(postgres_url)._replace(path=f"/{name}").geturl(), folder)
    yield stage
    stage.pause()
    ground.stop()
    execute(postgres_url, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def stage(any_stage: Stage) -> Stage:
    """The stage, idle, with a reconciler that watches."""
    any_stage.ready()
    return any_stage


def grounds(*packs: bool, metadata: bool = True) -> pytest.MarkDecorator:
    """With the pack, and without it; or only one of these."""
    params = [
        pytest.param((pack, metadata), id="pack" if pack else "no pack")
        for pack in packs or (True, False)
    ]
    return pytest.mark.parametrize("any_stage", params, indirect=True, scope="module")


def each(scenarios: tuple[Scenario, ...]) -> pytest.MarkDecorator:
    """One test for each scenario."""
    return pytest.mark.parametrize("scenario", scenarios, ids=lambda scenario: scenario.name)


@grounds()
@each((*SAVERS, *ENDS, *CRASHES))
def test_the_row_tells_the_ending(stage: Stage, scenario: Scenario) -> None:
    stage.play(scenario)


@grounds(metadata=False)
@each(UNTAGGED)
def test_the_row_tells_the_ending_without_metadata(stage: Stage, scenario: Scenario) -> None:
    stage.play(scenario)


@grounds(True)
def test_a_follow_up_between_two_looks_is_linked(stage: Stage) -> None:
    """The pack remembers which prompt queued it; without the pack that is luck."""
    sent = stage.send(graphs.follow_up(stage.prefix("swift"), seconds=0.0))
    stage.done(sent, completed("_00003_.png", owned=4))


@grounds()
def test_two_jobs_with_one_filename_prefix_have_a_file_each(stage: Stage) -> None:
    prefix = stage.prefix("both")
    sent = [stage.send(graphs.pictures(prefix, frames=1)) for _ in range(3)]
    for number, each_sent in enumerate(sent, start=1):
        stage.done(each_sent, completed(f"_{number:05}_.png", owned=1))
    owners = stage.owners(prefix)
    assert [*owners.values()] == [each_sent.job_id for each_sent in sent]


@grounds()
def test_an_old_job_id_in_a_strangers_workflow_is_no_claim(stage: Stage) -> None:
    """A stranger's files and errors are nothing to the job that his workflow names."""
    mine = stage.send(graphs.pictures(stage.prefix("mine"), frames=4, step_seconds=0.4))
    stage.wait_until_runs(mine)
    theirs = stage.prefix("theirs")
    relics = submit_relics(stage, theirs, mine.job_id)
    stage.done(mine, completed("_00001_.png", owned=4))
    assert all(map(stage.server.wait_for_end, relics))
    assert set(wait_until_inspected(stage, theirs, 2).values()) == {None}
    stage.done(mine, completed("_00001_.png", owned=4))


@grounds()
def test_an_old_job_id_in_a_workflow_reopens_nothing(stage: Stage) -> None:
    mine = stage.send(graphs.pictures(stage.prefix("mine")))
    stage.done(mine, completed("_00001_.png", owned=2))
    theirs = stage.prefix("theirs")
    relics = submit_relics(stage, theirs, mine.job_id)
    assert all(map(stage.server.wait_for_end, relics))
    assert set(wait_until_inspected(stage, theirs, 2).values()) == {None}
    stage.done(mine, completed("_00001_.png", owned=2))


@grounds()
def test_the_tag_of_an_input_image_is_no_claim(stage: Stage) -> None:
    """A picture that one job saved is the input of another, which forgets it meanwhile."""
    first = stage.send(graphs.pictures(stage.prefix("input"), frames=1), named=True)
    row = stage.done(first, completed("_00001_.png", owned=1))
    name = Path(row["output_path"]).relative_to(stage.ground.output_dir.resolve())
    second = stage.send(graphs.picture_of(str(name), stage.prefix("made of it")), named=True)
    row = stage.done(second, completed("_00001_.png", owned=1))
    assert "made of it" in row["output_path"]
    stage.done(first, completed("_00001_.png", owned=1))


@grounds()
def test_a_fresh_database_over_an_old_output_directory(
    stage: Stage, database: str, tmp_path: Path
) -> None:
    """Its ids start again, and every one of them stands in some old file and manifest."""
    old = stage.prefix("old")
    prompts = [
        stage.submit(graphs.pictures(old, 1), job_id=number, extra_pnginfo={"job_id": number})
        for number in ("1", "2", "3")
    ]
    for prompt_id in prompts:
        stage.server.wait_for_end(prompt_id)
    stage.wait_for_manifests(*prompts)
    stage.restart_comfyui()
    age(stage, old, prompts)
    fresh = Stage(stage.ground, database, tmp_path)
    try:
        fresh.watch()
        waiting = fresh.rows.insert()
        vanished = fresh.send(graphs.long(stage.prefix("vanished")), named=True)
        fresh.wait_until_runs(vanished)
        fresh.restart_comfyui()
        made = fresh.send(graphs.pictures(stage.prefix("new")), named=True)
        assert [waiting, vanished.job_id, made.job_id] == ["1", "2", "3"]
        fresh.done(made, completed("_00001_.png", owned=2))
        fresh.done(vanished, lost())
        assert fresh.rows.row(waiting)["status"] == "queued"
        assert set(fresh.owners(old).values()) <= {None}
    finally:
        fresh.pause()
