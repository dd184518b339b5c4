"""evaluate_bag offline: figures that are known, the same bytes again, and words for errors."""

from collections.abc import Sequence
import json
from pathlib import Path
import subprocess
import sys
from xml.etree import ElementTree

import numpy as np
import pytest

from ssd_detector_ros.bag_evaluation.making.bag_writing import BagWriter, Box, Stamp
from ssd_detector_ros.bag_evaluation.making.making import Layout, make_recording
from ssd_detector_ros.bag_evaluation.reading.message_types import IMAGE
from ssd_detector_ros.evaluate_bag import main
from tests.bags.scenery import colored_scene, write_colored
from tests.tiny_bundle import write_tiny_bundle


@pytest.fixture(scope='module')
def bundle(tmp_path_factory):
    return write_tiny_bundle(tmp_path_factory.mktemp('bundles') / 'tiny')


@pytest.fixture(scope='module')
def colored(tmp_path_factory):
    return write_colored(tmp_path_factory.mktemp('bags') / 'colored')


def evaluate(bags: Sequence[Path] | Path, bundle: Path, *options: object) -> int:
    paths = [bags] if isinstance(bags, Path) else bags
    return main([*map(str, paths), '--bundle', str(bundle), *map(str, options)])


def result_of(bags, bundle, folder, *options):
    assert evaluate(bags, bundle, '--output', folder, *options) == 0
    return json.loads((folder / 'result.json').read_text())


def test_a_detector_that_is_always_right_has_an_map_of_1(colored, bundle, tmp_path):
    result = result_of(colored, bundle, tmp_path)

    assert result['mean_ap'] == result['mean_ap_answered'] == pytest.approx(1)
    assert (result['frames'], result['frames_scored']) == (6, 6)
    assert result['counts'] == {}


def test_two_runs_write_the_same_result_to_the_byte(colored, bundle, tmp_path):
    contents = []
    for name in ('first', 'second'):
        result_of(colored, bundle, tmp_path / name)
        contents.append((tmp_path / name / 'result.json').read_bytes())

    assert contents[0] == contents[1]
    assert b'wall_s": 0.0' in contents[0]


def test_times_stand_apart_with_the_streaming_score_that_they_give(colored, bundle, tmp_path):
    assert result_of(colored, bundle, tmp_path)['streaming'] is None
    times = json.loads((tmp_path / 'times.json').read_text())

    assert set(times['stage_ms']) == {'decode', 'preprocess', 'infer', 'postprocess'}
    assert times['streaming']['num_misses'] == 1


def test_a_given_runtime_belongs_to_the_result(colored, bundle, tmp_path):
    result = result_of(colored, bundle, tmp_path, '--simulate_runtime_ms', 250)

    # At 10 Hz frames 0, 2 and 5 are taken; they are there at 0.25, 0.5 and 0.75 s.
    assert result['streaming']['num_misses'] == 3
    assert '250.00 ms in the mean' in result['streaming']['times']


def test_the_page_stands_alone_and_has_the_sections_of_a_recording(colored, bundle, tmp_path):
    result_of(colored, bundle, tmp_path)
    page = (tmp_path / 'report.html').read_text()

    for text in ('What a robot gets', 'Latency', 'frames a second', 'Precision against recall'):
        assert text in page
    assert 'src="http' not in page and 'href="http' not in page


def test_difficult_objects_are_neither_hit_nor_miss(bundle, tmp_path):
    scenes = [colored_scene(0), colored_scene(1, difficult=True)]
    make_recording(scenes, tmp_path / 'bag', Layout())

    data = result_of(tmp_path / 'bag', bundle, tmp_path)['accuracy']['origin']['data']

    assert (data['num_objects'], data['num_difficult']) == (1, 1)


def test_several_recordings_are_scored_together(colored, bundle, tmp_path):
    other = write_colored(tmp_path / 'other', (0, 1), Layout(transport='png'))

    result = result_of([colored, other], bundle, tmp_path)

    assert result['frames_scored'] == 8
    assert [recording['name'] for recording in result['recordings']] == ['colored', 'other']
    page = (tmp_path / 'report.html').read_text()
    assert page.count('aria-label="frames a second over time"') == 2


def test_a_recording_without_ground_truth_is_timed_and_says_so(bundle, tmp_path, capsys):
    path = write_colored(tmp_path / 'bag', boxes=False)

    result = result_of(path, bundle, tmp_path)

    assert (result['mean_ap'], result['accuracy']) == (None, None)
    assert 'no ground truth: nothing to score' in capsys.readouterr().out
    assert 'without ground truth' in (tmp_path / 'report.html').read_text()


@pytest.mark.parametrize(
    ('options', 'code'),
    [
        (['--min_map', 0.9], 0),
        (['--min_sap', 0.9, '--simulate_runtime_ms', 10], 1),
        (['--max_latency_ms', 1e-6], 1),
        (['--max_latency_ms', 1e6], 0),
        (['--max_drop_rate', 0], 0),
    ],
)
def test_a_missed_gate_is_exit_code_1_and_a_failure_of_junit(
    options, code, colored, bundle, tmp_path, capsys
):
    assert evaluate(colored, bundle, '--output', tmp_path, *options) == code

    suite = ElementTree.parse(tmp_path / 'junit.xml').getroot()
    assert suite.get('failures') == str(code)
    assert ('FAIL' in capsys.readouterr().out) == bool(code)


def write_odd(path, stamps_ns, truth_stamps_ns, *, class_id='red', encoding='rgb8'):
    """Write red images and their ground truth at any stamps, recorded one a second."""
    scene = colored_scene(0)
    box = tuple(scene.objects.boxes_xyxy[0].tolist())
    with BagWriter(path) as writer:
        for index, stamp_ns in enumerate(stamps_ns):
            message = writer.types.types[IMAGE](
                header=writer.header(Stamp(stamp_ns)),
                height=48,
                width=64,
                encoding=encoding,
                is_bigendian=0,
                step=3 * 64,
                data=scene.load().reshape(-1),
            )
            writer.write('/image', IMAGE, index * 10**9, message)
        for stamp_ns in truth_stamps_ns:
            boxes = [Box(class_id, 1, box)]
            writer.write_boxes('/ground_truth', boxes, Stamp(stamp_ns), time_ns=10**9)
    return path


def test_stamps_within_the_tolerance_match_and_others_are_counted_on_both_sides(bundle, tmp_path):
    path = write_odd(
        tmp_path / 'bag', [10**9, 2 * 10**9, 3 * 10**9], [10**9 + 900_000, 2 * 10**9 + 2_000_000]
    )

    result = result_of(path, bundle, tmp_path / 'strict')
    assert result['frames_scored'] == 1
    assert result['counts'] == {
        'frames without ground truth': 2,
        'ground truths without a frame': 1,
    }
    result = result_of(path, bundle, tmp_path / 'wide', '--stamp_tolerance_ms', 3)
    assert result['frames_scored'] == 2


def test_doubled_stamps_and_stamps_of_0_are_counted(bundle, tmp_path, capsys):
    path = write_odd(tmp_path / 'bag', [0, 0, 0, 10**9, 10**9], [10**9])

    counts = result_of(path, bundle, tmp_path)['counts']

    assert counts['images left out: stamp 0, again'] == 2
    assert counts['images left out: a stamp that was there before'] == 1


def test_stamps_that_go_back_are_put_in_order_and_told(bundle, tmp_path, capsys):
    path = write_odd(tmp_path / 'bag', [3 * 10**9, 10**9, 2 * 10**9], [10**9])

    result = result_of(path, bundle, tmp_path, '--simulate_runtime_ms', 1)

    assert '2 stamps go back in time' in capsys.readouterr().out
    assert result['streaming']['num_frames'] == 1


def test_an_encoding_that_is_not_supported_is_counted_with_its_reason(bundle, tmp_path, capsys):
    path = write_odd(tmp_path / 'bag', [10**9], [10**9], encoding='plasma7')

    assert evaluate(path, bundle) == 1
    assert "received 'plasma7'; expected one of rgb8" in capsys.readouterr().err


def test_images_that_change_their_size_are_told(bundle, tmp_path):
    scenes = [colored_scene(0), colored_scene(0, size_wh=(80, 60))]
    make_recording(scenes, tmp_path / 'bag', Layout())

    result = result_of(tmp_path / 'bag', bundle, tmp_path)

    assert '1 times, first from 64x48 to 80x60 px' in result['notes'][0]
    assert result['mean_ap'] == pytest.approx(1)


def test_ground_truth_of_other_classes_is_refused_with_both_lists(bundle, tmp_path, capsys):
    path = write_odd(tmp_path / 'bag', [10**9], [10**9], class_id='zebra')

    assert evaluate(path, bundle) == 1
    error = capsys.readouterr().err
    assert (
        'none of its classes (zebra) is one of those that are scored (red, green, blue)' in error
    )


@pytest.mark.parametrize(
    ('options', 'expected'),
    [
        (['--image_topic', '/camera/image_ray'], 'did you mean /camera/image_raw?'),
        (['--ground_truth', '/camera/image_raw'], 'is of type sensor_msgs/msg/Image; expected'),
        (['--simulate_runtime_ms', 'none'], 'expected ms above 0'),
        (['--backend', 'abacus'], 'abacus'),
    ],
)
def test_options_that_can_not_be_are_refused_in_words(options, expected, colored, bundle, capsys):
    assert evaluate(colored, bundle, *options) in (1, 2)
    assert expected in capsys.readouterr().err


def test_topics_are_listed_with_their_counts(colored, capsys):
    assert main([str(colored), '--list_topics']) == 0
    assert '       6  /camera/image_raw  sensor_msgs/msg/Image' in capsys.readouterr().out


def test_a_recording_that_was_cut_off_is_scored_as_far_as_it_goes(bundle, tmp_path, capsys):
    path = write_colored(tmp_path / 'bag', np.arange(60) % 3)
    (file,) = path.glob('*.mcap')
    content = file.read_bytes()
    (tmp_path / 'cut.mcap').write_bytes(content[: len(content) // 2])

    result = result_of(tmp_path / 'cut.mcap', bundle, tmp_path / 'out')

    assert 10 < result['frames'] < 60
    assert 'the recording was cut off' in result['notes'][0]


def test_a_reader_who_has_enough_is_no_error(colored, bundle):
    command = [sys.executable, '-m', 'ssd_detector_ros.evaluate_bag', str(colored)]
    process = subprocess.Popen(
        [*command, '--bundle', str(bundle)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    error = process.stderr.read()
    process.stderr.close()

    assert (process.wait(), error) == (0, b'')


def test_a_machine_without_rosbags_is_told_what_to_install(colored, monkeypatch, capsys):
    monkeypatch.setattr('ssd_detector_ros.bag_evaluation.commands.find_spec', lambda name: None)

    assert main([str(colored)]) == 2
    assert 'pip install "rosbags>=0.11"' in capsys.readouterr().err
