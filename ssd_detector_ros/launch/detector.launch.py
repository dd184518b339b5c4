"""Start the detector; it configures and activates itself unless autostart is false."""

import os

from launch import LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    OpaqueFunction,
    RegisterEventHandler,
    SetEnvironmentVariable,
)
from launch.event_handlers import OnProcessExit
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import LifecycleNode
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

DEFAULT_PARAMS_FILE = PathJoinSubstitution(
    [FindPackageShare('ssd_detector_ros'), 'params', 'detector.yaml']
)
ARGUMENTS = (
    ('params_file', DEFAULT_PARAMS_FILE, 'YAML file with the parameters of the node'),
    ('bundle', '', 'folder of the bundle; empty: as in params_file'),
    ('image_topic', '', 'topic of sensor_msgs/Image; empty: as in params_file'),
    ('autostart', '', 'configure and activate itself, true or false; empty: as in params_file'),
    ('namespace', '', 'namespace of the node'),
    ('log_level', 'info', 'debug, info, warn, error or fatal'),
)
# Fast DDS's own shared memory segment is smaller than one 640x480 image: most are lost on the way.
FASTDDS_PROFILE = PathJoinSubstitution(
    [FindPackageShare('ssd_detector_ros'), 'params', 'fastdds_images.xml']
)
FASTDDS_VARIABLES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')
# The type is said: a bundle called 2024 is no number.
PARAMETER_TYPES = {'bundle': str, 'image_topic': str, 'autostart': bool}


def generate_launch_description() -> LaunchDescription:
    """Declare the arguments and start the node."""
    declarations = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, default, description in ARGUMENTS
    ]
    return LaunchDescription([*declarations, OpaqueFunction(function=_start_node)])


def _start_node(context):
    """Start the node; only arguments that were given override the parameter file."""
    given = {
        name: ParameterValue(LaunchConfiguration(name), value_type=value_type)
        for name, value_type in PARAMETER_TYPES.items()
        if LaunchConfiguration(name).perform(context)
    }
    detector = LifecycleNode(
        package='ssd_detector_ros',
        executable='detector',
        name='ssd_detector',
        namespace=LaunchConfiguration('namespace'),
        output='screen',
        parameters=[LaunchConfiguration('params_file'), given],
        ros_arguments=['--log-level', LaunchConfiguration('log_level')],
    )
    on_exit = OnProcessExit(target_action=detector, on_exit=_fail_with_node)
    return [*_fastdds_profile(), detector, RegisterEventHandler(on_exit)]


def _fastdds_profile():
    """Give Fast DDS room for images, unless the user chose a profile; others ignore it."""
    if any(name in os.environ for name in FASTDDS_VARIABLES):
        return []
    # Up to Jazzy (Fast DDS 2) only the old name works; setting both is an error from Kilted on.
    is_old = os.environ.get('ROS_DISTRO') in ('humble', 'iron', 'jazzy')
    return [SetEnvironmentVariable(FASTDDS_VARIABLES[0 if is_old else 1], FASTDDS_PROFILE)]


def _fail_with_node(event, context):
    """Let `ros2 launch` exit non-zero when the node did; launch itself would report success."""
    if event.returncode != 0 and not context.is_shutdown:
        raise RuntimeError(f'the detector ended with exit code {event.returncode}')
