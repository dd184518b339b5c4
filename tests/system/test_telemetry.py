"""Nothing of this suite reports home, nor lets a library do so: files below HOME, look-ups."""

import ast
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
import itertools
import os
from pathlib import Path
import re
import shutil
import subprocess
import sys
import threading

import cv2
import numpy as np
import pytest

from ssd_detector import telemetry
from tests.tiny_bundle import write_tiny_bundle

ROOT = Path(__file__).parents[2]
# Where one is set the libraries are silent by themselves.
MARKS_OF_CI = ('CI', 'GITHUB_ACTIONS', 'JENKINS_URL', 'TF_BUILD', 'ORT_DISABLE_TELEMETRY')
# The core's own modules import the core by being in it, the tests by their conftest.
SOURCES = ('ssd_detector_ros', 'ssd_training', 'tools')


@pytest.fixture(scope='module')
def bundle(tmp_path_factory):
    return write_tiny_bundle(tmp_path_factory.mktemp('bundles') / 'tiny')


@pytest.fixture
def traced(tmp_path):
    """Run a command with a home of its own; give what it looked up, and what is below its home."""
    strace = shutil.which('strace')
    if strace is None:
        pytest.skip('strace is not installed (apt-get install strace)')
    home, trace = tmp_path / 'home', tmp_path / 'trace'
    home.mkdir()

    def run(*command, seconds=60, **variables):
        environment = {k: v for k, v in os.environ.items() if k not in MARKS_OF_CI}
        # The logs of ROS have a place of their own, as on any machine.
        places = {'HOME': str(home), 'ROS_LOG_DIR': str(tmp_path / 'ros_log')}
        words = [
            strace,
            '-f',
            '--seccomp-bpf',
            '-s',
            '200',
            '-e',
            'trace=connect,sendto,sendmmsg',
            '-o',
            trace,
        ]
        done = subprocess.run(
            ['timeout', '-s', 'INT', str(seconds), *words, *command],
            env=environment | places | variables,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        lines = trace.read_text(errors='replace').splitlines()
        lookups = [line for line in lines if 'htons(53)' in line]
        files = [path for path in home.rglob('*') if path.is_file()]
        # Our own: which runtime is the faster one here.
        own = home / '.cache/ssd_detector/runtimes'
        return done, lookups, [path for path in files if not path.is_relative_to(own)]

    return run


def test_a_prediction_looks_nothing_up_and_leaves_nothing_below_home(traced, bundle, tmp_path):
    cv2.imwrite(str(tmp_path / 'red.png'), np.full((48, 64, 3), (0, 0, 255), np.uint8))
    # Both libraries: whatever predicts imports onnxruntime.
    backend = 'onnxruntime' if find_spec('openvino') is None else 'openvino'
    command = [sys.executable, '-m', 'ssd_training.predict', 'red.png', '--bundle', bundle]
    command += ['--backend', backend]
    done, lookups, files = traced(*command)
    assert 'red' in done.stdout, done.stderr
    assert (lookups, files) == ([], [])


@pytest.mark.slow
def test_the_node_looks_nothing_up_while_it_runs_and_leaves_nothing_below_home(traced, bundle):
    pytest.importorskip('rclpy', reason='ROS 2 is not sourced (no rclpy); run `make test-slow`')
    from tests.ros.processes import detector_command

    # onnxruntime reports some 10 s after it was imported.
    done, lookups, files = traced(*detector_command('test_telemetry', bundle=bundle), seconds=30)
    assert 'waiting for images' in done.stdout + done.stderr
    assert (lookups, files) == ([], [])


@pytest.mark.parametrize(('given', 'kept'), [(None, '1'), ('', '1'), ('1', '1'), ('0', '0')])
def test_who_asks_onnxruntime_to_report_is_obeyed(monkeypatch, given, kept):
    monkeypatch.delenv(telemetry.ONNXRUNTIME_VARIABLE, raising=False)
    if given is not None:
        monkeypatch.setenv(telemetry.ONNXRUNTIME_VARIABLE, given)
    telemetry.silence_onnxruntime()
    assert os.environ[telemetry.ONNXRUNTIME_VARIABLE] == kept


def test_what_openvino_reports_with_is_hidden_from_openvino_only(monkeypatch):
    for name in ('openvino_telemetry', 'openvino_telemetry.main', 'openvino_telemetry_of_others'):
        monkeypatch.setitem(sys.modules, name, ast)
    before = dict(sys.modules)
    with telemetry.silent_openvino():
        with pytest.raises(ImportError):
            import openvino_telemetry  # noqa: F401
        assert 'openvino_telemetry_of_others' in sys.modules
    assert sys.modules == before


def test_models_load_while_others_import():
    """Threads come and go in `sys.modules`; two models may load at the same moment."""
    done = threading.Event()

    def import_things():
        for number in itertools.count():
            if done.is_set():
                return
            sys.modules[f'of_others_{number}'] = ast
            del sys.modules[f'of_others_{number}']

    def load():
        for _ in range(300):
            with telemetry.silent_openvino():
                pass

    present = set(sys.modules)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor() as pool:
            others = [pool.submit(import_things) for _ in range(2)]
            loads = [pool.submit(load) for _ in range(2)]
            for future in loads:
                future.exception()
            done.set()
            for future in (*loads, *others):
                future.result()
    finally:
        sys.setswitchinterval(before)
    assert {name for name in present ^ set(sys.modules) if name.startswith('openvino')} == set()


def imports_in_order(path):
    """List the modules that a file imports, as it stands from top to bottom."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.append((node.lineno, node.module))
    return [module.partition('.')[0] for _, module in sorted(found)]


def test_whatever_imports_onnxruntime_imports_the_core_before_it():
    late = []
    paths = (path for folder in SOURCES for path in (ROOT / folder).rglob('*.py'))
    for path in (path for path in paths if 'onnxruntime' in path.read_text(encoding='utf-8')):
        before, found, _ = (' '.join(imports_in_order(path))).partition('onnxruntime')
        if found and 'ssd_detector ' not in before:
            late.append(str(path.relative_to(ROOT)))
    assert late == []


def test_openvino_is_imported_where_its_reporter_is_hidden_and_nowhere_else():
    importing = re.compile(r"(?m)^ *(import|from) openvino|(orskip|import_module)\('openvino")
    found = [
        str(path.relative_to(ROOT))
        for folder in (*SOURCES, 'ssd_detector', 'tests')
        for path in (ROOT / folder).rglob('*.py')
        if path != Path(__file__) and importing.search(path.read_text(encoding='utf-8'))
    ]
    assert found == ['ssd_detector/ssd_detector/backends/openvino.py']
