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
}
SWITCHES = ('autostart', 'use_sim_time')


def generate_launch_description() -> LaunchDescription:
    """Declare the arguments and start the node."""
    declarations = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, default, description in ARGUMENTS
    ]
    return LaunchDescription([*declarations, OpaqueFunction(function=_start_node)])


def _start_node(context):
    """Start the node; only arguments that were given override the parameter file."""
    read = _read_arguments(context)
    given = {
        name: ParameterValue(LaunchConfiguration(name), value_type=value_type)
        for name, value_type in PARAMETER_TYPES.items()
        if LaunchConfiguration(name).perform(context)
    }
    given.update({name: read[name] for name in SWITCHES if read[name] is not None})
    detector = LifecycleNode(
        package='ssd_detector_ros',
        executable='detector',
        name='ssd_detector',
        namespace=LaunchConfiguration('namespace'),
        output='screen',
        parameters=[read['params_file'], given],
        ros_arguments=['--log-level', LaunchConfiguration('log_level')],
        additional_env=_fastdds_profile(context.environment),
        respawn=read['respawn'],
        respawn_delay=read['respawn_delay'],
    )
    if read['respawn']:
        return [detector]
    on_exit = OnProcessExit(target_action=detector, on_exit=_fail_with_node)
    return [RegisterEventHandler(on_exit), detector]


def _read_arguments(context):
    """Read what launch itself takes as it is, and report everything that is wrong at once."""
    readers = {
        'params_file': _read_file,
        'respawn': _read_bool,
        'respawn_delay': _read_seconds,
        # Not by a type of launch: Humble's does not read 0 and 1.
        **dict.fromkeys(SWITCHES, lambda text: _read_bool(text) if text else None),
    }
    values, findings = {}, []
    for name, read in readers.items():
        text = LaunchConfiguration(name).perform(context)
        try:
            values[name] = read(text)
        except ValueError as error:
            findings.append(f"{name}: received '{text}'; expected {error}")
    if findings:
        raise RuntimeError('; '.join(findings))
    return values


def _read_bool(text):
    values = {'true': True, '1': True, 'false': False, '0': False}
    if text.lower() not in values:
        raise ValueError('true or false')
    return values[text.lower()]


def _read_seconds(text):
    try:
        return float(text)
    except ValueError as error:
        raise ValueError('seconds') from error


def _read_file(text):
    """Refuse a file that is not there; launch itself would only warn, and take defaults."""
    if not os.path.isfile(text):
        raise ValueError('a YAML file that is there')
    return text


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
