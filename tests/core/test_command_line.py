"""How options are spelled, and how errors end a command."""

import pytest

from ssd_detector.command_line import Parser, run_command
from ssd_detector.errors import BackendError, BundleError, ConfigError


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
