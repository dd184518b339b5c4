"""ros2 topic: list, type, info, echo, hz, pub."""

from __future__ import annotations

import time
from typing import Any

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSPresetProfiles, QoSProfile, ReliabilityPolicy
import yaml

from rosidl_runtime_py import message_to_yaml, set_message_fields
from rosidl_runtime_py.utilities import get_message

from .graph import (
    discover,
    Failure,
    full_name,
    ros_node,
    settle,
    wait_for,
)


def topic_types(node: Node) -> dict[str, list[str]]:
    return dict(node.get_topic_names_and_types())


def topic_type(node: Node, topic: str, given: str | None = None) -> str:
    types = [given] if given else wait_for(node, lambda: topic_types(node).get(full_name(topic)))
    if not types:
        raise Failure('Could not determine the type for the passed topic')
    return types[0]


def qos(node: Node, topic: str, args: Any) -> QoSProfile:
    """As offered by the publishers, unless options say otherwise."""
    profile = QoSProfile(depth=args.qos_depth or 10)
    if args.qos_profile:
        profile = QoSPresetProfiles.get_from_short_key(args.qos_profile)
    elif wait_for(node, lambda: node.count_publishers(full_name(topic)), 1.0):
        offered = [
            info.qos_profile for info in node.get_publishers_info_by_topic(full_name(topic))
        ]
        if any(qos.reliability == ReliabilityPolicy.BEST_EFFORT for qos in offered):
            profile.reliability = ReliabilityPolicy.BEST_EFFORT
        if offered and all(qos.durability == DurabilityPolicy.TRANSIENT_LOCAL for qos in offered):
            profile.durability = DurabilityPolicy.TRANSIENT_LOCAL
    if args.qos_reliability:
        profile.reliability = ReliabilityPolicy.get_from_short_key(args.qos_reliability)
    if args.qos_durability:
        profile.durability = DurabilityPolicy.get_from_short_key(args.qos_durability)
    return profile


def topic_list(args: Any) -> None:
    with ros_node() as node:
        discover(node)
        for name, types in sorted(topic_types(node).items()):
            print(f'{name} [{", ".join(types)}]' if args.show_types else name)


def topic_type_of(args: Any) -> None:
    with ros_node() as node:
        print(topic_type(node, args.topic_name))


def topic_info(args: Any) -> None:
    with ros_node() as node:
        topic = full_name(args.topic_name)
        if not wait_for(node, lambda: topic in topic_types(node)):
            raise Failure("Unknown topic '{topic}'")
        settle(node, 0.5)
        print(f'Type: {", ".join(topic_types(node)[topic])}')
        for title, infos in (
            ('Publisher', node.get_publishers_info_by_topic(topic)),
            ('Subscription', node.get_subscriptions_info_by_topic(topic)),
        ):
            print(f'{title} count: {len(infos)}')
            for info in infos if args.verbose else ():
                print(
                    f'\nNode name: {info.node_name}\nNode namespace: {info.node_namespace}\n'
                    f'Topic type: {info.topic_type}\nTopic type hash: {info.topic_type_hash}\n'
                    f'QoS profile:\n  Reliability: {info.qos_profile.reliability.name}\n'
                    f'  Durability: {info.qos_profile.durability.name}'
                )


def topic_echo(args: Any) -> None:
    with ros_node() as node:
        name = topic_type(node, args.topic_name, args.message_type)
        seen = []

        def show(message: Any) -> None:
            seen.append(message)
            for field in args.field.split('.') if args.field else ():
                message = getattr(message, field)
            limit = None if args.full_length else 128
            is_message = hasattr(message, 'get_fields_and_field_types')
            text = (
                message_to_yaml(message, truncate_length=limit, no_arr=args.no_arr)
                if is_message
                else str(message)
            )
            print(text.rstrip('\n') + '\n---', flush=True)

        node.create_subscription(
            get_message(name), args.topic_name, show, qos(node, args.topic_name, args)
        )
        wait_for(node, lambda: args.once and seen, args.timeout or float('inf'))
        if args.once and not seen:
            raise Failure(f'no message on {args.topic_name}')


def topic_hz(args: Any) -> None:
    with ros_node() as node:
        name, times = topic_type(node, args.topic_name), []
        node.create_subscription(
            get_message(name),
            args.topic_name,
            lambda _message: times.append(time.monotonic()),
            qos(node, args.topic_name, args),
            raw=True,
        )
        while True:
            settle(node, 1.0)
            gaps = [after - before for before, after in zip(times, times[1:], strict=False)][
                -args.window :
            ]
            if not gaps:
                continue
            mean = sum(gaps) / len(gaps)
            deviation = (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5
            print(
                f'average rate: {1 / mean:.3f}\n\tmin: {min(gaps):.3f}s max: {max(gaps):.3f}s '
                f'std dev: {deviation:.5f}s window: {len(gaps) + 1}',
                flush=True,
            )


def topic_pub(args: Any) -> None:
    with ros_node() as node:
        message = get_message(args.message_type)()
        set_message_fields(message, yaml.safe_load(args.values))
        publisher = node.create_publisher(
            type(message), args.topic_name, qos(node, args.topic_name, args)
        )
        count = 1 if args.once else args.times
        wanted = (
            args.wait_matching_subscriptions
            if args.wait_matching_subscriptions is not None
            else bool(count)
        )
        if wanted:
            print('Waiting for at least 1 matching subscription(s)...')
            wait_for(node, lambda: publisher.get_subscription_count() >= wanted, float('inf'))
        sent = 0
        while not count or sent < count:
            sent += 1
            print(f'publishing #{sent}: {message!r}\n', flush=True)
            publisher.publish(message)
            settle(node, 0.1 if sent == count else 1.0 / args.rate)
