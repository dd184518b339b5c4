"""ros2 lifecycle: nodes, get, list, set."""

from __future__ import annotations

from typing import Any

from lifecycle_msgs.srv import ChangeState, GetAvailableTransitions, GetState
from rclpy.node import Node

from .graph import (
    call,
    discover,
    Failure,
    require_node,
    ros_node,
)


def lifecycle_nodes(args: Any) -> None:
    with ros_node() as node:
        discover(node)
        for name, types in sorted(node.get_service_names_and_types()):
            if 'lifecycle_msgs/srv/GetState' in types:
                print(name.rpartition('/')[0])


def lifecycle_get(args: Any) -> None:
    with ros_node() as node:
        state = call(
            node, GetState, require_node(node, args.node_name) + '/get_state', GetState.Request()
        )
        print(f'{state.current_state.label} [{state.current_state.id}]')


def available(node: Node, name: str) -> list[Any]:
    return call(
        node,
        GetAvailableTransitions,
        f'{name}/get_available_transitions',
        GetAvailableTransitions.Request(),
    ).available_transitions


def lifecycle_list(args: Any) -> None:
    with ros_node() as node:
        for choice in available(node, require_node(node, args.node_name)):
            print(
                f'- {choice.transition.label} [{choice.transition.id}]\n'
                f'\tStart: {choice.start_state.label}\n\tGoal: {choice.goal_state.label}'
            )


def lifecycle_set(args: Any) -> None:
    with ros_node() as node:
        name = require_node(node, args.node_name)
        choices = [choice.transition for choice in available(node, name)]
        ids = {transition.label: transition.id for transition in choices}
        if args.transition not in ids and args.transition not in map(str, ids.values()):
            raise Failure(
                'Unknown transition requested, available ones are:\n'
                + '\n'.join(f'- {label} [{number}]' for label, number in ids.items())
            )
        request = ChangeState.Request()
        request.transition.id = ids.get(args.transition) or int(args.transition)
        if not call(node, ChangeState, f'{name}/change_state', request).success:
            raise Failure('Transitioning failed')
        print('Transitioning successful')
