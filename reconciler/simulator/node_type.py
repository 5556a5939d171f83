"""What the simulator knows of a class of nodes: its inputs, outputs and limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

#: Types whose inputs are values; every other type is a link to another node's output.
VALUE_TYPES = frozenset({"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"})


@dataclass(frozen=True, slots=True)
class Input:
    """One input of a node. `default` stands in where an optional one is not given."""

    type: str
    default: object = None
    required: bool = True
    minimum: float | None = None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeType:
    """One class of nodes."""

    inputs: Mapping[str, Input]
    #: Type of each output slot.
    outputs: tuple[str, ...] = ()
    #: It saves something: only such nodes, and what they need, run at all.
    is_output: bool = False
    #: What it is told besides its inputs, and shows among them when it raises.
    hidden: tuple[str, ...] = ()
    #: Says for its inputs what the cache has to mind beside them; None where it says nothing.
    is_changed: Callable[..., object] | None = None
    #: Where the real one is defined.
    module: str = "nodes"
    defaults: Mapping[str, object] = field(init=False)

    def __post_init__(self) -> None:
        given = {name: each.default for name, each in self.inputs.items() if not each.required}
        object.__setattr__(self, "defaults", given)
