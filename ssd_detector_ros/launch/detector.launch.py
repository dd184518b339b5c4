"""
Start the detector; it configures and activates itself unless autostart is false.

ros2 launch exits with an error when the node does, such as when configure fails. Launch files that
include this one with autostart:=false drive its transitions by lifecycle events.
"""

import os

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction, RegisterEventHandler
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
    ('image_topic', '', 'topic of the images, without /compressed; empty: as in params_file'),
    (
        'image_topics',
        '',
        'topics of several cameras, such as "[front, rear]"; empty: as in params_file',
    ),
    ('image_transport', '', 'raw or compressed; empty: as in params_file'),
    ('backend', '', 'auto, onnxruntime, openvino or tensorrt; empty: as in params_file'),
    ('autostart', '', 'configure and activate itself, true or false; empty: as in params_file'),
    ('use_sim_time', '', 'take the time from /clock, true or false; empty: as in params_file'),
    ('namespace', '', 'namespace of the node'),
    ('respawn', 'false', 'start the node again when it ends, true or false'),
    ('respawn_delay', '2.0', 'seconds before it is started again'),
    ('log_level', 'info', 'debug, info, warn, error or fatal'),
)
# Fast DDS's own shared memory segment is smaller than one 640x480 image: most are lost on the way.
FASTDDS_PROFILE = PathJoinSubstitution(
    [FindPackageShare('ssd_detector_ros'), 'params', 'fastdds_images.xml']
)
FASTDDS_VARIABLES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')
# A profile with transports of its own makes this variable void: the node would not be found.
FASTDDS_TRANSPORTS = 'FASTDDS_BUILTIN_TRANSPORTS'
# The type is said: a bundle called 2024 is no number.
PARAMETER_TYPES = {
    'bundle': str,
    'image_topic': str,
    'image_topics': None,  # A list, as YAML says.
    'image_transport': str,
    'backend': str,
    'autostart': bool,
    'use_sim_time': bool,
}


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
    respawn = _read_bool(LaunchConfiguration('respawn').perform(context), 'respawn')
    detector = LifecycleNode(
        package='ssd_detector_ros',
        executable='detector',
        name='ssd_detector',
        namespace=LaunchConfiguration('namespace'),
        output='screen',
        parameters=[_check_file(context, 'params_file'), given],
        ros_arguments=['--log-level', LaunchConfiguration('log_level')],
        additional_env=_fastdds_profile(context.environment),
        respawn=respawn,
        respawn_delay=float(LaunchConfiguration('respawn_delay').perform(context)),
    )
    if respawn:
        return [detector]
    on_exit = OnProcessExit(target_action=detector, on_exit=_fail_with_node)
    return [RegisterEventHandler(on_exit), detector]


def _read_bool(text, name):
    values = {'true': True, '1': True, 'false': False, '0': False}
    if text.lower() not in values:
        raise RuntimeError(f"{name}: received '{text}'; expected true or false")
    return values[text.lower()]


def _check_file(context, name):
    """Read an argument that names a file; launch itself only warns where there is none."""
    path = LaunchConfiguration(name).perform(context)
    if not os.path.isfile(path):
        raise RuntimeError(f"{name}: received '{path}', which is no file; expected a YAML file")
    return path


def _fastdds_profile(environment):
    """Give Fast DDS room for images, unless the user chose how it transports; others ignore it."""
    if any(name in environment for name in (*FASTDDS_VARIABLES, FASTDDS_TRANSPORTS)):
        return {}
    # Up to Jazzy (Fast DDS 2) only the old name works; setting both is an error from Kilted on.
    is_old = environment.get('ROS_DISTRO') in ('humble', 'iron', 'jazzy')
    return {FASTDDS_VARIABLES[0 if is_old else 1]: FASTDDS_PROFILE}


def _fail_with_node(event, context):
    """Let `ros2 launch` exit non-zero when the node did; launch itself would report success."""
    if event.returncode != 0 and not context.is_shutdown:
        raise RuntimeError(f'the detector ended with exit code {event.returncode}')
