"""Includes detector.launch.py, and starts another process after it, as a robot does."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, ExecuteProcess, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.substitutions import FindPackageShare

TELL = (
    'echo another process of the robot: ${FASTRTPS_DEFAULT_PROFILES_FILE-nothing} and '
    '${FASTDDS_DEFAULT_PROFILES_FILE-nothing}'
)


def generate_launch_description():
    """Start both."""
    path = PathJoinSubstitution(
        [FindPackageShare('ssd_detector_ros'), 'launch', 'detector.launch.py']
    )
    detector = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(path),
        launch_arguments={'bundle': LaunchConfiguration('bundle')}.items(),
    )
    other = ExecuteProcess(cmd=['bash', '-c', TELL], output='screen')
    return LaunchDescription([DeclareLaunchArgument('bundle'), detector, other])
