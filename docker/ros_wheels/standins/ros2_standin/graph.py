"""Looking at, and talking to, running nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
import time
from typing import Any

import rclpy
from rclpy.node import Node

TIMEOUT = 5.0


class Failure(Exception):
    """Told to the user in one line; exit code 1."""


@contextmanager
def ros_node() -> Iterator[Node]:
    rclpy.init(args=[])
    node = rclpy.create_node(
        f'_ros2cli_{time.monotonic_ns() % 100000}',
        start_parameter_services=False,
        enable_rosout=False,
    )
    try:
        yield node
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


def wait_for(node: Node, condition: Callable[[], Any], timeout: float = TIMEOUT) -> Any:
    end = time.monotonic() + timeout
    while not (found := condition()) and time.monotonic() < end:
        rclpy.spin_once(node, timeout_sec=0.05)
    return found


def settle(node: Node, seconds: float) -> None:
    wait_for(node, lambda: False, seconds)


def discover(node: Node, at_most: float = TIMEOUT) -> None:
    """Return once nothing new has come up for a second."""
    end, seen = time.monotonic() + at_most, None
    while time.monotonic() < end and seen != (
        now := (node.get_node_names_and_namespaces(), node.get_topic_names_and_types())
    ):
        seen = now
        settle(node, 1.0)


def call(node: Node, service_type: Any, name: str, request: Any) -> Any:
    client = node.create_client(service_type, name)
    if not wait_for(node, client.service_is_ready):
        raise Failure(f'service {name} is not available')
    future = client.call_async(request)
    if not wait_for(node, future.done):
        raise Failure(f'no answer from {name}')
    return future.result()


def full_name(name: str) -> str:
    return name if name.startswith('/') else '/' + name


def node_names(node: Node, hidden: bool = False) -> list[str]:
    pairs = node.get_node_names_and_namespaces()
    return sorted(
        f'{space.rstrip("/")}/{name}'
        for name, space in pairs
        if hidden or not name.startswith('_')
    )


def require_node(node: Node, name: str) -> str:
    if not wait_for(node, lambda: full_name(name) in node_names(node, hidden=True)):
        raise Failure('Node not found')
    return full_name(name)


def node_list(args: Any) -> None:
    with ros_node() as node:
        discover(node)
        for name in node_names(node, args.all):
            print(name)


def node_info(args: Any) -> None:
    with ros_node() as node:
        space, _, name = require_node(node, args.node_name).rpartition('/')
        settle(node, 0.5)
        print(args.node_name)
        for title, query in (
            ('Subscribers', node.get_subscriber_names_and_types_by_node),
            ('Publishers', node.get_publisher_names_and_types_by_node),
            ('Service Servers', node.get_service_names_and_types_by_node),
            ('Service Clients', node.get_client_names_and_types_by_node),
        ):
            print(f'  {title}:')
            for topic, types in sorted(query(name, space or '/')):
                print(f'    {topic}: {", ".join(types)}')
