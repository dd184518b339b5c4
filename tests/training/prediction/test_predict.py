"""Prediction on real files, videos and an MJPEG server, with a model of three colours."""

import base64
from contextlib import contextmanager, suppress
import errno
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import io
import itertools
import json
import os
from pathlib import Path
import threading
import time

import cv2
import numpy as np
import pytest
from rich.console import Console

from ssd_detector.images.decoding import IMAGE_SUFFIXES
from ssd_detector.images.heads import JPEG_START
from ssd_training.errors import DataError
from ssd_training.model.released_bundle import find_released_bundle
from ssd_training.predict import main
from ssd_training.prediction.frame_sources import Pictures, Video
from ssd_training.prediction.mjpeg import MAX_PART_BYTES, read_parts
from ssd_training.progress import count_progress
from tests.locked_folders import lock
from tests.picture_bombs import bmp_of
from tests.tiny_bundle import write_tiny_bundle

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


@pytest.fixture(scope='module')
def bundle(tmp_path_factory):
    return write_tiny_bundle(tmp_path_factory.mktemp('bundles') / 'tiny')


@pytest.fixture
def predict(bundle, tmp_path, capsys):
    """Run the command; give its exit code, the JSON objects and stderr."""

    def run(*arguments):
        out = str(tmp_path / 'out')
        code = main([*map(str, arguments), '--bundle', str(bundle), '--output_dir', out, '--json'])
        captured = capsys.readouterr()
        return code, [json.loads(line) for line in captured.out.splitlines()], captured.err

    return run


def plain(color_rgb, size_wh=(64, 48)):
    return np.full((size_wh[1], size_wh[0], 3), color_rgb[::-1], np.uint8)


def write_video(path, colors):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'MJPG'), 5, (64, 48))
    for color in colors:
        writer.write(plain(color))
    writer.release()
    return path


def labels(row):
    return [detection['label'] for detection in row['detections']]


def test_a_picture_gives_boxes_in_its_pixels_and_an_annotated_copy(predict, tmp_path):
    cv2.imwrite(str(tmp_path / 'red.png'), plain(RED))

    code, (row,), _ = predict(tmp_path / 'red.png')

    assert (code, row['name'], labels(row)) == (0, 'red.png', ['red'])
    assert row['detections'][0]['box_xyxy'] == [8, 12, 32, 36]
    annotated = cv2.imread(row['annotated'])
    assert annotated.shape == (48, 64, 3) and (annotated != plain(RED)).any()


def test_a_folder_counts_and_names_what_can_not_be_read(predict, tmp_path):
    folder = tmp_path / 'pictures'
    (folder / 'below').mkdir(parents=True)
    cv2.imwrite(str(folder / 'a.png'), plain(RED))
    cv2.imwrite(str(folder / 'below/b.jpg'), plain(BLUE))
    (folder / 'c.jpg').write_bytes((folder / 'below/b.jpg').read_bytes()[:200])
    (folder / 'd.png').write_bytes(b'')
    (folder / 'notes.txt').write_text('no picture')

    code, rows, error = predict(folder)

    assert code == 1
    assert [labels(row) for row in rows if 'detections' in row] == [['red'], ['blue']]
    assert 'c.jpg: ends too early' in error and 'd.png: can not be read' in error
    assert '2 unreadable, 2 predicted' in error
    assert (tmp_path / 'out/below/b.jpg').is_file() and not (tmp_path / 'out/c.jpg').exists()


def test_results_below_the_folder_are_not_predicted_again(predict, tmp_path):
    cv2.imwrite(str(tmp_path / 'a.png'), plain(RED))
    write_video(tmp_path / 'clip.avi', [RED])
    predict(tmp_path / 'clip.avi')

    found = [predict(tmp_path) for _ in range(2)]

    assert [[row['name'] for row in rows] for _, rows, _ in found] == [['a.png', 'clip.avi']] * 2


def test_pictures_that_are_not_read_are_named_with_what_to_do(predict, pictures):
    for name in ('b.HEIC', 'below/c.avif', 'd.gif'):
        (pictures / name).parent.mkdir(exist_ok=True)
        (pictures / name).touch()

    code, rows, error = predict(pictures)

    assert code == 1 and {row['name'] for row in rows} >= {'b.HEIC', 'below/c.avif', 'd.gif'}
    assert 'b.HEIC: .HEIC is not read; make it JPEG' in error
    assert 'd.gif: .gif is not read in a folder; give it alone, or make it JPEG' in error
    assert error.endswith('3 unreadable, 2 predicted\n')


def test_a_folder_is_predicted_without_what_is_no_picture_which_is_named(
    predict, pictures, tmp_path
):
    for name in ('drive.MP4', 'more.zip', 'drive.mcap', 'notes.txt'):
        (pictures / name).touch()
    (pictures / 'linked').symlink_to(tmp_path)

    code, _, error = predict(pictures)

    assert (code, error.splitlines()) == (
        0,
        [
            'predict: 2/2 images',
            'left out: drive.MP4: is a video; give it alone',
            'left out: drive.mcap: is a recording of ROS; python -m ssd_detector_ros.extract '
            'makes pictures of it',
            'left out: linked: is a link to a folder; give that folder alone',
            'left out: more.zip: is an archive; unpack it and give the folder',
            '4 left out, 2 predicted',
        ],
    )


def test_a_folder_without_any_picture_says_what_it_holds(predict, tmp_path):
    (tmp_path / 'heic').mkdir()
    (tmp_path / 'heic/a.heic').touch()
    (tmp_path / 'videos').mkdir()
    (tmp_path / 'videos/a.mp4').touch()

    code, _, error = predict(tmp_path / 'heic')
    assert code == 1 and error == 'a.heic: .heic is not read; make it JPEG\n' + (
        '1 unreadable, 0 predicted\n'
    )
    code, _, error = predict(tmp_path / 'videos')
    assert code == 2 and 'videos: holds no picture' in error
    assert 'left out: a.mp4: is a video; give it alone' in error


def test_a_folder_that_may_not_be_read_counts_as_unreadable(predict, pictures, monkeypatch):
    (pictures / 'locked').mkdir()
    lock(monkeypatch, 'locked')

    code, _, error = predict(pictures)

    assert code == 1 and 'locked: can not be read (Permission denied)' in error
    assert '1 unreadable, 2 predicted' in error


def test_what_systems_leave_and_folders_named_as_pictures_are_no_pictures(predict, pictures):
    for name in ('__MACOSX', 'b.jpg'):
        (pictures / name).mkdir()
    for name in ('._a.png', '__MACOSX/a.png', 'Thumbs.db', '.hidden.jpg'):
        (pictures / name).touch()

    code, rows, error = predict(pictures)

    assert (code, error, len(rows)) == (0, 'predict: 2/2 images\n', 2)


def test_a_video_becomes_a_video_of_as_many_frames(predict, tmp_path):
    video = write_video(tmp_path / 'clip.avi', [RED, GREEN, BLUE, RED])

    code, rows, _ = predict(video)

    assert code == 0
    assert [labels(row) for row in rows] == [['red'], ['green'], ['blue'], ['red']]
    assert [row['frame'] for row in rows] == [0, 1, 2, 3]
    written = cv2.VideoCapture(str(tmp_path / 'out/clip.mp4'))
    assert (written.get(cv2.CAP_PROP_FRAME_COUNT), written.get(cv2.CAP_PROP_FPS)) == (4, 5)
    assert [path.name for path in (tmp_path / 'out').iterdir()] == ['clip.mp4']


def interrupt_after(monkeypatch, kind, num_frames):
    """Press Ctrl-C before the next frame of a kind of source."""
    read = kind.frames

    def give(source):
        yield from itertools.islice(read(source), num_frames)
        raise KeyboardInterrupt

    monkeypatch.setattr(kind, 'frames', give)


@pytest.mark.parametrize('num_frames', [0, 2])
def test_an_interrupt_keeps_what_was_predicted_and_says_so(
    predict, tmp_path, monkeypatch, num_frames
):
    video = write_video(tmp_path / 'clip.avi', [RED] * 4)
    interrupt_after(monkeypatch, Video, num_frames)

    code, rows, error = predict(video)

    assert (code, len(rows), error) == (130, num_frames, 'stopped\n')
    assert (tmp_path / 'out/clip.mp4').is_file() == (num_frames > 0)


def test_faults_before_an_interrupt_are_told(predict, pictures, monkeypatch):
    (pictures / 'b.png').touch()
    interrupt_after(monkeypatch, Pictures, 2)

    code, _, error = predict(pictures)

    assert code == 130 and 'b.png: can not be read as an image' in error
    assert error.endswith('1 unreadable, 1 predicted\nstopped\n')


def test_a_video_that_was_cut_off_is_said_with_what_could_be_read(predict, tmp_path):
    video = write_video(tmp_path / 'clip.avi', [RED] * 40)
    content = video.read_bytes()
    video.write_bytes(content[: len(content) // 2])

    code, rows, error = predict(video)

    assert code == 1 and 'of 40 frames can be read' in error
    assert 0 < len(rows) - 1 < 40


def test_no_more_frames_than_asked_for(predict, tmp_path):
    video = write_video(tmp_path / 'clip.avi', [RED] * 4)

    code, rows, _ = predict(video, '--max_frames', 2)

    assert (code, len(rows)) == (0, 2)


def jpeg(color):
    return cv2.imencode('.jpg', plain(color))[1].tobytes()


def mjpeg_part(content, *, has_length=True):
    length = f'Content-Length: {len(content)}\r\n' if has_length else ''
    return b'--frame\r\nContent-Type: image/jpeg\r\n%s\r\n%s\r\n' % (length.encode(), content)


@contextmanager
def mjpeg_server(blocks, *, behind=(), boundary='frame', user=None):
    """Serve a stream as network cameras do: JPEG after JPEG, each with a header."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            wanted = f'Basic {base64.b64encode(user.encode()).decode()}' if user else None
            if wanted and self.headers.get('Authorization') != wanted:
                self.send_response(401)
                self.send_header('WWW-Authenticate', 'Basic realm="camera"')
                self.end_headers()
                return
            self.send_response(200)
            self.send_header('Content-Type', f'multipart/x-mixed-replace; boundary={boundary}')
            self.end_headers()
            with suppress(OSError):
                for block in itertools.chain(blocks, behind):
                    self.wfile.write(block)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f'http://user:secret@127.0.0.1:{server.server_port}/stream.mjpg?quality=3'
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_an_mjpeg_stream_is_read_and_its_password_is_not_told(predict, tmp_path):
    parts = [mjpeg_part(jpeg(color)) for color in [RED, BLUE] * 20]
    with mjpeg_server(parts, user='user:secret') as url:
        code, rows, error = predict('--webcam', '--camera', url, '--max_frames', 6)

    assert (code, len(rows)) == (0, 6)
    assert [labels(row) for row in rows[:2]] == [['red'], ['blue']]
    assert 'secret' not in json.dumps(rows) + error
    assert len(list((tmp_path / 'out').glob('127.0.0.1_*_stream.mjpg.mp4'))) == 1


@pytest.mark.parametrize('boundary', ['frame', '--frame', '"frame"'])
def test_parts_are_found_with_and_without_a_length(predict, boundary):
    parts = [mjpeg_part(jpeg(RED)), mjpeg_part(jpeg(BLUE), has_length=False)]
    with mjpeg_server([*parts, *parts, b'--frame--\r\n'], boundary=boundary) as url:
        code, rows, _ = predict(url)

    assert (code, [labels(row) for row in rows]) == (0, [['red'], ['blue'], ['red'], ['blue']])


def test_a_part_that_is_no_picture_is_named_and_the_stream_goes_on(predict):
    parts = [
        mjpeg_part(content) for content in (jpeg(RED), b'nothing', jpeg(BLUE)[:200], jpeg(BLUE))
    ]
    with mjpeg_server(parts) as url:
        code, rows, error = predict(url)

    assert (code, [labels(row) for row in rows if 'frame' in row]) == (1, [['red'], ['blue']])
    assert '#1: can not be read as an image' in error and '#2: ends too early' in error
    assert '2 unreadable, 2 predicted' in error


START = b'--frame\r\nContent-Type: image/jpeg\r\n'


def claim(length):
    return START + b'Content-Length: ' + length + b'\r\n\r\n'


@pytest.mark.parametrize(
    ('start', 'words'),
    [
        (
            START + b'Content-Length: 2000000000\r\n\r\n',
            'claims 2000000000 bytes; expected at most',
        ),
        (START + b'Content-Length: %s\r\n\r\n' % (b'9' * 5000), 'claims 999999999999999999 bytes'),
        (START + b'\r\n\xff\xd8', f'has more than {MAX_PART_BYTES} bytes'),
        (START, 'has more than 65536 bytes'),
        (b'', f'has more than {MAX_PART_BYTES} bytes'),
    ],
    ids=['length', 'digits', 'no length', 'head', 'no part'],
)
def test_a_stream_without_end_is_cut_at_a_limit(predict, start, words):
    endless = itertools.repeat(b'x' * 2**20)
    with mjpeg_server([mjpeg_part(jpeg(RED)), start], behind=endless) as url:
        code, rows, error = predict(url)

    assert code == 1 and labels(rows[0]) == ['red']
    assert f'after 1 frames a part of the stream {words}' in error


def test_a_part_that_never_comes_to_an_end_has_a_deadline():
    with pytest.raises(DataError, match=r'takes more than 0\.05 s'):
        list(read_parts(Slow(START), b'frame', timeout_s=0.05))


class Slow:
    """Gives a byte each millisecond, and never stops: not as many as a part may have in time."""

    def __init__(self, start):
        self._start = list(start)

    def read1(self, num_bytes=-1):
        time.sleep(0.001)
        return bytes([self._start.pop(0)]) if self._start else b'x'


def test_frames_of_a_video_are_counted_in_pixels_before_they_are_decoded(predict, tmp_path):
    video = write_video(tmp_path / 'clip.avi', [RED])

    assert predict(video, '--max_image_pixels', 64 * 48)[0] == 0
    code, _, error = predict(video, '--max_image_pixels', 64 * 48 - 1)

    assert code == 1 and 'clip: claims 64x48 pixels; expected at most 3071' in error


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / 'pictures'
    folder.mkdir()
    for name in ('a.png', 'z.png'):
        cv2.imwrite(str(folder / name), plain(RED))
    return folder


def wide(suffix, width_px):
    content = cv2.imencode('.png', np.zeros((4, width_px, 3), np.uint8))[1].tobytes()
    return lambda folder: (folder / f'b{suffix}').write_bytes(content)


@pytest.mark.parametrize(
    ('add', 'words'),
    [
        (lambda folder: os.mkfifo(folder / 'b.png'), 'is a pipe'),
        (lambda folder: (folder / 'b.png').symlink_to('/dev/zero'), 'is a device'),
        (lambda folder: (folder / 'b.png').symlink_to('b.png'), 'Too many levels'),
        (
            lambda folder: (folder / 'b.bmp').write_bytes(bmp_of(30_000, 30_000)),
            'claims 30000x30000 pixels',
        ),
    ],
    ids=['pipe', 'device', 'loop', 'claim'],
)
def test_one_bad_picture_is_named_and_the_rest_goes_on(predict, pictures, add, words):
    add(pictures)

    code, rows, error = predict(pictures)

    assert (code, [row['name'] for row in rows if 'detections' in row]) == (1, ['a.png', 'z.png'])
    assert words in error and '1 unreadable, 2 predicted' in error


@pytest.mark.parametrize(
    ('suffix', 'width_px'), [('.webp', 17000), ('.jpg', 70000)], ids=['webp', 'jpeg']
)
def test_a_copy_that_can_not_be_written_costs_no_detections(predict, pictures, suffix, width_px):
    wide(suffix, width_px)(pictures)

    code, rows, error = predict(pictures)

    fault = f'b{suffix}: a copy of {width_px}x4 pixels can not be written as {suffix}; make it PNG'
    assert [(row['name'], row.get('reason')) for row in rows] == [
        ('a.png', None),
        (f'b{suffix}', fault),
        ('z.png', None),
    ]
    assert rows[1]['annotated'] is None and 'detections' in rows[1]
    assert code == 1 and f'{fault}\n1 without a copy, 3 predicted\n' in error


def test_a_copy_whose_place_is_taken_by_a_folder_is_named(predict, pictures, tmp_path):
    (tmp_path / 'out/a.png').mkdir(parents=True)

    code, rows, error = predict(pictures)

    assert code == 1 and 'a.png: a copy can not be written (Is a directory)' in error
    assert '1 without a copy, 2 predicted' in error
    assert [labels(row) for row in rows] == [['red'], ['red']]
    assert [path.name for path in (tmp_path / 'out').glob('.*')] == []


def test_a_file_in_the_place_of_a_folder_of_copies_costs_those_copies_alone(
    predict, pictures, tmp_path
):
    (pictures / 'below').mkdir()
    cv2.imwrite(str(pictures / 'below/b.png'), plain(RED))
    (tmp_path / 'out').mkdir()
    (tmp_path / 'out/below').touch()

    code, rows, error = predict(pictures)

    assert code == 1 and 'below/b.png: a copy can not be written (File exists)' in error
    assert [bool(row['annotated']) for row in rows] == [True, False, True]


def test_text_tells_detections_without_a_copy(bundle, pictures, tmp_path, capsys):
    (tmp_path / 'out/a.png').mkdir(parents=True)

    main([str(pictures), '--bundle', str(bundle), '--output_dir', str(tmp_path / 'out')])

    assert capsys.readouterr().out.splitlines() == [
        "a.png  1 detections: [('red', 1.0)]",
        "z.png  1 detections: [('red', 1.0)]",
        f'Saved → {tmp_path}/out/z.png',
    ]


def refuse_copies(monkeypatch, *, below: str, code: int) -> None:
    """Let files in folders of a name fail; root may write into every folder."""
    write = Path.write_bytes

    def refuse(path, content):
        if path.parent.name == below:
            raise OSError(code, os.strerror(code), str(path))
        return write(path, content)

    monkeypatch.setattr(Path, 'write_bytes', refuse)


@pytest.mark.parametrize('code', [errno.ENOSPC, errno.EACCES])
def test_where_no_copy_can_be_written_the_first_picture_ends_it(
    predict, pictures, monkeypatch, code
):
    refuse_copies(monkeypatch, below='out', code=code)

    exit_code, rows, error = predict(pictures)

    assert (exit_code, [labels(row) for row in rows]) == (1, [['red']])
    assert f'a.png: can not be written ({os.strerror(code)}); stopped, for no other' in error
    assert '1 without a copy, 1 predicted' in error


@pytest.mark.parametrize(
    ('code', 'copies'),
    [
        *((errno.EACCES, [True, False, True]), (errno.EIO, [True, False, True])),
        *((errno.ENOSPC, [True, False]), (errno.EDQUOT, [True, False])),
        (errno.EROFS, [True, False]),
    ],
)
def test_a_folder_of_copies_that_takes_none_costs_the_others_no_copy(
    predict, pictures, monkeypatch, code, copies
):
    (pictures / 'below').mkdir()
    cv2.imwrite(str(pictures / 'below/b.png'), plain(RED))
    refuse_copies(monkeypatch, below='below', code=code)

    exit_code, rows, error = predict(pictures)

    assert (exit_code, [bool(row['annotated']) for row in rows]) == (1, copies)
    assert 'below/b.png: ' in error and f'can not be written ({os.strerror(code)})' in error
    assert ('stopped, for no other copy can be' in error) == (len(copies) == 2)


def test_a_name_that_the_file_system_does_not_spell_costs_that_copy_alone(
    predict, pictures, monkeypatch
):
    replace = Path.replace

    def refuse(path, target):
        if target.name == 'a.png':
            raise OSError(errno.EILSEQ, os.strerror(errno.EILSEQ), str(path))
        return replace(path, target)

    monkeypatch.setattr(Path, 'replace', refuse)

    code, rows, error = predict(pictures)

    assert (code, [bool(row['annotated']) for row in rows]) == (1, [False, True])
    assert f'a.png: a copy can not be written ({os.strerror(errno.EILSEQ)})' in error


@pytest.mark.parametrize('suffix', [*IMAGE_SUFFIXES, '.JFIF'])
def test_a_copy_has_the_name_of_its_picture_and_can_be_opened(predict, tmp_path, suffix):
    (tmp_path / f'a{suffix}').write_bytes(cv2.imencode('.png', plain(RED))[1].tobytes())

    code, (row,), _ = predict(tmp_path / f'a{suffix}')

    assert (code, Path(row['annotated']).name) == (0, f'a{suffix}')
    assert cv2.imread(row['annotated']).shape == (48, 64, 3)


def test_a_copy_of_a_jfif_file_is_jpeg(predict, tmp_path):
    (tmp_path / 'a.jfif').write_bytes(jpeg(RED))

    (row,) = predict(tmp_path / 'a.jfif')[1]

    assert Path(row['annotated']).read_bytes().startswith(JPEG_START)


@pytest.mark.parametrize('source', ['clip.avi', 'a.png'])
def test_an_output_folder_that_is_a_file_is_named(predict, tmp_path, source):
    write_video(tmp_path / 'clip.avi', [RED])
    cv2.imwrite(str(tmp_path / 'a.png'), plain(RED))
    (tmp_path / 'out').touch()

    code, rows, error = predict(tmp_path / source)

    assert (code, rows) == (1, [])
    assert f'{tmp_path}/out: is no folder; give another one for the annotated copies\n' in error


def test_a_folder_in_the_place_of_a_video_is_named_and_the_video_is_kept(predict, tmp_path):
    write_video(tmp_path / 'clip.avi', [RED, BLUE])
    (tmp_path / 'out/clip.mp4').mkdir(parents=True)

    code, rows, error = predict(tmp_path / 'clip.avi')

    assert (code, [labels(row) for row in rows]) == (1, [['red'], ['blue']])
    assert 'out/clip.mp4: can not be written (Is a directory); the video is ' in error
    kept = error.partition('the video is ')[2].splitlines()[0]
    assert cv2.VideoCapture(kept).get(cv2.CAP_PROP_FRAME_COUNT) == 2


def test_a_video_that_can_not_be_begun_is_named_with_the_reason(predict, tmp_path):
    write_video(tmp_path / 'clip.avi', [RED, BLUE])
    (tmp_path / f'out/.{os.getpid()}.partial.mp4').mkdir(parents=True)

    code, rows, error = predict(tmp_path / 'clip.avi')

    assert (code, [labels(row) for row in rows]) == (1, [['red']])
    assert 'out/clip.mp4: can not be written (Is a directory); stopped, for no other' in error


def test_a_name_of_255_bytes_is_written_like_any_other(predict, pictures, tmp_path):
    name = 'b' * 251 + '.png'
    (pictures / 'a.png').rename(pictures / name)

    assert predict(pictures)[0] == 0
    video = write_video(tmp_path / f'{"c" * 251}.avi', [RED])
    assert predict(video)[0] == 0
    written = sorted(path.name for path in (tmp_path / 'out').iterdir())
    assert written == ['.predicted', name, f'{video.stem}.mp4', 'z.png']


@pytest.mark.parametrize('name', ['\x1b[2J.png', '\u202egnp.a.png', os.fsdecode(b'\xff.png')])
def test_names_do_nothing_to_the_terminal(bundle, pictures, tmp_path, capsys, name):
    (pictures / 'a.png').rename(pictures / name)
    out = ['--bundle', str(bundle), '--output_dir', str(tmp_path / 'out')]

    assert main([str(pictures), *out]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert all(line.isprintable() for line in lines) and any(
        repr(name)[1:-1] in line for line in lines
    )


def test_of_any_number_of_bad_pictures_a_hundred_are_named(predict, tmp_path):
    (tmp_path / 'pictures').mkdir()
    for number in range(120):
        (tmp_path / f'pictures/{number}.png').touch()

    code, _, error = predict(tmp_path / 'pictures')

    assert code == 1 and error.count('can not be read as an image') == 100
    assert '... and 20 more\n120 unreadable, 0 predicted' in error


@pytest.mark.parametrize(
    ('given', 'code', 'said'),
    [
        ('a' * 300, 2, 'no such file or folder; expected a picture'),
        ('nothing', 2, 'no such file or folder; expected a picture'),
        ('77', 1, 'camera 77: can not be opened'),
        ('http://127.0.0.1:9/x', 1, '127.0.0.1_9_x: no stream there'),
        ('text.txt', 1, 'can not be opened as a video'),
        ('empty', 2, 'holds no picture'),
        ('a.HEIC', 1, 'a.HEIC: .HEIC is not read; make it JPEG'),
        ('a.zip', 1, 'a.zip: is an archive; unpack it and give the folder'),
        ('a.mcap', 1, 'a.mcap: is a recording of ROS; python -m ssd_detector_ros.extract makes'),
    ],
)
def test_what_is_no_source_is_named(predict, tmp_path, monkeypatch, given, code, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'text.txt').write_text('no video')
    (tmp_path / 'empty').mkdir()
    for name in ('a.HEIC', 'a.zip', 'a.mcap'):
        (tmp_path / name).touch()

    found, rows, error = predict(given)

    assert (found, rows) == (code, []) and said in error


@pytest.mark.parametrize(
    ('source', 'output_dir'),
    [('b', 'b'), ('b/x.png', 'b'), ('b', '.'), ('clip.mp4', '.'), ('b/../b', 'b')],
)
def test_what_was_given_is_never_replaced(
    bundle, tmp_path, capsys, monkeypatch, source, output_dir
):
    monkeypatch.chdir(tmp_path)
    for name in ('b/x.png', 'b/b/x.png'):
        Path(name).parent.mkdir(exist_ok=True)
        cv2.imwrite(name, plain(RED))
    write_video('clip.mp4', [RED])

    assert main([source, '--bundle', str(bundle), '--output_dir', output_dir]) == 2

    assert 'would be replaced' in capsys.readouterr().err
    assert (cv2.imread('b/b/x.png') == plain(RED)).all()


def test_a_window_without_a_screen_is_a_sentence(predict, tmp_path, monkeypatch):
    monkeypatch.delenv('DISPLAY', raising=False)
    monkeypatch.setenv('QT_QPA_PLATFORM', 'offscreen')
    if 'GUI:                           NONE' not in cv2.getBuildInformation():
        pytest.skip('this OpenCV has windows; the sentence is for opencv-python-headless')
    cv2.imwrite(str(tmp_path / 'a.png'), plain(RED))

    code, _, error = predict(tmp_path / 'a.png', '--show')

    assert code == 2 and '--show: there is no window' in error


def test_thresholds_come_from_bundle_config_and_command_line(predict, tmp_path):
    cv2.imwrite(str(tmp_path / 'a.png'), plain((200, 150, 30)))

    assert labels(predict(tmp_path / 'a.png')[1][0]) == ['red', 'green']
    assert labels(predict(tmp_path / 'a.png', '--score_threshold', 0.7)[1][0]) == ['red']
    assert labels(predict(tmp_path / 'a.png', '--max_detections', 1)[1][0]) == ['red']
    code, _, error = predict(tmp_path / 'a.png', '--score_threshold', 7)
    assert code == 2 and 'score_threshold: 7.0 is outside' in error


def test_a_photograph_is_turned_as_the_camera_was_held(predict, tmp_path):
    path = tmp_path / 'a.jpg'
    cv2.imwrite(str(path), plain(RED))
    # APP1 with the Exif tag Orientation (0x0112) = 6: turn by 90 degrees.
    tiff = b'II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0'
    body = b'Exif\0\0' + tiff
    segment = b'\xff\xe1' + (len(body) + 2).to_bytes(2, 'big') + body
    path.write_bytes(path.read_bytes()[:2] + segment + path.read_bytes()[2:])

    row = predict(path)[1][0]

    assert cv2.imread(row['annotated']).shape == (64, 48, 3)


def test_without_a_bundle_the_released_one_is_taken():
    assert find_released_bundle().name == 'mobilenetv2_ssd_voc'


def test_text_says_what_was_found_and_where_the_copy_is(bundle, tmp_path, capsys):
    cv2.imwrite(str(tmp_path / 'a.png'), plain(RED))
    out = tmp_path / 'out'

    main(['--image', str(tmp_path / 'a.png'), '--bundle', str(bundle), '--output_dir', str(out)])

    assert capsys.readouterr().out.splitlines() == [
        "a.png  1 detections: [('red', 1.0)]",
        f'Saved → {out}/a.png',
    ]


def test_a_bar_is_shown_on_a_terminal_and_lines_elsewhere():
    text = io.StringIO()
    with count_progress(Console(file=text, force_terminal=True, width=100), 'predict', 3) as count:
        count()
    assert '1/3' in text.getvalue()

    lines = io.StringIO()
    with count_progress(Console(file=lines), 'predict', None) as count:
        for _ in range(399):
            count()
    assert lines.getvalue() == 'predict: 200/? images\n'
