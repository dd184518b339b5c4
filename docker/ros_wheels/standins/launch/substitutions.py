"""The substitutions that launch files use."""

from collections.abc import Iterable
import os
from typing import Any

from ._engine import LaunchContext, perform, Substitution


class SubstitutionFailure(RuntimeError):
    pass


class LaunchConfiguration(Substitution):
    def __init__(self, variable_name: Any, *, default: Any = None) -> None:
        self._name, self._default = variable_name, default

    def perform(self, context: LaunchContext) -> str:
        name = perform(context, self._name)
        if name in context.launch_configurations:
            return context.launch_configurations[name]
        if self._default is None:
            raise SubstitutionFailure(f"launch configuration '{name}' does not exist")
        return perform(context, self._default)


class PathJoinSubstitution(Substitution):
    def __init__(self, substitutions: Iterable[Any]) -> None:
        self._parts = list(substitutions)

    def perform(self, context: LaunchContext) -> str:
        return os.path.join(*(perform(context, part) for part in self._parts))


class EnvironmentVariable(Substitution):
    def __init__(self, name: Any, *, default_value: Any = None) -> None:
        self._name, self._default = name, default_value

    def perform(self, context: LaunchContext) -> str:
        name = perform(context, self._name)
        if name in context.environment:
            return context.environment[name]
        if self._default is None:
            raise SubstitutionFailure(f"environment variable '{name}' does not exist")
        return perform(context, self._default)
