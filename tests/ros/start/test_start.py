"""How the node starts and ends: by `ros2 run`, by `ros2 launch`, by a lifecycle manager."""

from itertools import cycle
import json
import os
from pathlib import Path
import re
import shutil
import signal

import pytest

if shutil.which('ros2') is None:
    pytest.skip(
        'ROS 2 is not sourced (no rclpy or no ros2); run `make test`', allow_module_level=True
    )

from ament_index_python.packages import get_package_share_directory
from lifecycle_msgs.msg import Transition
from rclpy.qos import ReliabilityPolicy

from ssd_detector_ros.parameters.declarations import DECLARATIONS
from ssd_detector_ros.start.run import main
from tests.patience import patience_s
from tests.ros.made_images import compressed_image, plain_image
from tests.ros.processes import detector_command, outcome, running
from tests.ros.talking import peer

RUN = ['ros2', 'run', 'ssd_detector_ros', 'detector', '--ros-args']
# Up to Jazzy, and from Kilted on.
PROFILE_VARIABLES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')
# As on a robot: nobody has chosen a profile yet.
NO_PROFILE = {name: value for name, value in os.environ.items() if name not in PROFILE_VARIABLES}
LAUNCH = ['ros2', 'launch', 'ssd_detector_ros', 'detector.launch.py']
BRINGUP = ['ros2', 'launch', Path(__file__).with_name('bringup.launch.py')]
MANAGED = ['ros2', 'launch', Path(__file__).with_name('managed.launch.py')]


def damage(bundle, folder):
    """Copy a bundle and change one byte of its model."""
    copy = folder / 'damaged'
    shutil.copytree(bundle, copy)
    content = bytearray((copy / 'model.onnx').read_bytes())
    content[-1] ^= 1
    (copy / 'model.onnx').write_bytes(bytes(content))
    return copy


def test_run_with_a_missing_bundle_fails_in_words():
    code, output = outcome([*RUN, '-p', 'bundle:=/no/such/bundle'])
    assert code == 1
    assert '/no/such/bundle: no such bundle folder' in output
    assert 'Traceback' not in output


@pytest.fixture
def start(capfd):
    """Start in this process with arguments of ROS that it can not start with; give the output."""

    def start(*arguments):
        assert main(['--ros-args', *map(str, arguments)]) == 1
        return capfd.readouterr().err

    return start


def test_a_damaged_bundle_is_named_with_the_file_and_both_hashes(start, bundle, tmp_path):
    output = start('-p', f'bundle:={damage(bundle, tmp_path)}')
    manifest = json.loads((bundle / 'manifest.json').read_text())
    assert manifest['files']['model.onnx']['sha256'][:12] in output
    assert 'model.onnx: has sha256' in output


def test_everything_that_is_wrong_is_reported_at_once(start, bundle, tmp_path):
    params_file = tmp_path / 'params.yaml'
    params_file.write_text(
        '/**:\n  ros__parameters:\n    score_treshold: 0.5\n    nms_iou_threshold: 1.5\n'
        '    max_detections: many\n    class_id_format: number\n    class_thresholds: [cat]\n'
        '    image_topic: camera/compressed\n    drop_policy: all\n'
    )
    output = start('--params-file', params_file, '-p', f'bundle:={damage(bundle, tmp_path)}')
    for finding in (
        'score_treshold: unknown; did you mean score_threshold?',
        'nms_iou_threshold',
        'max_detections',
        "class_id_format: received 'number'",
        "class_thresholds: received 'cat'",
        'expected camera, with image_transport compressed',
        "drop_policy: received 'all'; expected one of newest, max_age, keep_all",
        'model.onnx: has sha256',
    ):
        assert finding in output


def test_a_parameter_file_that_is_no_yaml_is_one_error_without_traceback(start, tmp_path):
    params_file = tmp_path / 'params.yaml'
    params_file.write_text('/**: [')
    output = start('--params-file', params_file)
    assert str(params_file) in output
    assert 'Traceback' not in output


@pytest.fixture(scope='module')
def failed_bringup():
    """Launch the detector and, after it, another process of the robot; give code and output."""
    return outcome([*BRINGUP, 'bundle:=/no/such/bundle'], env=NO_PROFILE)


def test_launch_with_a_missing_bundle_ends_with_an_error(failed_bringup):
    code, output = failed_bringup
    assert code == 1
    assert '/no/such/bundle: no such bundle folder' in output


def test_launch_leaves_the_environment_of_other_processes_alone(failed_bringup):
    assert 'another process of the robot: nothing and nothing' in failed_bringup[1]


def test_launch_refuses_arguments_that_can_not_be_all_at_once():
    """Where there is no such file the real launch_ros would warn and start with defaults."""
    given = {
        'params_file': '/no/such.yaml',
        'respawn': 'perhaps',
        'respawn_delay': 'soon',
        'autostart': '2',
    }
    code, output = outcome([*LAUNCH, *(f'{name}:={value}' for name, value in given.items())])
    assert code == 1
    for name, expected in (
        ('params_file', 'a YAML file that is there'),
        ('respawn', 'true or false'),
        ('respawn_delay', 'seconds'),
        ('autostart', 'true or false'),
    ):
        assert f"{name}: received '{given[name]}'; expected {expected}" in output
    assert 'process started' not in output


@pytest.fixture(scope='module')
def shown_arguments():
    code, output = outcome([*LAUNCH, '--show-args'])
    assert code == 0
    return output


def test_launch_describes_its_arguments(shown_arguments):
    output = shown_arguments
    for name in ('bundle', 'params_file', 'image_topic', 'namespace', 'autostart', 'log_level'):
        assert f"'{name}'" in output
    assert 'no description' not in output


def test_a_launched_node_answers_in_its_namespace_on_the_topic_given(bundle, tmp_path):
    command = [*LAUNCH, f'bundle:={bundle.name}', 'namespace:=front/left', 'image_topic:=image']
    log = tmp_path / 'log'
    options = {'environment': NO_PROFILE, 'folder': bundle.parent}
    with running(command, log, **options) as process, peer('front/left') as one:
        one.wait_until_active()
        assert len(one.ask(plain_image(red=255)).detections) == 1
        assert profile_of_child(process.pid).endswith('params/fastdds_images.xml')
        # As a terminal does: launch hears it, and tells the node, which has heard it already.
        os.killpg(process.pid, signal.SIGINT)
        process.wait(patience_s())
    assert process.returncode == 0, log.read_text()
    assert 'finished cleanly' in log.read_text()


def test_launch_starts_several_cameras_and_starts_a_dead_node_again(bundle, tmp_path):
    """With transports that the user chose: a profile of ours would make them void."""
    command = [*LAUNCH, f'bundle:={bundle}', 'namespace:=test_several', 'respawn:=true']
    command += ['image_topics:=[left, right]', 'image_transport:=compressed', 'respawn_delay:=0.1']
    log = tmp_path / 'log'
    environment = NO_PROFILE | {'FASTDDS_BUILTIN_TRANSPORTS': 'LARGE_DATA'}
    with running(command, log, environment=environment) as process, peer('test_several') as one:
        for camera in ('left', 'right'):
            one.hear(f'{camera}/detections')
            one.establish(compressed_image(), topic=f'{camera}/compressed')
        (child,) = children_of(process.pid)
        assert profile_of_child(process.pid) is None
        os.kill(child, signal.SIGKILL)
        one.wait_for(lambda: set(children_of(process.pid)) - {child}, 'the respawned node')
        one.wait_for(lambda: log.read_text().count('waiting for images') == 2, 'it to be active')
    assert process.returncode == 0, log.read_text()


def test_lifecycle_events_of_a_launch_file_bring_the_detector_up(bundle, tmp_path):
    log = tmp_path / 'log'
    with running([*MANAGED, f'bundle:={bundle}'], log), peer('test_managed') as one:
        one.wait_until_active()
        one.wait_for(lambda: 'the robot may go' in log.read_text(), 'the event of activation')


def test_lifecycle_events_of_a_launch_file_tell_that_configure_failed():
    _, output = outcome([*MANAGED, 'bundle:=/no/such/bundle'])
    assert '/no/such/bundle: no such bundle folder' in output
    assert 'no detector' in output and 'finished cleanly' in output


def test_every_argument_of_the_launch_file_is_a_parameter_or_of_launch(shown_arguments):
    names = set(re.findall(r"'(\w+)':", shown_arguments))
    of_launch = {'params_file', 'namespace', 'log_level', 'respawn', 'respawn_delay'}
    assert names - of_launch <= set(DECLARATIONS) | {'use_sim_time'}


def test_the_parameters_of_the_jetson_are_known(tmp_path):
    share = Path(get_package_share_directory('ssd_detector_ros'))
    params_file = share / 'params' / 'detector_jetson.yaml'
    code, output = outcome([*RUN, '--params-file', params_file])
    if code == 0:
        pytest.skip('a TensorRT engine is there: the node runs')
    assert code == 1
    assert 'backend tensorrt: ' in output and 'ssd_detector.build_engine' in output
    assert 'unknown' not in output


def children_of(pid):
    return [int(word) for word in Path(f'/proc/{pid}/task/{pid}/children').read_text().split()]


def profile_of_child(pid):
    """Read the Fast DDS profile, or None, from the environment of what launch started."""
    content = Path(f'/proc/{children_of(pid)[0]}/environ').read_text()
    variables = dict(entry.split('=', 1) for entry in content.split('\0') if '=' in entry)
    return next((variables[name] for name in PROFILE_VARIABLES if name in variables), None)


@pytest.mark.parametrize('signals', [[signal.SIGINT], [signal.SIGTERM, signal.SIGINT]])
def test_a_signal_ends_a_busy_node_cleanly_whatever_signals_follow(bundle, tmp_path, signals):
    """One each 20 ms: from launch and a terminal, or systemd and launch, come at least two."""
    log = tmp_path / 'log'
    namespace = f'test_{signals[0].name.lower()}'
    endless = cycle(signals)
    with running(detector_command(namespace, bundle=bundle), log) as process:
        with peer(namespace) as one:
            one.wait_until_active()

            def has_ended():
                process.send_signal(next(endless))
                return one.send(plain_image()) and process.poll() is not None

            one.wait_for(has_ended, 'the end')
    assert process.returncode == 0, log.read_text()
    assert 'Traceback' not in log.read_text()


def test_without_autostart_a_manager_configures_and_activates(bundle, tmp_path):
    command = detector_command('test_manager', bundle=bundle, autostart='false')
    with running(command, tmp_path / 'log'), peer('test_manager') as one:
        assert one.state() == 'unconfigured'
        assert one.change_state(Transition.TRANSITION_CONFIGURE)
        assert one.state() == 'inactive'
        assert one.change_state(Transition.TRANSITION_ACTIVATE)
        one.wait_until_active()
        assert one.ask(plain_image()).detections == []


def test_paused_simulation_time_holds_nothing_up(bundle, tmp_path):
    command = detector_command('test_sim_time', bundle=bundle, use_sim_time='true')
    with running(command, tmp_path / 'log'), peer('test_sim_time') as one:
        one.wait_until_active()
        assert one.diagnosis('speed', lambda status: 'has come on /clock' in status.message)
        assert one.ask(plain_image()).detections == []
        one.wait_for(lambda: one.latest_statistics().frames_processed, 'the frame to be counted')


def test_qos_of_the_images_can_be_overridden(bundle, tmp_path):
    policy = 'qos_overrides./test_qos/image.subscription.reliability'
    command = detector_command('test_qos', bundle=bundle, **{policy: 'reliable'})
    with running(command, tmp_path / 'log'), peer('test_qos') as one:
        one.wait_until_active()
        (info,) = one.node.get_subscriptions_info_by_topic('/test_qos/image')
        assert info.qos_profile.reliability == ReliabilityPolicy.RELIABLE
