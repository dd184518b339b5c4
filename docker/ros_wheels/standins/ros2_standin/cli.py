"""The command line: `ros2 <command> <verb>`."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
import subprocess
import sys
from typing import Any

from ament_index_python.packages import (
    get_package_prefix,
    get_package_share_directory,
    get_packages_with_prefixes,
    PackageNotFoundError,
)


class Failure(Exception):
    pass


def executables(package: str) -> list[Path]:
    folder = Path(get_package_prefix(package), 'lib', package)
    return (
        sorted(path for path in folder.iterdir() if os.access(path, os.X_OK))
        if folder.is_dir()
        else []
    )


def run(args: Any) -> int:
    for path in executables(args.package_name):
        if path.name == args.executable_name:
            process = subprocess.Popen([str(path), *args.argv])
            while True:
                try:
                    return process.wait()
                except KeyboardInterrupt:  # the program got it as well and ends by itself
                    continue
    raise Failure('No executable found')


def launch(args: Any) -> int:
    from launch import LaunchDescription, LaunchService
    from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
    from launch.launch_description_sources import PythonLaunchDescriptionSource

    rest, path = list(args.rest), args.package_or_file
    if not os.path.isfile(path):
        name, share = (
            rest.pop(0) if rest else '',
            Path(get_package_share_directory(args.package_or_file)),
        )
        found = sorted(share.rglob(name)) if name else []
        if not found:
            raise Failure(
                f"file '{name}' was not found in the share directory of package "
                f"'{args.package_or_file}'"
            )
        path = str(found[0])
    source = PythonLaunchDescriptionSource(path)
    if args.show_args:
        print("Arguments (pass arguments as '<name>:=<value>'):\n")
        for entity in source.get_launch_description(None).entities:
            if isinstance(entity, DeclareLaunchArgument):
                default = (
                    ''
                    if entity.default_value is None
                    else f'\n        (default: {entity.default_value!r})'
                )
                choices = f' Valid choices are: {entity.choices}' if entity.choices else ''
                text = entity.description or 'no description given'
                print(f"    '{entity.name}':\n        {text}{choices}{default}\n")
        return 0
    if any(':=' not in pair for pair in rest):
        raise Failure(f"malformed launch argument {rest}, expected format '<name>:=<value>'")
    service = LaunchService(
        argv=rest, noninteractive=args.noninteractive or not sys.stdin.isatty(), debug=args.debug
    )
    service.include_launch_description(
        LaunchDescription(
            [
                IncludeLaunchDescription(
                    source, launch_arguments=[tuple(pair.split(':=', 1)) for pair in rest]
                )
            ]
        )
    )
    return service.run()


def pkg_list(args: Any) -> None:
    print('\n'.join(sorted(get_packages_with_prefixes())))


def pkg_prefix(args: Any) -> None:
    print(
        get_package_share_directory(args.package_name)
        if args.share
        else get_package_prefix(args.package_name)
    )


def pkg_executables(args: Any) -> None:
    for package in (
        [args.package_name] if args.package_name else sorted(get_packages_with_prefixes())
    ):
        for path in executables(package):
            print(f'{package} {path.name}')


def interface_show(args: Any) -> None:
    parts = args.type.split('/')
    package, name = parts[0], parts[-1]
    for kind in parts[1:2] if len(parts) == 3 else ('msg', 'srv', 'action'):
        path = Path(get_package_share_directory(package), kind, f'{name}.{kind}')
        if path.is_file():
            print(path.read_text().rstrip())
            return
    raise Failure(f"Unknown interface '{args.type}'")


def interface_package(args: Any) -> None:
    share = Path(get_package_share_directory(args.package_name))
    for kind in ('msg', 'srv', 'action'):
        for path in sorted((share / kind).glob(f'*.{kind}')):
            print(f'{args.package_name}/{kind}/{path.stem}')


def qos_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--qos-profile')
    parser.add_argument('--qos-depth', type=int)
    parser.add_argument('--qos-reliability')
    parser.add_argument('--qos-durability')


def build_parser() -> argparse.ArgumentParser:
    from . import bag, graph, lifecycle, param, service, topic

    parser = argparse.ArgumentParser(prog='ros2', description='ros2 (stand-in)')
    commands = parser.add_subparsers(dest='command', required=True, metavar='<command>')

    def verb(owner: Any, name: str, function: Any, *positional: str) -> argparse.ArgumentParser:
        sub = owner.add_parser(name)
        sub.set_defaults(function=function)
        for argument in positional:
            sub.add_argument(argument)
        return sub

    def group(name: str) -> Any:
        return commands.add_parser(name).add_subparsers(
            dest='verb', required=True, metavar='<verb>'
        )

    sub = verb(commands, 'run', run, 'package_name', 'executable_name')
    sub.add_argument('argv', nargs=argparse.REMAINDER)
    sub = verb(commands, 'launch', launch)
    sub.add_argument('-s', '--show-args', '--show-arguments', action='store_true')
    sub.add_argument('-n', '--noninteractive', action='store_true')
    sub.add_argument('-d', '--debug', action='store_true')
    sub.add_argument('package_or_file')
    sub.add_argument('rest', nargs='*')

    owner = group('pkg')
    verb(owner, 'list', pkg_list)
    verb(owner, 'prefix', pkg_prefix, 'package_name').add_argument('--share', action='store_true')
    verb(owner, 'executables', pkg_executables).add_argument('package_name', nargs='?')

    owner = group('interface')
    verb(owner, 'show', interface_show, 'type')
    verb(owner, 'package', interface_package, 'package_name')

    owner = group('node')
    verb(owner, 'list', graph.node_list).add_argument('-a', '--all', action='store_true')
    verb(owner, 'info', graph.node_info, 'node_name')

    owner = group('topic')
    verb(owner, 'list', topic.topic_list).add_argument('-t', '--show-types', action='store_true')
    verb(owner, 'type', topic.topic_type_of, 'topic_name')
    verb(owner, 'info', topic.topic_info, 'topic_name').add_argument(
        '-v', '--verbose', action='store_true'
    )
    sub = verb(owner, 'echo', topic.topic_echo, 'topic_name')
    sub.add_argument('message_type', nargs='?')
    sub.add_argument('--once', action='store_true')
    sub.add_argument('--field')
    sub.add_argument('--no-arr', action='store_true')
    sub.add_argument('-f', '--full-length', action='store_true')
    sub.add_argument('--timeout', type=float)
    qos_options(sub)
    sub = verb(owner, 'hz', topic.topic_hz, 'topic_name')
    sub.add_argument('-w', '--window', type=int, default=10000)
    qos_options(sub)
    sub = verb(owner, 'pub', topic.topic_pub, 'topic_name', 'message_type')
    sub.add_argument('values', nargs='?', default='{}')
    sub.add_argument('-r', '--rate', type=float, default=1.0)
    sub.add_argument('-1', '--once', action='store_true')
    sub.add_argument('-t', '--times', type=int, default=0)
    sub.add_argument('-w', '--wait-matching-subscriptions', type=int)
    qos_options(sub)

    owner = group('service')
    verb(owner, 'list', service.service_list).add_argument(
        '-t', '--show-types', action='store_true'
    )
    verb(owner, 'call', service.service_call, 'service_name', 'service_type').add_argument(
        'values', nargs='?', default='{}'
    )

    owner = group('param')
    verb(owner, 'list', param.param_list).add_argument('node_name', nargs='?')
    verb(owner, 'get', param.param_get, 'node_name', 'parameter_name').add_argument(
        '--hide-type', action='store_true'
    )
    verb(owner, 'set', param.param_set, 'node_name', 'parameter_name', 'value')
    verb(owner, 'dump', param.param_dump, 'node_name')
    verb(owner, 'load', param.param_load, 'node_name', 'parameter_file')
    verb(owner, 'describe', param.param_describe, 'node_name').add_argument(
        'parameter_names', nargs='+'
    )

    owner = group('lifecycle')
    verb(owner, 'nodes', lifecycle.lifecycle_nodes)
    verb(owner, 'get', lifecycle.lifecycle_get, 'node_name')
    verb(owner, 'list', lifecycle.lifecycle_list, 'node_name')
    verb(owner, 'set', lifecycle.lifecycle_set, 'node_name', 'transition')

    owner = group('bag')
    sub = verb(owner, 'record', bag.record)
    sub.add_argument('-o', '--output')
    sub.add_argument('-s', '--storage', choices=('mcap', 'sqlite3'), default='mcap')
    sub.add_argument('-a', '--all', action='store_true')
    sub.add_argument('--topics', dest='topics', nargs='+', default=[])
    sub.add_argument('positional_topics', nargs='*')
    sub = verb(owner, 'play', bag.play, 'bag_path')
    sub.add_argument('-r', '--rate', type=float, default=1.0)
    sub.add_argument('-d', '--delay', type=float, default=0.0)
    sub.add_argument('--topics', nargs='+', default=[])
    sub.add_argument('-m', '--remap', nargs='+', default=[])
    sub.add_argument(
        '--wait', type=float, default=1.0, help='(stand-in only) seconds to wait for subscribers'
    )
    verb(owner, 'info', bag.info, 'bag_path')
    return parser


def main() -> int:
    from rclpy.executors import ExternalShutdownException

    from .graph import Failure as GraphFailure

    args = build_parser().parse_args()
    if args.command == 'bag' and args.verb == 'record':
        args.topics = [*args.topics, *args.positional_topics]
    try:
        return args.function(args) or 0
    except (Failure, GraphFailure, PackageNotFoundError) as error:
        print(error, file=sys.stderr)
        return 1
    except (KeyboardInterrupt, ExternalShutdownException):
        return 2
