"""Every ending, with the node pack and without it.

On the simulator as it is; on a real ComfyUI with COMFYUI_DIR and COMFYUI_PYTHON set (see
`matrix/real.py`). docs/endings.md tells what comes out.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator

import pytest

from tests.contract.matrix import real
from tests.contract.matrix.crashes import CRASHES, UNTAGGED
from tests.contract.matrix.ends import ENDS
from tests.contract.matrix.ground import Ground, SimulatedGround
from tests.contract.matrix.savers import SAVERS
from tests.contract.matrix.scenario import Scenario
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
    stage = Stage(ground, postgres_url.rpartition("/")[0] + f"/{name}", folder)
    yield stage
    stage.close()
    execute(postgres_url, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def stage(any_stage: Stage) -> Stage:
    """The stage, idle, with a reconciler that watches."""
    any_stage.ready()
    return any_stage


def grounds(*, metadata: bool) -> pytest.MarkDecorator:
    """With the pack, and without it."""
    params = [
        pytest.param((pack, metadata), id="pack" if pack else "no pack") for pack in (True, False)
    ]
    return pytest.mark.parametrize("any_stage", params, indirect=True, scope="module")


def each(scenarios: tuple[Scenario, ...]) -> pytest.MarkDecorator:
    """One test for each scenario."""
    return pytest.mark.parametrize("scenario", scenarios, ids=lambda scenario: scenario.name)


@grounds(metadata=True)
@each((*SAVERS, *ENDS, *CRASHES))
def test_the_row_tells_the_ending(stage: Stage, scenario: Scenario) -> None:
    stage.play(scenario)


@grounds(metadata=False)
@each(UNTAGGED)
def test_the_row_tells_the_ending_without_metadata(stage: Stage, scenario: Scenario) -> None:
    stage.play(scenario)
