"""Bundles bent at any place: an error of ours or success, within memory and time."""

from functools import cache
import hashlib
import io
import json
from pathlib import Path
import tempfile

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest
import yaml

from ssd_detector import Detector
from ssd_detector.proofs.parity_file import read_parity
from tests.fuzzing import bent_bytes, bent_tree, fuzzed, Sandbox
from tests.tiny_bundle import DEPLOY_YAML, write_verifiable_bundle

pytestmark = pytest.mark.fuzz
# Of all that a bundle without its model takes.
MEMORY_MB, TIMEOUT_S = 400, 10.0


@cache
def template() -> dict[str, bytes]:
    """Give the files of a good bundle."""
    with tempfile.TemporaryDirectory() as folder:
        path = write_verifiable_bundle(Path(folder, 'tiny'))
        return {file.name: file.read_bytes() for file in path.iterdir()}


def load(files: dict[str, bytes]) -> None:
    """Load a bundle of these files, in the process with limits."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            Path(folder, name).write_bytes(content)
        detector = Detector.from_bundle(folder, backend='onnxruntime')
        read_parity(detector.bundle)
        detector(np.zeros((32, 32, 3), np.uint8))


@pytest.fixture(scope='module')
def sandbox():
    one = Sandbox('tests.core.test_fuzz_bundles:load', memory_mb=MEMORY_MB, timeout_s=TIMEOUT_S)
    yield one
    one.close()


def with_file(name: str, content: bytes) -> dict[str, bytes]:
    """Put a file into the good bundle, with its record in the manifest."""
    manifest = json.loads(template()['manifest.json'])
    manifest['files'][name] = {
        'sha256': hashlib.sha256(content).hexdigest(),
        'size_bytes': len(content),
    }
    return template() | {name: content, 'manifest.json': json.dumps(manifest).encode()}


def to_json(tree) -> bytes:
    return json.dumps(tree).encode('utf-8', 'surrogatepass')


FILES = ('deploy.yaml', 'labels.txt', 'priors_cxcywh.npy', 'parity.npz', 'MODEL_CARD.md')


def test_the_good_bundle_passes(sandbox):
    assert sandbox.run(template()) == ''


@fuzzed
@given(st.data())
def test_any_bytes_in_a_file_of_a_bundle(sandbox, data):
    name = data.draw(st.sampled_from(FILES))
    sandbox.run(with_file(name, data.draw(bent_bytes(template()[name]))))


@fuzzed
@given(st.data())
def test_any_bytes_in_a_manifest(sandbox, data):
    sandbox.run(template() | {'manifest.json': data.draw(bent_bytes(template()['manifest.json']))})


@fuzzed
@given(st.data())
def test_any_tree_in_a_manifest(sandbox, data):
    tree = data.draw(bent_tree(json.loads(template()['manifest.json'])))
    sandbox.run(template() | {'manifest.json': to_json(tree)})


@fuzzed
@given(st.data())
def test_any_tree_in_a_deploy_config(sandbox, data):
    tree = data.draw(bent_tree(yaml.safe_load(DEPLOY_YAML)))
    sandbox.run(with_file('deploy.yaml', to_json(tree)))


@fuzzed
@given(
    st.sampled_from(['images_rgb', 'boxes', 'scores', 'tolerance_FP32', 'boxes/x', 'scores/x']),
    st.lists(st.integers(0, 40), max_size=3),
    st.sampled_from(['u1', 'f4', 'f8', 'i8', 'S3', 'U2', '?', 'c8', 'M8[s]']),
)
def test_any_array_in_recorded_outputs(sandbox, name, shape, dtype):
    arrays = dict(np.load(io.BytesIO(template()['parity.npz'])))
    content = io.BytesIO()
    np.savez(content, **arrays | {name: np.zeros(shape, dtype)})
    sandbox.run(with_file('parity.npz', content.getvalue()))


def test_what_breaks_the_rule_is_found():
    one = Sandbox('tests.fuzzing:break_it', memory_mb=100, timeout_s=1.0)
    try:
        for how, words in (('raise', 'KeyError'), ('hang', 'within 1 s'), ('fill', 'MemoryError')):
            with pytest.raises(AssertionError, match=words) as caught:
                one.run(how)
            Path(str(caught.value).split()[-1]).unlink()
        assert one.run('nothing') == ''
    finally:
        one.close()
