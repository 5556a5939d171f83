"""What POST /prompt finds wrong with a graph."""

from __future__ import annotations

import traceback
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.simulator.graph import Graph, is_output, links
from reconciler.simulator.node_type import VALUE_TYPES, Input, NodeType
from reconciler.simulator.node_types import NODE_TYPES
from reconciler.simulator.versions import Version

Problem = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Validation:
    """What POST /prompt answers about a graph."""

    #: Why nothing of it can run, or None.
    error: Problem | None
    #: Ids of the output nodes that can run, in the graph's order.
    outputs: list[str] = field(default_factory=list)
    #: Per node; may be filled although other output nodes can run.
    node_errors: dict[str, Problem] = field(default_factory=dict)


def validate(
    graph: Graph,
    version: Version,
    known: Mapping[str, NodeType] = NODE_TYPES,
    targets: Collection[str] | None = None,
) -> Validation:
    """Check a graph as POST /prompt does, for a server that has the `known` nodes.

    Values are converted in place to the types of their inputs, as ComfyUI does. `targets`: the
    output nodes that are wanted at all.
    """
    for node_id, node in graph.items():
        if node.get("class_type") not in known:
            return Validation(_unknown_type(node_id, node, version))
    outputs = [node_id for node_id in graph if is_output(graph, node_id)]
    if targets is not None:
        outputs = [node_id for node_id in outputs if node_id in targets]
    if not outputs:
        return Validation(_problem("prompt_no_outputs", "Prompt has no outputs"))
    checks = {node_id: _check(graph, node_id) for node_id in outputs}
    good = [node_id for node_id in outputs if not checks[node_id]]
    node_errors = _by_node(graph, checks)
    if good:
        return Validation(None, good, node_errors)
    details = "\n".join(
        f"{problem['message']}: {problem['details']}"
        for node_id in outputs
        for problem in checks[node_id].get(node_id, [])
    )
    error = _problem(
        "prompt_outputs_failed_validation", "Prompt outputs failed validation", details
    )
    return Validation(error, [], node_errors)


def _check(graph: Graph, output: str) -> dict[str, list[Problem]]:
    """The problems of an output node and of everything above it, by node; empty if it can run."""
    found: dict[str, list[Problem]] = {}
    try:
        _check_node(graph, output, found, ())
    except Exception as error:  # a graph is data: whatever it breaks is its own fault
        found = {output: [_exception(error)]}
    return {node_id: problems for node_id, problems in found.items() if problems}


def _check_node(
    graph: Graph, node_id: str, found: dict[str, list[Problem]], below: tuple[str, ...]
) -> None:
    if node_id in below:
        path = " -> ".join(f"{each} ({graph[each]['class_type']})" for each in (*below, node_id))
        found[node_id] = [_problem("dependency_cycle", "Dependency cycle detected", path)]
        return
    node = graph[node_id]
    problems = [
        problem
        for name, spec in NODE_TYPES[node["class_type"]].inputs.items()
        if (problem := _check_input(graph, node["inputs"], name, spec)) is not None
    ]
    found.setdefault(node_id, []).extend(each for each in problems if each not in found[node_id])
    trail = (*below, node_id)
    for above in links(graph, node_id):
        if above in trail or above not in found:
            _check_node(graph, above, found, trail)


def _check_input(graph: Graph, inputs: dict[str, Any], name: str, spec: Input) -> Problem | None:
    if name not in inputs:
        if not spec.required:
            return None
        return _problem(
            "required_input_missing", "Required input is missing", name, input_name=name
        )
    if isinstance(inputs[name], list):
        return _check_link(graph, inputs[name], name, spec)
    if spec.type in VALUE_TYPES:
        return _check_value(inputs, name, spec)
    return None


def _check_link(graph: Graph, link: list[Any], name: str, spec: Input) -> Problem | None:
    if len(link) != 2:
        message = "Bad linked input, must be a length-2 list of [node_id, slot_index]"
        return _problem("bad_linked_input", message, name, input_name=name, received_value=link)
    received = NODE_TYPES[graph[link[0]]["class_type"]].outputs[link[1]]
    if received == spec.type or "*" in (received, spec.type):
        return None
    return _problem(
        "return_type_mismatch",
        "Return type mismatch between linked nodes",
        f"{name}, received_type({received}) mismatch input_type({spec.type})",
        input_name=name,
        received_type=received,
        linked_node=link,
    )


_CONVERSIONS = {"INT": int, "FLOAT": float, "STRING": str, "BOOLEAN": bool, "COMBO": str}


def _check_value(inputs: dict[str, Any], name: str, spec: Input) -> Problem | None:
    given = inputs[name]
    about = {"input_name": name, "input_config": [spec.type, {}], "received_value": given}
    try:
        value = inputs[name] = _CONVERSIONS[spec.type](given)
    except (TypeError, ValueError) as error:
        message = f"Failed to convert an input value to a {spec.type} value"
        details = f"{name}, {given}, {error}"
        return _problem(
            "invalid_input_type", message, details, **about, exception_message=str(error)
        )
    if spec.minimum is not None and value < spec.minimum:
        message = f"Value {value} smaller than min of {spec.minimum}"
        return _problem("value_smaller_than_min", message, name, **about)
    if spec.choices and value not in spec.choices:
        details = f"{name}: {value!r} not in {list(map(str, spec.choices))}"
        return _problem("value_not_in_list", "Value not in list", details, **about)
    return None


def _by_node(graph: Graph, checks: dict[str, dict[str, list[Problem]]]) -> dict[str, Problem]:
    errors: dict[str, Problem] = {}
    for output, found in checks.items():
        for node_id, problems in found.items():
            node_type = graph[node_id]["class_type"]
            empty = {"errors": problems, "dependent_outputs": [], "class_type": node_type}
            errors.setdefault(node_id, empty)["dependent_outputs"].append(output)
    return errors


def _unknown_type(node_id: str, node: dict[str, Any], version: Version) -> Problem:
    class_type = node.get("class_type")
    details = f"Node ID '#{node_id}'"
    if not version.explains_missing_nodes:
        if class_type is None:
            message = "Cannot execute because a node is missing the class_type property."
        else:
            message = f"Cannot execute because node {class_type} does not exist."
        return _problem("invalid_prompt", message, details)
    title = node.get("_meta", {}).get("title", class_type)
    if class_type is None:
        message = (
            f"Node '{title or f'ID #{node_id}'}' has no class_type. "
            "The workflow may be corrupted or a custom node is missing."
        )
    else:
        message = f"Node '{title}' not found. The custom node may not be installed."
    about = {"node_id": node_id, "class_type": class_type, "node_title": title}
    return _problem("missing_node_type", message, details, **about)


def _exception(error: Exception) -> Problem:
    return _problem(
        "exception_during_validation",
        "Exception when validating node",
        str(error),
        exception_type=type(error).__qualname__,
        traceback=traceback.format_tb(error.__traceback__),
    )


def _problem(kind: str, message: str, details: str = "", **extra_info: object) -> Problem:
    return {"type": kind, "message": message, "details": details, "extra_info": extra_info}
