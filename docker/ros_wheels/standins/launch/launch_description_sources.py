"""Launch files, as written in Python."""

import importlib.util
from pathlib import Path
from typing import Any

from ._engine import LaunchContext, LaunchDescription, perform


def get_launch_description_from_python_launch_file(path: str) -> LaunchDescription:
    if not Path(path).is_file():
        raise FileNotFoundError(f"launch file '{path}' was not found")
    spec = importlib.util.spec_from_loader('python_launch_file', loader=None)
    module = importlib.util.module_from_spec(spec)
    module.__file__ = str(path)
    exec(compile(Path(path).read_text(), str(path), 'exec'), module.__dict__)
    return module.generate_launch_description()


class LaunchDescriptionSource:
    def __init__(
        self, launch_description: LaunchDescription | None = None, location: Any = ''
    ) -> None:
        self._description, self._location = launch_description, location

    def location(self, context: LaunchContext) -> str:
        return perform(context, self._location)

    def get_launch_description(self, context: LaunchContext) -> LaunchDescription:
        return self._description


class PythonLaunchDescriptionSource(LaunchDescriptionSource):
    def __init__(self, launch_file_path: Any) -> None:
        super().__init__(location=launch_file_path)

    def get_launch_description(self, context: LaunchContext) -> LaunchDescription:
        return get_launch_description_from_python_launch_file(self.location(context))


AnyLaunchDescriptionSource = PythonLaunchDescriptionSource
