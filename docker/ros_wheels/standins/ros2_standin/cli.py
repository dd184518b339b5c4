"""The command line: `ros2 <command> <verb>`."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from ament_index_python.packages import PackageNotFoundError

from . import bag, graph, lifecycle, packages, param, service, topic


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog='ros2', description='ros2 (stand-in)')
    commands = parser.add_subparsers(dest='command', required=True, metavar='<command>')
    add_run(commands)
    add_launch(commands)
    add_pkg(commands)
    add_interface(commands)
    add_node(commands)
    add_topic(commands)
    add_service(commands)
    add_param(commands)
    add_lifecycle(commands)
    add_bag(commands)
    return parser


def add_run(commands: Any) -> None:
    parser = add_verb(commands, 'run', packages.run, 'package_name', 'executable_name')
    parser.add_argument('argv', nargs=argparse.REMAINDER)


def add_launch(commands: Any) -> None:
    parser = add_verb(commands, 'launch', packages.launch)
    parser.add_argument('-s', '--show-args', '--show-arguments', action='store_true')
    parser.add_argument('-n', '--noninteractive', action='store_true')
    parser.add_argument('-d', '--debug', action='store_true')
    parser.add_argument('package_or_file')
    parser.add_argument('rest', nargs='*')


def add_pkg(commands: Any) -> None:
    verbs = add_group(commands, 'pkg')
    add_verb(verbs, 'list', packages.pkg_list)
    prefix = add_verb(verbs, 'prefix', packages.pkg_prefix, 'package_name')
    prefix.add_argument('--share', action='store_true')
    executables = add_verb(verbs, 'executables', packages.pkg_executables)
    executables.add_argument('package_name', nargs='?')


def add_interface(commands: Any) -> None:
    verbs = add_group(commands, 'interface')
    add_verb(verbs, 'show', packages.interface_show, 'type')
    add_verb(verbs, 'package', packages.interface_package, 'package_name')


def add_node(commands: Any) -> None:
    verbs = add_group(commands, 'node')
    listing = add_verb(verbs, 'list', graph.node_list)
    listing.add_argument('-a', '--all', action='store_true')
    add_verb(verbs, 'info', graph.node_info, 'node_name')


def add_topic(commands: Any) -> None:
    verbs = add_group(commands, 'topic')
    listing = add_verb(verbs, 'list', topic.topic_list)
    listing.add_argument('-t', '--show-types', action='store_true')
    add_verb(verbs, 'type', topic.topic_type_of, 'topic_name')
    info = add_verb(verbs, 'info', topic.topic_info, 'topic_name')
    info.add_argument('-v', '--verbose', action='store_true')
    echo = add_verb(verbs, 'echo', topic.topic_echo, 'topic_name')
    echo.add_argument('message_type', nargs='?')
    echo.add_argument('--once', action='store_true')
    echo.add_argument('--field')
    echo.add_argument('--no-arr', action='store_true')
    echo.add_argument('-f', '--full-length', action='store_true')
    echo.add_argument('--timeout', type=float)
    add_qos_options(echo)
    hz = add_verb(verbs, 'hz', topic.topic_hz, 'topic_name')
    hz.add_argument('-w', '--window', type=int, default=10000)
    add_qos_options(hz)
    pub = add_verb(verbs, 'pub', topic.topic_pub, 'topic_name', 'message_type')
    pub.add_argument('values', nargs='?', default='{}')
    pub.add_argument('-r', '--rate', type=float, default=1.0)
    pub.add_argument('-1', '--once', action='store_true')
    pub.add_argument('-t', '--times', type=int, default=0)
    pub.add_argument('-w', '--wait-matching-subscriptions', type=int)
    add_qos_options(pub)


def add_service(commands: Any) -> None:
    verbs = add_group(commands, 'service')
    listing = add_verb(verbs, 'list', service.service_list)
    listing.add_argument('-t', '--show-types', action='store_true')
    call = add_verb(verbs, 'call', service.service_call, 'service_name', 'service_type')
    call.add_argument('values', nargs='?', default='{}')


def add_param(commands: Any) -> None:
    verbs = add_group(commands, 'param')
    add_verb(verbs, 'list', param.param_list).add_argument('node_name', nargs='?')
    get = add_verb(verbs, 'get', param.param_get, 'node_name', 'parameter_name')
    get.add_argument('--hide-type', action='store_true')
    add_verb(verbs, 'set', param.param_set, 'node_name', 'parameter_name', 'value')
    add_verb(verbs, 'dump', param.param_dump, 'node_name')
    add_verb(verbs, 'load', param.param_load, 'node_name', 'parameter_file')
    describe = add_verb(verbs, 'describe', param.param_describe, 'node_name')
    describe.add_argument('parameter_names', nargs='+')


def add_lifecycle(commands: Any) -> None:
    verbs = add_group(commands, 'lifecycle')
    add_verb(verbs, 'nodes', lifecycle.lifecycle_nodes)
    add_verb(verbs, 'get', lifecycle.lifecycle_get, 'node_name')
    add_verb(verbs, 'list', lifecycle.lifecycle_list, 'node_name')
    add_verb(verbs, 'set', lifecycle.lifecycle_set, 'node_name', 'transition')


def add_bag(commands: Any) -> None:
    verbs = add_group(commands, 'bag')
    record = add_verb(verbs, 'record', bag.record)
    record.add_argument('-o', '--output')
    record.add_argument('-s', '--storage', choices=('mcap', 'sqlite3'), default='mcap')
    record.add_argument('-a', '--all', action='store_true')
    record.add_argument('--topics', dest='topics', nargs='+', default=[])
    record.add_argument('positional_topics', nargs='*')
    play = add_verb(verbs, 'play', bag.play, 'bag_path')
    play.add_argument('-r', '--rate', type=float, default=1.0)
    play.add_argument('-d', '--delay', type=float, default=0.0)
    play.add_argument('--topics', nargs='+', default=[])
    play.add_argument('-m', '--remap', nargs='+', default=[])
    play.add_argument(
        '--wait', type=float, default=1.0, help='(stand-in only) seconds to wait for subscribers'
    )
    add_verb(verbs, 'info', bag.info, 'bag_path')


def add_group(commands: Any, name: str) -> Any:
    return commands.add_parser(name).add_subparsers(dest='verb', required=True, metavar='<verb>')


def add_verb(verbs: Any, name: str, function: Any, *positional: str) -> argparse.ArgumentParser:
    parser = verbs.add_parser(name)
    parser.set_defaults(function=function)
    for argument in positional:
        parser.add_argument(argument)
    return parser


def add_qos_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--qos-profile')
    parser.add_argument('--qos-depth', type=int)
    parser.add_argument('--qos-reliability')
    parser.add_argument('--qos-durability')


def main() -> int:
    from rclpy.executors import ExternalShutdownException

    args = build_parser().parse_args()
    if args.command == 'bag' and args.verb == 'record':
        args.topics = [*args.topics, *args.positional_topics]
    try:
        return args.function(args) or 0
    except (packages.Failure, graph.Failure, PackageNotFoundError) as error:
        print(error, file=sys.stderr)
        return 1
    except (KeyboardInterrupt, ExternalShutdownException):
        return 2
