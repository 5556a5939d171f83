"""Success of each saver: what is the output, and which files are the job's."""

from __future__ import annotations

from collections.abc import Callable

from tests.contract.matrix import graphs
from tests.contract.matrix.scenario import Play, Says, Scenario, Sent, completed
from tests.contract.matrix.stage import Stage
from tests.contract.talk import Graph


def _saving(kind: str, make: Callable[[str], Graph], *, named: bool = False) -> Play:
    def play(stage: Stage) -> Sent:
        return stage.send(make(stage.prefix(kind)), named=named)

    return play


def _always(name: str, title: str, make: Callable[[str], Graph], says: Says) -> Scenario:
    return Scenario(name, title, _saving(name, make), says, says)


def _several(prefix: str) -> Graph:
    graph = graphs.video(prefix)
    return graph | {"8": graphs.save_image("1", f"{prefix}-still")}


#: Frames of the noise, each of which SaveImage writes as a file.
_STILLS = graphs.FRAMES

SAVERS = (
    _always("SaveImage", "SaveImage saves two pictures", graphs.pictures,
            completed("_00001_.png", owned=2)),
    _always("SaveVideo", "SaveVideo saves an mp4", graphs.video, completed("_00001_.mp4")),
    _always("SaveWEBM", "SaveWEBM saves a webm", graphs.webm, completed("_00001_.webm")),
    _always("SaveAnimatedWEBP", "SaveAnimatedWEBP saves a webp", graphs.webp,
            completed("_00001_.webp")),
    _always("SaveAudio", "SaveAudio saves a flac", graphs.audio, completed(".flac")),
    _always("VHS-mp4", "VHS saves an mp4, and a PNG beside it", graphs.vhs,
            completed("_00001.mp4", owned=2)),
    _always("VHS-audio", "VHS saves an mp4 with sound, a silent one and a PNG",
            lambda prefix: graphs.vhs(prefix, sound=True), completed("_00001-audio.mp4", owned=3)),
    _always("VHS-gif", "VHS saves a gif, and a PNG beside it",
            lambda prefix: graphs.vhs(prefix, "image/gif"), completed("_00001.gif", owned=2)),
    _always("several savers", "A video and its stills are saved", _several,
            completed("_00001_.mp4", owned=1 + _STILLS)),
    Scenario("follow-up prompts", "A batch manager queues the second prompt itself",
             _saving("batch", graphs.follow_up),
             completed("_00003_.png", owned=4), completed("_00001_.png", owned=2),
             "Without the pack and without a job id sent nothing links the second prompt to the"
             " job: its files are nobody's."),
    Scenario("follow-up prompts, job id sent", "The same, and the application sent its job id",
             _saving("batch", graphs.follow_up, named=True),
             completed("_00003_.png", owned=4), completed("_00003_.png", owned=4)),
)  # fmt: skip
