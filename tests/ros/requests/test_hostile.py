"""What anybody on the network may ask for: refused in words, while frames are answered."""

import os
from pathlib import Path
import signal
import time
from xml.etree import ElementTree

from lifecycle_msgs.msg import Transition
import pytest
from rclpy.qos import QoSProfile

from ssd_msgs.srv import LoadModel, Snapshot
from tests.hostile_bundles import (
    expanding_model,
    replace_file,
    slow_model,
    write_hostile_bundle,
)
from tests.patience import patience_s
from tests.ros.made_images import plain_image
from tests.ros.processes import detector_command, running
from tests.ros.talking import peer
from tests.tiny_bundle import write_tiny_bundle

POLICY = Path(__file__).parents[3] / 'ssd_detector_ros/params/sros2_policy.xml'
NAMESPACE = 'test_hostile'
# Of the process that tries a bundle.
TIMEOUT_OF_LOAD_S, MEMORY_MB = 8.0, 512


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('hostile')


@pytest.fixture(scope='module')
def node(folder):
    """Run a node whose roots are what its start says without parameters of their own."""
    bundle = write_tiny_bundle(folder / 'bundles/good')
    command = detector_command(
        NAMESPACE,
        bundle=bundle,
        bundle_root="''",
        snapshot_root="''",
        snapshot_folder=folder / 'snapshots',
        max_snapshots_mb=1,
        load_timeout_s=TIMEOUT_OF_LOAD_S,
        load_memory_mb=MEMORY_MB,
    )
    with running(command, folder / 'log') as process, peer(NAMESPACE) as one:
        one.wait_until_active()
        one.process = process
        yield one
        assert process.poll() is None
    assert 'Traceback' not in (folder / 'log').read_text()


def write_model(folder, content):
    bundle = write_tiny_bundle(folder)
    replace_file(bundle, 'model.onnx', content)
    return bundle


def resident_mb(process):
    pages = int(Path(f'/proc/{process.pid}/statm').read_text().split()[1])
    return pages * os.sysconf('SC_PAGE_SIZE') / 2**20


def load(node, bundle):
    return node.call_later('load_model', LoadModel.Request(bundle=str(bundle)))


@pytest.mark.parametrize(
    ('name', 'write', 'words'),
    [
        ('pipe', lambda path: write_hostile_bundle(path, 'manifest.json is a pipe'), 'is a pipe'),
        ('secret', lambda path: write_hostile_bundle(path, 'a link to a secret'), 'leads out of'),
        ('large', lambda path: write_model(path, expanding_model()), '512 MB (load_memory_mb)'),
        ('slow', lambda path: write_model(path, slow_model()), 'did not end within 8 s'),
    ],
)
def test_frames_are_answered_while_a_bundle_of_a_stranger_is_tried(
    node, folder, name, write, words
):
    bundle = write(folder / f'bundles/{name}')
    before_mb = resident_mb(node.process)
    future = load(node, bundle)
    num_answers = 0
    while not future.done() and num_answers < 10_000:
        assert len(node.ask(plain_image(red=255)).detections) == 1
        num_answers += 1
    assert not future.result().success
    assert words in future.result().message
    assert 'hunter2' not in future.result().message
    assert resident_mb(node.process) - before_mb < 100


def test_a_bundle_that_came_to_nothing_does_not_refuse_the_next_one(node, folder):
    good = write_tiny_bundle(folder / 'bundles/next')
    answer = node.call('load_model', LoadModel.Request(bundle=str(good)))
    assert answer.success, answer.message
    assert node.get_parameter('bundle').string_value == str(good)


def test_a_bundle_elsewhere_is_refused_also_behind_a_link(node, folder):
    elsewhere = write_tiny_bundle(folder / 'elsewhere')
    link = folder / 'bundles/link'
    link.symlink_to(elsewhere)
    for path in (elsewhere, link, folder / 'bundles/../elsewhere'):
        answer = node.call('load_model', LoadModel.Request(bundle=str(path)))
        assert not answer.success
        assert f'is not below {folder}/bundles' in answer.message
        assert 'start the node with another bundle_root' in answer.message


def test_what_bounds_requests_can_not_be_set_by_one(node):
    for name, value in (
        ('bundle_root', '/'),
        ('snapshot_root', '/'),
        ('max_snapshots_mb', 10**6),
        ('load_timeout_s', 3600.0),
        ('load_memory_mb', 10**6),
        ('max_image_pixels', 2**30),
    ):
        result = node.set_parameter(name, value)
        assert not result.successful and 'read-only' in result.reason


def test_snapshots_stay_below_their_root(node, folder):
    node.ask(plain_image())
    assert node.call('snapshot', Snapshot.Request(folder=f'{folder}/snapshots/new')).success
    for path in (folder / 'other', folder / 'snapshots/../other', '/etc'):
        answer = node.call('snapshot', Snapshot.Request(folder=str(path)))
        assert not answer.success and 'is not below' in answer.message
    result = node.set_parameter('snapshot_folder', str(folder / 'other'))
    assert not result.successful and 'is not below' in result.reason
    assert not (folder / 'other').exists()


def test_snapshots_take_no_more_than_they_may(node):
    message = plain_image(size_wh=(800, 600), red=255)
    message.data = os.urandom(len(message.data))
    node.ask(message)
    for _ in range(4):
        answer = node.call('snapshot', Snapshot.Request())
    assert not answer.success
    assert 'max_snapshots_mb' in answer.message


@pytest.mark.parametrize(
    ('name', 'value', 'words'),
    [
        ('ignore_polygons', [' '.join(['0.1,0.1'] * 10**5)], 'at most 256 corners'),
        ('ignore_polygons', [' '.join(['0.1,0.1'] * 257)], 'at most 256'),
        ('ignore_polygons', ['0,0 1,0 1,1'] * 33, 'received 33; expected at most 32'),
        ('class_thresholds', ['red=0.5'] * 10_001, 'received 10001 labels'),
        ('allowed_classes', ['red'] * 10_001, 'received 10001 labels'),
        ('snapshot_folder', 'x' * 10**5, 'expected at most 4096'),
        ('class_id_format', 'x' * 10**5, 'expected one of label, index'),
    ],
)
def test_a_parameter_beyond_any_use_is_refused_in_few_words(node, name, value, words):
    result = node.set_parameter(name, value)
    assert not result.successful
    assert words in result.reason and len(result.reason) < 1000
    assert len(node.ask(plain_image(red=255)).detections) == 1


def test_a_thousand_requests_at_once_are_all_answered(node):
    node.ask(plain_image())
    requests = {
        'load_model': (LoadModel, LoadModel.Request(bundle='/no/such')),
        'snapshot': (Snapshot, Snapshot.Request()),
    }
    futures = []
    for name, (kind, request) in requests.items():
        # The default of 10 would lose answers on this side.
        client = node.node.create_client(
            kind, f'{node.detector}/{name}', qos_profile=QoSProfile(depth=1000)
        )
        node.wait_for(client.service_is_ready, name)
        futures += [client.call_async(request) for _ in range(500)]
    node.wait_for(lambda: all(future.done() for future in futures), 'a thousand answers')
    assert len(node.ask(plain_image(red=255)).detections) == 1


# Where the distribution has it, or where parameters ask for it.
OPTIONAL = {'annotations', 'get_type_description', '/image/compressed', '/clock'}


def test_the_policy_of_sros_2_lists_what_the_node_does_and_no_more(node):
    root = ElementTree.parse(POLICY).getroot()
    profile = root.find("enclaves/enclave[@path='/ssd_detector']/profiles/profile")
    listed = {
        way: {
            expression.text.removeprefix('/ssd_detector/')
            for group in profile
            if group.get(way) == 'ALLOW'
            for expression in group
        }
        for way in ('subscribe', 'publish', 'reply')
    }
    where = ('ssd_detector', f'/{NAMESPACE}')
    done = {
        'subscribe': node.node.get_subscriber_names_and_types_by_node(*where),
        'publish': node.node.get_publisher_names_and_types_by_node(*where),
        'reply': node.node.get_service_names_and_types_by_node(*where),
    }
    for way, entries in done.items():
        own = [name.removeprefix(f'/{NAMESPACE}') for name, _ in entries]
        names = {name.removeprefix('/ssd_detector/') for name in own}
        assert names <= listed[way]
        assert listed[way] - names <= OPTIONAL


# Slow: both go the same way, which other tests hold for both.
@pytest.mark.parametrize(
    'number', [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_the_first_signal_ends_a_node_that_loads_for_ever(number, tmp_path):
    namespace = f'test_endless_{number.name.lower()}'
    bundle = write_model(tmp_path / 'slow', slow_model(10**6))
    log = tmp_path / 'log'
    with running(detector_command(namespace, bundle=bundle), log) as process:
        with peer(namespace, is_reader=False) as one:
            # Its services are there before the bundle is loaded.
            one.wait_for(
                lambda: one.node.count_services(f'/{namespace}/ssd_detector/snapshot'), 'it'
            )
        assert_ends(process, number)
    assert 'Traceback' not in log.read_text()


def test_the_first_signal_ends_a_node_whose_request_loads_for_ever(bundle, tmp_path):
    namespace = 'test_endless_request'
    slow = write_model(tmp_path / 'slow', slow_model(10**6))
    command = detector_command(namespace, bundle=bundle, load_timeout_s=600.0)
    with running(command, tmp_path / 'log') as process, peer(namespace) as one:
        one.wait_until_active()
        load(one, slow)
        one.wait_for(lambda: children(process), 'the process that tries it')
        assert one.change_state(Transition.TRANSITION_DEACTIVATE)
        tried = children(process)
        assert_ends(process, signal.SIGTERM)
        one.wait_for(lambda: not any(map(is_alive, tried)), 'the end of that process')


def children(process):
    """Look for the processes whose parent it is."""
    pids = [int(path.name) for path in Path('/proc').glob('[0-9]*')]
    return [pid for pid in pids if parent_of(pid) == process.pid]


def parent_of(pid):
    try:
        return int(Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return None


def is_alive(pid):
    try:
        return Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0] != 'Z'
    except (FileNotFoundError, ProcessLookupError):
        return False


def assert_ends(process, number):
    """Interrupt it: two seconds, and as many times as long as the machine is busy."""
    sent_s = time.monotonic()
    process.send_signal(number)
    process.wait(patience_s())
    assert time.monotonic() - sent_s < patience_s(2.0)
    assert process.returncode == 0
