"""How options are spelled, and how errors end a command."""

from contextlib import contextmanager, suppress
import errno
import io
import json
import os
import sys

import pytest

from ssd_detector.command_line import Parser, run_command
from ssd_detector.errors import BackendError, BundleError, ConfigError
from ssd_detector.printable import printable_json


@pytest.fixture
def parser() -> Parser:
    parser = Parser(prog='command')
    parser.add_argument('--max_loss', type=float)
    parser.add_argument('--old-name', type=float)
    parser.add_argument('values', nargs='*')
    return parser


def test_dashes_and_underscores_are_the_same_option(parser):
    for arguments in (['--max-loss', '-0.5'], ['--max_loss=-0.5'], ['--max-loss=-0.5']):
        assert parser.parse_args(arguments).max_loss == -0.5
    assert parser.parse_args(['--old-name', '2']).old_name == 2


def test_values_keep_their_dashes(parser):
    arguments = ['a-b.c-d=e-f', '--', '--max-loss']

    assert parser.parse_args(arguments).values == ['a-b.c-d=e-f', '--max-loss']
    assert parser.parse_intermixed_args(['a-b', '--max-loss', '1', 'c-d']).values == ['a-b', 'c-d']


def test_options_of_subcommands_take_dashes_too(parser):
    commands = Parser(prog='command').add_subparsers()
    commands.add_parser('check').add_argument('--num_images')

    assert commands.choices['check'].parse_args(['--num-images', '3']).num_images == '3'


def test_only_underscores_are_shown(parser, capsys):
    with pytest.raises(SystemExit):
        parser.parse_args(['--help'])

    assert '--max_loss' in (shown := capsys.readouterr().out) and '--max-loss' not in shown


@pytest.mark.parametrize(
    ('error', 'code', 'shown'),
    [
        (ConfigError(['a: wrong', 'b: wrong']), 2, 'a: wrong\nb: wrong\n'),
        (BundleError(['a: wrong', 'b: wrong']), 1, 'a: wrong\nb: wrong\n'),
        (BackendError('a\x1b[2J\nb: wrong'), 1, 'a\\x1b[2J\\nb: wrong\n'),
    ],
)
def test_an_error_of_ours_is_its_findings_and_an_exit_code(error, code, shown, capsys):
    def fail() -> None:
        raise error

    assert run_command(fail) == code
    assert capsys.readouterr().err == shown


def test_a_command_ends_with_what_its_work_gives():
    assert [run_command(lambda: None), run_command(lambda: 3)] == [0, 3]


def test_an_interrupt_is_a_word_and_not_a_traceback(capsys):
    def wait() -> None:
        raise KeyboardInterrupt

    assert run_command(wait) == 130
    assert capsys.readouterr().err == 'stopped\n'


def say(text: str, *, code: int = 0) -> int:
    sys.stdout.write(text)
    return code


@contextmanager
def unread_output(monkeypatch):
    """Make stdout a pipe that nobody reads any more."""
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, 'w') as stream:
        monkeypatch.setattr(sys, 'stdout', stream)
        yield


# Of a megabyte nothing is kept to be written once more.
@pytest.mark.parametrize('length', [2**14, 2**20])
def test_a_reader_who_has_enough_ends_a_command_quietly(monkeypatch, capsys, length):
    def work() -> None:
        say('x' * length)
        say('x' * length)

    with unread_output(monkeypatch):
        assert run_command(work) == 141
    assert capsys.readouterr().err == ''


def test_what_nobody_reads_after_the_work_changes_no_exit_code(monkeypatch, capsys):
    with unread_output(monkeypatch):
        assert run_command(lambda: say('x', code=3)) == 3
    assert capsys.readouterr().err == ''


def test_a_broken_pipe_elsewhere_is_no_matter_of_the_output():
    def fail() -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        run_command(fail)


# What is kept to be written at the end, what is not kept, and what is written at once.
@pytest.mark.parametrize(
    'work',
    [lambda: say('x'), lambda: say('x' * 2**20), lambda: say('x') or sys.stdout.flush()],
    ids=['short', 'long', 'flushed'],
)
def test_a_full_disk_behind_the_output_is_one_line(monkeypatch, capsys, work):
    with open('/dev/full', 'w') as stream:
        monkeypatch.setattr(sys, 'stdout', stream)

        assert run_command(work) == 1

    assert capsys.readouterr().err == 'stdout: can not be written (No space left on device)\n'


def test_a_full_disk_elsewhere_is_no_matter_of_the_output(monkeypatch, capsys):
    def fail() -> None:
        with open('/dev/full', 'w') as stream:
            stream.write('x')

    for stdout in (sys.stdout, None):
        monkeypatch.setattr(sys, 'stdout', stdout)
        assert run_command(fail) == 1
    line = (
        'a file can not be written or read (No space left on device); check the disk and its room'
    )
    assert capsys.readouterr().err.splitlines() == [line, line]


@pytest.mark.parametrize(
    ('work', 'shown'),
    [
        (
            lambda path: (path / 'file/folder').mkdir(parents=True),
            '/file/folder: Not a dir',
        ),
        (lambda path: (path / 'file').mkdir(), '/file: File exists; check the path, its perm'),
        (lambda path: (path / 'no').rename(path / 'b'), '/no -> {}/b: No such file or directory;'),
        (lambda path: open(bytes(path / 'x\ny')), '/x\\ny: No such file'),
    ],
)
def test_a_path_that_the_system_refuses_is_one_line(work, shown, tmp_path, capsys):
    (tmp_path / 'file').touch()
    assert run_command(lambda: work(tmp_path) and None) == 1
    error = capsys.readouterr().err
    assert error.startswith(str(tmp_path)) and shown.format(tmp_path) in error
    assert error.count('\n') == 1


def test_what_the_system_refuses_without_a_path_is_a_fault_of_ours():
    def fail() -> None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))

    with pytest.raises(OSError, match='Bad file descriptor'):
        run_command(fail)


def test_a_full_disk_elsewhere_is_told_when_nobody_reads_the_output(monkeypatch, capsys):
    def fail() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with suppress(BrokenPipeError), unread_output(monkeypatch):
        assert run_command(fail) == 1
    assert 'a file can not be written or read (No space left on device)' in capsys.readouterr().err


@pytest.fixture
def encoded(monkeypatch):
    """Give stdout an encoding; give what was written."""

    def encode(encoding: str) -> io.BytesIO:
        content = io.BytesIO()
        monkeypatch.setattr(sys, 'stdout', io.TextIOWrapper(content, encoding))
        return content

    return encode


@pytest.mark.parametrize(
    ('encoding', 'written'), [('ascii', r'\u2192 \u00fc'), ('latin-1', '\\u2192 \xfc')]
)
def test_any_output_takes_any_letter(encoded, encoding, written):
    content = encoded(encoding)

    assert run_command(lambda: say('\u2192 \xfc')) == 0
    assert content.getvalue() == written.encode(encoding)


def test_json_stays_json_in_any_encoding(encoded):
    content, tree = encoded('latin-1'), ['\u2192 \xe9 \N{GRINNING FACE}']

    assert run_command(lambda: say(printable_json(tree))) == 0
    assert json.loads(content.getvalue().decode('latin-1')) == tree


def test_a_command_without_an_output_works(monkeypatch):
    monkeypatch.setattr(sys, 'stdout', None)

    assert run_command(lambda: 3) == 3
