"""ros2 service: list, call."""

from __future__ import annotations

from typing import Any

import yaml

from rosidl_runtime_py import set_message_fields
from rosidl_runtime_py.utilities import get_service

from .graph import (
    call,
    discover,
    Failure,
    ros_node,
)


def service_list(args: Any) -> None:
    with ros_node() as node:
        discover(node)
        for name, types in sorted(node.get_service_names_and_types()):
            print(f'{name} [{", ".join(types)}]' if args.show_types else name)


def service_call(args: Any) -> None:
    with ros_node() as node:
        service = get_service(args.service_type)
        request = service.Request()
        try:
            set_message_fields(request, yaml.safe_load(args.values))
        except Exception as error:
            raise Failure(f'Failed to populate field: {error}') from error
        print(f'requester: making request: {request!r}\n')
        print(f'response:\n{call(node, service, args.service_name, request)!r}\n')
