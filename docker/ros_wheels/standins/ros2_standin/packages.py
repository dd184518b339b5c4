"""ros2 run | launch | pkg | interface: what reads packages, and starts what they hold."""

from __future__ import annotations

import os
from pathlib import Path
import subprocess
import sys
from typing import Any

from ament_index_python.packages import (
    get_package_prefix,
    get_package_share_directory,
    get_packages_with_prefixes,
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
