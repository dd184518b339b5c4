"""ros2 param: list, get, set, dump, load, describe."""

from __future__ import annotations

import sys
from typing import Any

from rcl_interfaces.srv import DescribeParameters
from rclpy.node import Node
from rclpy.parameter import Parameter, parameter_value_to_python
from rclpy.parameter_client import AsyncParameterClient
import yaml

from rosidl_runtime_py import message_to_yaml

from .graph import (
    call,
    discover,
    Failure,
    full_name,
    node_names,
    require_node,
    ros_node,
    wait_for,
)


def parameters(node: Node, name: str) -> AsyncParameterClient:
    client = AsyncParameterClient(node, require_node(node, name))
    if not wait_for(node, client.services_are_ready):
        raise Failure(f'Wait for service timed out waiting for parameter services for node {name}')
    return client


def finish(node: Node, future: Any) -> Any:
    if not wait_for(node, future.done):
        raise Failure('no answer from the parameter services')
    return future.result()


def param_names(node: Node, client: AsyncParameterClient) -> list[str]:
    return sorted(finish(node, client.list_parameters([], 0)).result.names)


def param_list(args: Any) -> None:
    with ros_node() as node:
        if args.node_name is None:
            discover(node)
        for name in [args.node_name] if args.node_name else node_names(node):
            found = param_names(node, parameters(node, name))
            print(
                '\n'.join(
                    ([] if args.node_name else [f'{name}:'])
                    + [f'  {parameter}' for parameter in found]
                )
            )


TYPE_TEXT = {bool: 'Boolean', int: 'Integer', float: 'Double', str: 'String'}


def param_get(args: Any) -> None:
    with ros_node() as node:
        values = finish(
            node, parameters(node, args.node_name).get_parameters([args.parameter_name])
        ).values
        if not values:
            raise Failure('Parameter not set')
        value = parameter_value_to_python(values[0])
        if value is None:
            print('Parameter not set.')
        elif isinstance(value, (bool, int, float, str)):
            print(value if args.hide_type else f'{TYPE_TEXT[type(value)]} value is: {value}')
        else:
            print(value if args.hide_type else f'Values are: {value}')


def param_set(args: Any) -> None:
    with ros_node() as node:
        try:
            value = yaml.safe_load(args.value)
        except yaml.YAMLError:
            value = args.value
        value = value if isinstance(value, (bool, int, float, list)) else args.value
        client = parameters(node, args.node_name)
        result = finish(
            node, client.set_parameters([Parameter(args.parameter_name, value=value)])
        ).results[0]
        reason = f': {result.reason}' if result.reason else ''
        if result.successful:
            print(f'Set parameter successful{reason}')
        else:  # the real command answers 0 here as well
            print(f'Setting parameter failed{reason}', file=sys.stderr)


def param_dump(args: Any) -> None:
    with ros_node() as node:
        client = parameters(node, args.node_name)
        nested: dict = {}
        for name in param_names(node, client):
            value = parameter_value_to_python(
                finish(node, client.get_parameters([name])).values[0]
            )
            *groups, leaf = name.split('.')
            place = nested
            for group in groups:
                place = place.setdefault(group, {})
            place[leaf] = (
                list(value)
                if not isinstance(value, (bool, int, float, str, type(None)))
                else value
            )
        print(
            yaml.safe_dump(
                {full_name(args.node_name): {'ros__parameters': nested}}, default_flow_style=False
            )
        )


def param_load(args: Any) -> None:
    with ros_node() as node:
        client = parameters(node, args.node_name)
        for result in finish(
            node, client.load_parameter_file(args.parameter_file, use_wildcard=True)
        ).results:
            print(
                'Set parameter successful'
                if result.successful
                else f'Set parameter failed: {result.reason}'
            )


def param_describe(args: Any) -> None:
    with ros_node() as node:
        name = require_node(node, args.node_name)
        answer = call(
            node,
            DescribeParameters,
            f'{name}/describe_parameters',
            DescribeParameters.Request(names=args.parameter_names),
        )
        for descriptor in answer.descriptors:
            print(message_to_yaml(descriptor))
