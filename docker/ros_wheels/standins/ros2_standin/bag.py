"""ros2 bag record | play | info, by rosbags and raw (serialized) messages."""

from __future__ import annotations

from datetime import datetime
import json
from pathlib import Path
import time
from typing import Any

from ament_index_python.packages import get_package_share_directory
import rclpy
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rosbags.interfaces import (
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import Reader, StoragePlugin, Writer
from rosbags.typesys import get_types_from_msg, get_typestore, Stores
from rosbags.typesys.store import Typestore

from rosidl_runtime_py.utilities import get_message

from .graph import Failure, full_name, ros_node, settle, wait_for
from .topic import topic_types

FOREVER = QosTime(2147483647, 4294967295)


def register_installed(typestore: Typestore, name: str) -> None:
    """Teach a typestore a message of the workspace, from the files that rosidl installed."""
    if name in typestore.fielddefs:
        return
    package, _, message = name.split('/')
    share = Path(get_package_share_directory(package), 'msg')
    typestore.register(get_types_from_msg((share / f'{message}.msg').read_text(), name))
    description = json.loads((share / f'{message}.json').read_text())['type_description_msg']
    for used in description['referenced_type_descriptions']:
        register_installed(typestore, used['type_name'])


def offered_qos(profile: QoSProfile) -> Qos:
    reliable = profile.reliability == ReliabilityPolicy.RELIABLE
    latched = profile.durability == DurabilityPolicy.TRANSIENT_LOCAL
    return Qos(
        QosHistory.KEEP_LAST,
        profile.depth or 10,
        QosReliability.RELIABLE if reliable else QosReliability.BEST_EFFORT,
        QosDurability.TRANSIENT_LOCAL if latched else QosDurability.VOLATILE,
        FOREVER,
        FOREVER,
        QosLiveliness.AUTOMATIC,
        FOREVER,
        False,
    )


def record(args: Any) -> None:
    path = Path(args.output or datetime.now().strftime('rosbag2_%Y_%m_%d-%H_%M_%S'))
    if path.exists():
        raise Failure(f"Output folder '{path}' already exists.")
    typestore = get_typestore(Stores.ROS2_JAZZY)
    plugin = {'mcap': StoragePlugin.MCAP, 'sqlite3': StoragePlugin.SQLITE3}[args.storage]
    with ros_node() as node, Writer(path, version=9, storage_plugin=plugin) as writer:
        known, count = set(), [0]

        def subscribe() -> None:
            for topic, types in topic_types(node).items():
                wanted = args.all or topic in map(full_name, args.topics)
                offers = (
                    node.get_publishers_info_by_topic(topic)
                    if wanted and topic not in known
                    else []
                )
                if not offers:
                    continue
                known.add(topic)
                register_installed(typestore, types[0])
                offered = offers[0].qos_profile
                connection = writer.add_connection(
                    topic,
                    types[0],
                    typestore=typestore,
                    offered_qos_profiles=[offered_qos(offered)],
                )
                profile = QoSProfile(
                    depth=1000, reliability=offered.reliability, durability=offered.durability
                )

                def write(data: bytes, connection: Any = connection) -> None:
                    writer.write(connection, time.time_ns(), data)
                    count[0] += 1

                node.create_subscription(get_message(types[0]), topic, write, profile, raw=True)
                print(f"Subscribed to topic '{topic}'", flush=True)

        try:
            while rclpy.ok():
                subscribe()
                settle(node, 0.2)
        except (KeyboardInterrupt, rclpy.executors.ExternalShutdownException):
            pass
    print(f'Recorded {count[0]} messages into {path}')


def play(args: Any) -> None:
    with ros_node() as node, Reader(Path(args.bag_path)) as reader:
        rename = dict(pair.split(':=', 1) for pair in args.remap)
        connections = [
            connection
            for connection in reader.connections
            if not args.topics or connection.topic in args.topics
        ]
        publishers = {}
        for connection in connections:
            offered = connection.ext.offered_qos_profiles
            latched = bool(offered) and offered[0].durability == QosDurability.TRANSIENT_LOCAL
            best_effort = bool(offered) and offered[0].reliability == QosReliability.BEST_EFFORT
            profile = QoSProfile(
                depth=100,
                reliability=ReliabilityPolicy.BEST_EFFORT
                if best_effort
                else ReliabilityPolicy.RELIABLE,
                durability=DurabilityPolicy.TRANSIENT_LOCAL
                if latched
                else DurabilityPolicy.VOLATILE,
            )
            publishers[connection.id] = node.create_publisher(
                get_message(connection.msgtype),
                rename.get(connection.topic, connection.topic),
                profile,
            )
        if args.wait:
            wait_for(
                node,
                lambda: all(
                    publisher.get_subscription_count() for publisher in publishers.values()
                ),
                args.wait,
            )
        settle(node, args.delay)
        started, first = time.monotonic(), None
        for connection, stamp, data in reader.messages(connections=connections):
            first = stamp if first is None else first
            pause = (stamp - first) / 1e9 / args.rate - (time.monotonic() - started)
            if pause > 0:
                time.sleep(pause)
            publishers[connection.id].publish(bytes(data))
        settle(node, 0.5)


def info(args: Any) -> None:
    with Reader(Path(args.bag_path)) as reader:
        files = sorted(
            path.name for path in Path(args.bag_path).iterdir() if path.suffix in ('.db3', '.mcap')
        )
        print(
            f'Files:             {", ".join(files)}\n'
            f'Duration:          {reader.duration / 1e9:.3f}s\n'
            f'Messages:          {reader.message_count}\nTopic information:'
        )
        for connection in reader.connections:
            print(
                f'  Topic: {connection.topic} | Type: {connection.msgtype} | '
                f'Count: {connection.msgcount} | Serialization Format: cdr'
            )
