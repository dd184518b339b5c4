"""Where packages are installed."""

import os
from typing import Any

from ament_index_python.packages import get_package_prefix
from launch import LaunchContext, Substitution
from launch._engine import perform
from launch.substitutions import SubstitutionFailure


class FindPackagePrefix(Substitution):
    def __init__(self, package: Any) -> None:
        self._package = package

    def perform(self, context: LaunchContext) -> str:
        return get_package_prefix(perform(context, self._package))


FindPackage = FindPackagePrefix


class FindPackageShare(FindPackagePrefix):
    def perform(self, context: LaunchContext) -> str:
        package = perform(context, self._package)
        return os.path.join(get_package_prefix(package), 'share', package)


class ExecutableInPackage(Substitution):
    def __init__(self, executable: Any, package: Any) -> None:
        self._executable, self._package = executable, package

    def perform(self, context: LaunchContext) -> str:
        package, executable = perform(context, self._package), perform(context, self._executable)
        path = os.path.join(get_package_prefix(package), 'lib', package, executable)
        if not os.access(path, os.X_OK):
            raise SubstitutionFailure(
                f"executable '{executable}' not found on the libexec directory "
                f"'{os.path.dirname(path)}'"
            )
        return path
