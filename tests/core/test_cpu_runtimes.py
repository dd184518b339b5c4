"""The fastest runtime of this processor: measured in a process of its own, once."""

import json
import logging
import os

import pytest

from ssd_detector import cpu_runtimes
from ssd_detector.backend_selection import BackendRequest, open_backend
from ssd_detector.backends.cpu_features import describe_cpu, multiplies_int8_exactly
from ssd_detector.bundles.bundle import load_bundle
from ssd_detector.bundles.contents import INT8_CPU, MODEL
from ssd_detector.cpu_runtimes import choose_runtime, decide, Timings
from ssd_detector.time_runtimes import main
from tests.core.test_backend_selection import RELEASED
from tests.libraries import require_openvino
from tests.tiny_bundle import write_tiny_bundle


@pytest.fixture(autouse=True)
def two_runtimes(tmp_path, monkeypatch):
    require_openvino()
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    monkeypatch.delenv(cpu_runtimes.MEASURE_VARIABLE, raising=False)


@pytest.fixture
def bundle(tmp_path):
    return load_bundle(write_tiny_bundle(tmp_path / 'tiny'))


def choose(bundle, num_threads=1):
    return choose_runtime(bundle, bundle.path / MODEL, num_threads=num_threads)


def records(tmp_path):
    return sorted((tmp_path / 'cache/ssd_detector/runtimes/tiny').iterdir())


@pytest.mark.parametrize(
    ('median_ms', 'refused', 'expected', 'reason'),
    [
        (
            {'onnxruntime': 9.5, 'openvino': 7.1},
            {},
            'openvino',
            'measured here: OpenVINO 7.10 ms, ONNX Runtime 9.50 ms',
        ),
        (
            {'onnxruntime': 10.0, 'openvino': 9.75},
            {},
            'onnxruntime',
            'measured here: OpenVINO 9.75 ms, ONNX Runtime 10.00 ms',
        ),
        (
            {'onnxruntime': 9.5},
            {'openvino': 'other boxes'},
            'onnxruntime',
            'measured here: ONNX Runtime 9.50 ms; OpenVINO: other boxes',
        ),
        (
            {'openvino': 7.1},
            {'onnxruntime': 'gone'},
            'openvino',
            'measured here: OpenVINO 7.10 ms',
        ),
        ({}, {'openvino': 'gone'}, 'onnxruntime', 'measured here: nothing; OpenVINO: gone'),
    ],
)
def test_the_fastest_is_taken_and_a_tie_is_onnx_runtimes(median_ms, refused, expected, reason):
    choice = decide(Timings(median_ms=median_ms, refused=refused))

    assert choice.runtime == expected
    assert choice.reason.startswith(reason)


def test_what_was_measured_is_remembered_and_said(bundle, tmp_path, monkeypatch):
    first = choose(bundle)
    monkeypatch.setattr(cpu_runtimes, 'PROGRAM', 'there_is_no_such_program')

    assert first.reason.startswith('measured here: ')
    assert 'ONNX Runtime ' in first.reason and 'OpenVINO ' in first.reason
    assert choose(bundle) == first
    backend = open_backend(bundle, BackendRequest(num_threads=1))
    assert backend.notice.text == first.reason
    assert not backend.notice.needs_action


@pytest.mark.parametrize(
    'change',
    [
        {'key': {}},
        {'timings': {'median_ms': {'openvino': 'fast'}}},
        {'timings': []},
        None,
    ],
)
def test_a_record_of_something_else_does_not_count(bundle, tmp_path, monkeypatch, change):
    measured = Timings(median_ms={'onnxruntime': 1.0})
    monkeypatch.setattr(cpu_runtimes, '_run_program', lambda *_: measured)
    choose(bundle)
    (record,) = records(tmp_path)
    tree = json.loads(record.read_text(encoding='utf-8'))
    text = '[' * 100_000 if change is None else json.dumps({**tree, **change})
    record.write_text(text, encoding='utf-8')
    monkeypatch.setattr(cpu_runtimes, '_run_program', lambda *_: None)

    assert choose(bundle).reason == 'which runtime is faster could not be measured'


@pytest.mark.parametrize('part', ['model_sha256', 'num_threads', 'num_cores', 'processor'])
def test_a_record_holds_for_this_file_this_machine_and_these_threads(
    bundle, tmp_path, monkeypatch, part
):
    monkeypatch.setattr(
        cpu_runtimes, '_run_program', lambda *_: Timings(median_ms={'openvino': 1.0})
    )
    choose(bundle)
    (record,) = records(tmp_path)
    tree = json.loads(record.read_text(encoding='utf-8'))
    tree['key'][part] = 'another'
    record.write_text(json.dumps(tree), encoding='utf-8')
    monkeypatch.setattr(cpu_runtimes, '_run_program', lambda *_: None)

    assert choose(bundle).runtime == 'onnxruntime'


def test_who_forbids_it_gets_onnx_runtime_unless_something_is_remembered(bundle, monkeypatch):
    monkeypatch.setenv('SSD_MEASURE_RUNTIMES', '0')
    monkeypatch.setattr(cpu_runtimes, 'PROGRAM', 'there_is_no_such_program')
    choice = choose(bundle)
    monkeypatch.setattr(cpu_runtimes, '_recall', lambda *_: Timings(median_ms={'openvino': 1.0}))

    assert choice.runtime == 'onnxruntime'
    assert choice.reason == 'which runtime is faster was not measured (SSD_MEASURE_RUNTIMES=0)'
    assert choose(bundle).runtime == 'openvino'


def test_another_number_of_threads_is_measured_apart(bundle, tmp_path, monkeypatch):
    monkeypatch.setattr(
        cpu_runtimes, '_run_program', lambda *_: Timings(median_ms={'openvino': 1.0})
    )

    choose(bundle, num_threads=1)
    choose(bundle, num_threads=2)

    digest = bundle.manifest.files[MODEL].sha256[:12]
    assert [path.name for path in records(tmp_path)] == [
        f'model_{digest}_1_threads.json',
        f'model_{digest}_2_threads.json',
    ]


def test_bundles_of_one_name_that_take_turns_are_measured_once_each(bundle, tmp_path, monkeypatch):
    other = load_bundle(write_tiny_bundle(tmp_path / 'other', takes_batches=True))
    measured = []

    def measure(bundle, path, num_threads):
        measured.append(bundle.path)
        return Timings(median_ms={'openvino': 1.0})

    monkeypatch.setattr(cpu_runtimes, '_run_program', measure)
    for one_of_them in (bundle, other, bundle, other):
        choose(one_of_them)

    assert measured == [bundle.path, other.path]


@pytest.mark.parametrize(
    ('program', 'said'), [('http.server', 'timed out'), ('no_such_module', 'No module named')]
)
def test_a_program_that_hangs_or_fails_costs_its_time_and_a_line(
    bundle, monkeypatch, caplog, program, said
):
    monkeypatch.setattr(cpu_runtimes, 'PROGRAM', program)
    monkeypatch.setattr(cpu_runtimes, 'LONGEST_S', 1)
    caplog.set_level(logging.WARNING, 'ssd_detector')
    # Else the arguments are none of the server's.
    monkeypatch.setattr(
        cpu_runtimes.subprocess,
        'run',
        lambda words, run=cpu_runtimes.subprocess.run, **options: run(words[:3], **options),
    )

    choice = choose(bundle)

    assert choice.runtime == 'onnxruntime'
    assert choice.reason == 'which runtime is faster could not be measured'
    assert said in caplog.text


def test_a_cache_that_can_not_be_written_is_no_error(bundle, tmp_path, monkeypatch, caplog):
    (tmp_path / 'cache').write_text('a file stands here')
    monkeypatch.setattr(
        cpu_runtimes, '_run_program', lambda *_: Timings(median_ms={'openvino': 1.0})
    )
    caplog.set_level(logging.INFO, 'ssd_detector')

    assert choose(bundle).runtime == 'openvino'
    assert 'measured again next time' in caplog.text


def test_without_openvino_nothing_is_measured_and_int8_gets_a_hint(bundle, monkeypatch):
    monkeypatch.setattr(cpu_runtimes, 'find_spec', lambda name: None)
    monkeypatch.setattr(cpu_runtimes, 'multiplies_int8_exactly', lambda: True)

    assert choose(bundle) == cpu_runtimes.Choice('onnxruntime')
    released = load_bundle(RELEASED)
    assert 'pip install openvino' in (
        choose_runtime(released, released.path / INT8_CPU, num_threads=1).reason
    )


def test_the_program_tells_people_what_auto_takes(bundle, capsys):
    assert main([str(bundle.path), '--num_threads', '1']) == 0

    lines = capsys.readouterr().out.splitlines()
    assert sorted(line.split('  ')[0] for line in lines[:2]) == ['ONNX Runtime', 'OpenVINO']
    assert all(line.endswith(' ms') for line in lines[:2])
    assert lines[2].startswith('backend auto takes ')


def test_a_runtime_with_other_boxes_does_not_count(capsys):
    if multiplies_int8_exactly():
        pytest.skip('this processor has VNNI: OpenVINO is right about INT8')

    assert main([str(RELEASED), '--precision', 'INT8', '--num_threads', '1']) == 0

    text = capsys.readouterr().out
    assert 'OpenVINO             -     other boxes than the trained network: FAIL' in text
    assert text.endswith('backend auto takes ONNX Runtime\n')


def test_a_processor_is_described_by_its_name_and_what_it_can_do():
    assert describe_cpu().split(' ')[0] == os.uname().machine
    assert len(describe_cpu().split(' ')[-1]) == 12
