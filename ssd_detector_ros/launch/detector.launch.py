"""Start the detector; it configures and activates itself unless autostart is false."""

from launch.actions import DeclareLaunchArgument, OpaqueFunction, RegisterEventHandler
from launch.event_handlers import OnProcessExit
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import LifecycleNode
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from launch import LaunchDescription

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
        arguments=['--ros-args', '--log-level', LaunchConfiguration('log_level')],
    )
    on_exit = OnProcessExit(target_action=detector, on_exit=_fail_with_node)
    return [detector, RegisterEventHandler(on_exit)]


def _fail_with_node(event, context):
    """Let `ros2 launch` exit non-zero when the node did; launch itself would report success."""
    if event.returncode != 0:
        raise RuntimeError(f'the detector ended with exit code {event.returncode}')
