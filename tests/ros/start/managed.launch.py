"""Includes detector.launch.py and drives the transitions, as a launch file of a robot does."""

from launch import LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    IncludeLaunchDescription,
    LogInfo,
    RegisterEventHandler,
    Shutdown,
)
from launch.event_handlers import OnProcessStart
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.event_handlers import OnStateTransition
from launch_ros.events.lifecycle import ChangeState
from launch_ros.substitutions import FindPackageShare
from lifecycle_msgs.msg import Transition

NODE = '/test_managed/ssd_detector'


def change_state(transition):
    return EmitEvent(
        event=ChangeState(
            lifecycle_node_matcher=lambda node: node.node_name == NODE, transition_id=transition
        )
    )


def on_transition(start_state, goal_state, *actions):
    return RegisterEventHandler(
        OnStateTransition(start_state=start_state, goal_state=goal_state, entities=list(actions))
    )


def generate_launch_description():
    """Configure, then activate; end when configure fails."""
    detector = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(
            PathJoinSubstitution(
                [FindPackageShare('ssd_detector_ros'), 'launch', 'detector.launch.py']
            )
        ),
        launch_arguments={
            'namespace': 'test_managed',
            'autostart': '0',
            'bundle': LaunchConfiguration('bundle'),
        }.items(),
    )
    configure = change_state(Transition.TRANSITION_CONFIGURE)
    activate = change_state(Transition.TRANSITION_ACTIVATE)
    return LaunchDescription(
        [
            DeclareLaunchArgument('bundle'),
            RegisterEventHandler(OnProcessStart(on_start=[configure])),
            on_transition('configuring', 'inactive', activate),
            on_transition('activating', 'active', LogInfo(msg='the robot may go')),
            # launch itself does not print the reason of a shutdown.
            on_transition('configuring', 'unconfigured', LogInfo(msg='no detector'), Shutdown()),
            detector,
        ]
    )
