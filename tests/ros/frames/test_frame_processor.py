"""What becomes of frames, with a detector, publishers and clocks of the test."""

from collections import defaultdict

from builtin_interfaces.msg import Time
import numpy as np
import pytest
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from ssd_detector import BackendError, Detections, ImageError, Regions
from ssd_detector_ros.cameras.camera import Camera
from ssd_detector_ros.cameras.camera_names import CameraName
from ssd_detector_ros.frames.frame_processor import Arrival, FrameProcessor
from ssd_detector_ros.model.operation import Operation
from ssd_detector_ros.parameters.settings import Settings
from ssd_detector_ros.timing.rate_limit import RateLimit
from ssd_detector_ros.timing.statistics import Statistics

# How old every stamp is by the clock of the node.
AGE_MS = 50.0


class FakeOutputs:
    def __init__(self):
        self.detections, self.candidates, self.pictures = [], [], []
        self.wants_candidates = False

    def publish_detections(self, detections, header, class_id_format):
        self.detections.append((detections, header.stamp.sec, class_id_format))

    def candidates_are_read(self):
        return self.wants_candidates

    def publish_candidates(self, candidates, header, class_id_format):
        self.candidates.append(candidates)

    def publish_pictures(self, image_rgb, detections, header):
        self.pictures.append((image_rgb.shape, detections, header.stamp.sec))


class FakeDetector:
    """Takes 1 s for each stage of a frame; says under which name and thresholds it was asked."""

    def __init__(self, clock, name='detector', *, fails_in=None, error=None):
        self._clock, self._name = clock, name
        self._fails_in, self._error = fails_in, error
        self.seen, self.chosen = [], []

    def _work(self, stage):
        self._clock.now_s += 1
        if stage == self._fails_in:
            raise self._error

    def preprocess(self, image_rgb):
        self._work('preprocess')
        self.seen.append(image_rgb.shape)
        return np.zeros((1, 4, 4, 3), np.float32)

    def infer_batch(self, input_images):
        self._work('infer')
        return [('boxes', 'scores') for _ in input_images]

    def postprocess(self, boxes, scores, size_wh, *, thresholds, regions):
        self._work('postprocess')
        self.chosen.append((size_wh, regions))
        return Detections(
            np.zeros((1, 4), np.float32),
            np.array([thresholds.score_threshold], np.float32),
            np.ones(1, np.int64),
            [self._name],
        )


class Clock:
    now_s = 100.0

    def __call__(self):
        return self.now_s


class Bench:
    """A processor with one camera or several."""

    def __init__(self, num_cameras=1, *, has_age_limit=False):
        self.clock, self.statistics, self.logged = Clock(), Statistics(num_cameras), []
        self.operations = [Operation(FakeDetector(self.clock), Settings())]
        self.num_asked = 0
        self.conversion_error = None
        self.cameras = [
            Camera(index, CameraName('i', f'/{index}', 'o', '/o', '~'), FakeOutputs())
            for index in range(num_cameras)
        ]
        self.processor = FrameProcessor(
            self._operation,
            self._convert,
            statistics=self.statistics,
            age_ms=lambda stamp_ns: AGE_MS if stamp_ns else 1e12,
            log_error=self.logged.append,
            has_age_limit=has_age_limit,
            clock=self.clock,
        )

    def _operation(self):
        self.num_asked += 1
        return self.operations[min(self.num_asked, len(self.operations)) - 1]

    def _convert(self, message, scale):
        if self.conversion_error:
            raise self.conversion_error
        return np.zeros((6, 8, 3), np.uint8)

    def arrival(self, camera_index=0, *, sec=7, age_ms=AGE_MS):
        message = Image(header=Header(stamp=Time(sec=sec)))
        camera = self.cameras[camera_index]
        return Arrival(message, camera, age_ms if sec else None, self.clock.now_s)

    def process(self, *arrivals):
        self.processor.process(arrivals)
        return self.statistics.end_period()


def test_a_frame_is_answered_with_its_header_and_the_thresholds_that_apply():
    bench = Bench()
    report = bench.process(bench.arrival(sec=9))
    ((detections, sec, class_id_format),) = bench.cameras[0].outputs.detections
    assert (sec, class_id_format) == (9, 'label')
    assert detections.scores[0] == pytest.approx(Settings().thresholds.score_threshold)
    assert (report.num_processed, report.drops) == (1, {})


def test_a_frame_meets_one_operation_from_its_first_stage_to_its_last():
    bench = Bench()
    bench.cameras[0].outputs.wants_candidates = True
    bench.operations = [
        Operation(FakeDetector(bench.clock, name), Settings()) for name in ('old', 'new')
    ]
    bench.process(bench.arrival())
    ((detections, _, _),) = bench.cameras[0].outputs.detections
    (candidates,) = bench.cameras[0].outputs.candidates
    assert (detections.labels, candidates.labels, bench.num_asked) == (['old'], ['old'], 1)


def test_the_next_frame_meets_the_operation_of_then():
    bench = Bench()
    bench.operations = [
        Operation(FakeDetector(bench.clock, name), Settings()) for name in ('old', 'new')
    ]
    for _ in range(2):
        bench.process(bench.arrival())
    labels = [found.labels[0] for found, _, _ in bench.cameras[0].outputs.detections]
    assert labels == ['old', 'new']


def test_candidates_have_a_threshold_of_their_own_and_cost_nothing_unread():
    bench = Bench()
    bench.process(bench.arrival())
    assert bench.cameras[0].outputs.candidates == []
    bench.cameras[0].outputs.wants_candidates = True
    bench.process(bench.arrival())
    (candidates,) = bench.cameras[0].outputs.candidates
    assert candidates.scores[0] == pytest.approx(Settings().candidate_score_threshold)


@pytest.mark.parametrize(
    ('sec', 'age_on_arrival_ms', 'max_age_ms', 'expected'),
    [
        (7, AGE_MS, AGE_MS, ({}, 0, None)),
        (7, 0.0, 40.0, ({'too_old': 1}, 0, 0.0)),
        (7, 40.0, 40.0, ({'too_old': 1}, 0, 40.0)),
        (7, AGE_MS, 40.0, ({'too_old': 1}, 1, AGE_MS)),
        (0, None, 40.0, ({}, 0, None)),
    ],
    ids=['young', 'grew old while it waited', 'came just in time', 'came old', 'without a stamp'],
)
def test_max_age_drops_by_the_age_against_the_stamp(sec, age_on_arrival_ms, max_age_ms, expected):
    bench = Bench(has_age_limit=True)
    settings = Settings(max_age_ms=max_age_ms)
    bench.operations = [Operation(FakeDetector(bench.clock), settings)]
    report = bench.process(bench.arrival(sec=sec, age_ms=age_on_arrival_ms))
    assert (report.drops, report.num_late_arrivals, report.too_old_ms) == expected
    assert report.num_processed == 1 - sum(report.drops.values())


def test_without_an_age_limit_no_frame_is_too_old():
    bench = Bench()
    bench.operations = [Operation(FakeDetector(bench.clock), Settings(max_age_ms=0.0))]
    assert bench.process(bench.arrival()).drops == {}


def test_a_frame_without_a_stamp_counts_in_latencies_and_not_in_ages():
    bench = Bench()
    report = bench.process(bench.arrival(sec=0), bench.arrival(sec=5))
    assert report.ages_ms['publish'] == pytest.approx([AGE_MS] * 3)
    assert report.num_processed == 2
    assert Bench().process(Bench().arrival(sec=0)).ages_ms == {}


@pytest.mark.parametrize(
    ('stage', 'error', 'reason'),
    [
        ('preprocess', ImageError('size: wrong'), 'bad_image'),
        ('infer', BackendError('backend: broken'), 'backend_error'),
        ('postprocess', BackendError('scores: NaN'), 'backend_error'),
    ],
)
def test_a_drop_is_counted_for_its_reason_logged_and_kept_for_the_diagnostics(
    stage, error, reason
):
    bench = Bench()
    detector = FakeDetector(bench.clock, fails_in=stage, error=error)
    bench.operations = [Operation(detector, Settings())]
    report = bench.process(bench.arrival())
    assert (report.drops, report.num_processed) == ({reason: 1}, 0)
    assert bench.logged == [f'/0: frame dropped ({reason}, 1 so far): {error}']
    assert bench.cameras[0].last_error[0] == str(error)
    assert bench.cameras[0].outputs.detections == []


def test_a_frame_that_can_not_be_converted_is_a_bad_image_and_the_others_are_answered():
    bench = Bench(2)
    bench.conversion_error = ImageError('encoding: unknown')
    bad = bench.arrival(0)
    assert bench.process(bad).drops == {'bad_image': 1}
    bench.conversion_error = None
    assert bench.process(bench.arrival(1)).processed_by_camera == (0, 1)


def test_each_kind_of_fault_is_logged_once_in_a_while_and_every_drop_is_counted():
    bench = Bench()
    bench.cameras[0].log_limits = defaultdict(lambda: RateLimit(lambda: 0.0))
    for fault in ('encoding: one', 'encoding: another', 'size: wrong'):
        bench.conversion_error = ImageError(fault)
        bench.processor.process([bench.arrival()])
    assert [line.rpartition('far): ')[2] for line in bench.logged] == [
        'encoding: one',
        'size: wrong',
    ]
    assert bench.statistics.end_period().drops == {'bad_image': 3}


def test_the_model_sees_the_region_and_boxes_are_chosen_for_the_whole_image():
    bench = Bench()
    regions = Regions(region_of_interest=(0.5, 0.0, 1.0, 0.5))
    detector = FakeDetector(bench.clock)
    bench.operations = [Operation(detector, Settings(regions=regions))]
    bench.process(bench.arrival())
    assert detector.seen == [(3, 4, 3)]
    assert detector.chosen == [((8, 6), regions)]


def test_pictures_show_the_image_and_what_was_found_in_it():
    bench = Bench()
    bench.process(bench.arrival(sec=9))
    outputs = bench.cameras[0].outputs
    ((detections, _, _),) = outputs.detections
    assert outputs.pictures == [((6, 8, 3), detections, 9)]


def test_a_failed_inference_drops_all_frames_of_the_batch():
    bench = Bench(2)
    detector = FakeDetector(bench.clock, fails_in='infer', error=BackendError('backend: broken'))
    bench.operations = [Operation(detector, Settings())]
    assert bench.process(bench.arrival(0), bench.arrival(1)).drops == {'backend_error': 2}


def test_waiting_for_the_other_frames_of_a_batch_is_no_part_of_any_stage():
    bench = Bench(2)
    report = bench.process(bench.arrival(0), bench.arrival(1))
    p50_ms = {stage: values[0] for stage, values in report.latencies_ms.items()}
    # Each frame: 1 s to prepare, 1 s of inference for both, 1 s to choose boxes. The first waits
    # 1 s for the second to be prepared, the second for the first twice.
    assert {stage: p50_ms[stage] for stage in ('preprocess', 'infer', 'postprocess')} == {
        'preprocess': pytest.approx(1e3),
        'infer': pytest.approx(1e3),
        'postprocess': pytest.approx(1e3),
    }
    assert p50_ms['wait'] == pytest.approx(1.5e3)
    assert report.frames_per_inference == 2


def test_the_answered_frame_is_kept_for_snapshots():
    bench = Bench()
    bench.process(bench.arrival(sec=3))
    first = bench.cameras[0].last_answered
    bench.process(bench.arrival(sec=4))
    last = bench.cameras[0].last_answered
    assert (first.stamp_ns, last.stamp_ns) == (3_000_000_000, 4_000_000_000)
    assert last.image_topic == '/0' and len(last.detections) == 1
