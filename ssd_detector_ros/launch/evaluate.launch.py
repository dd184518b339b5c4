"""
Play a recording through DDS into the detector, and score what it answers.

    ros2 launch ssd_detector_ros evaluate.launch.py bag:=BAG output:=DIR

ros2 launch exits with an error when a gate is missed or the recording can't be used. Everything
else that evaluate_bag takes goes into `arguments`.
"""

import shlex

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, EmitEvent, OpaqueFunction, RegisterEventHandler
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

ARGUMENTS = (
    ('bag', None, 'folder of the recording, or a file'),
    ('output', 'evaluation', 'folder of the results'),
    ('mode', 'replay', 'replay, offline or score'),
    ('bundle', '', 'folder of the bundle; empty: the released one'),
    ('image_topic', '', 'topic of the images; empty: the only one'),
    ('ground_truth', '', 'topic of what was annotated; empty: one named ground_truth'),
    ('rate', '1.0', 'factor of the speed of the replay'),
    ('arguments', '', 'more arguments of evaluate_bag, such as "--min_map 0.7 --loops 2"'),
)
OPTIONS = ('bundle', 'image_topic', 'ground_truth')


def generate_launch_description() -> LaunchDescription:
    """Declare the arguments and start the evaluation."""
    declarations = [
        DeclareLaunchArgument(
            name,
            description=description,
            **({} if default is None else {'default_value': default}),
        )
        for name, default, description in ARGUMENTS
    ]
    return LaunchDescription([*declarations, OpaqueFunction(function=_start)])


def _start(context):
    """Start evaluate_bag with the arguments that were given, and end with it."""
    read = {name: LaunchConfiguration(name).perform(context) for name, _, _ in ARGUMENTS}
    arguments = [read['bag'], '--mode', read['mode'], '--output', read['output']]
    for name in OPTIONS:
        if read[name]:
            arguments += [f'--{name}', read[name]]
    if read['mode'] == 'replay':
        arguments += ['--rate', read['rate']]
    evaluation = Node(
        package='ssd_detector_ros',
        executable='evaluate_bag',
        output='screen',
        arguments=[*arguments, *shlex.split(read['arguments'])],
    )
    on_exit = OnProcessExit(target_action=evaluation, on_exit=_end)
    return [RegisterEventHandler(on_exit), evaluation]


def _end(event, context):
    """Let `ros2 launch` exit non-zero when the evaluation did; launch would report success."""
    if event.returncode != 0 and not context.is_shutdown:
        raise RuntimeError(f'evaluate_bag ended with exit code {event.returncode}')
    return [EmitEvent(event=Shutdown(reason='the evaluation is done'))]
