"""
A stand-in for ROS 2's `launch`, for machines without a distribution.

It runs the same launch files in the same order, builds the same command lines and shuts down
the same way. Not there: XML and YAML launch files, composable nodes, event handlers on process
output, the log folder, most substitutions.
"""

from ._engine import (
    Action,
    Condition,
    Event,
    EventHandler,
    LaunchContext,
    LaunchDescription,
    LaunchDescriptionEntity,
    LaunchService,
    SomeSubstitutionsType,
    Substitution,
)
from .launch_description_sources import LaunchDescriptionSource

__all__ = [
    'Action',
    'Condition',
    'Event',
    'EventHandler',
    'LaunchContext',
    'LaunchDescription',
    'LaunchDescriptionEntity',
    'LaunchDescriptionSource',
    'LaunchService',
    'SomeSubstitutionsType',
    'Substitution',
]
