"""A writer that is killed leaves no bundle, or a whole one: never half of one that looks whole."""

import subprocess
import sys

import pytest

from ssd_detector.bundles.bundle import load_bundle
from ssd_detector.errors import BundleError
from tests.tiny_bundle import write_tiny_bundle

# Writes the bundle once for each call that changes the disk, and dies at that call.
KILLED_WRITER = """
import os, shutil, signal, sys
from pathlib import Path
from ssd_detector.bundles.bundle import write_bundle
from tests.tiny_bundle import manifest_fields

parts, target = Path(sys.argv[1]), Path(sys.argv[2])

def die_at(number):
    left = [number]
    def wrap(owner, name):
        call = getattr(owner, name)
        def counted(*arguments, **options):
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments, **options)
        setattr(owner, name, counted)
    wrap(shutil, 'copyfile')
    wrap(Path, 'write_text')
    wrap(Path, 'rename')

contents = {path.name: path for path in parts.iterdir() if path.name != 'manifest.json'}
contents['labels.txt'] = 'cyan' + chr(10) + 'pink' + chr(10) + 'grey' + chr(10)
for number in range(30):
    child = os.fork()
    if child == 0:
        die_at(number)
        write_bundle(target, contents, manifest_fields())
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    print(number, int(os.WIFSIGNALED(status)), int(target.exists()), flush=True)
    sys.stdin.readline()
    if not os.WIFSIGNALED(status):
        break
"""


@pytest.mark.parametrize('is_replacing', [False, True])
def test_a_killed_writer_leaves_the_old_bundle_or_none_or_the_new_one(tmp_path, is_replacing):
    parts = write_tiny_bundle(tmp_path / 'parts')
    target = parts.with_name('target')
    if is_replacing:
        write_tiny_bundle(target)
    seen = []
    command = [sys.executable, '-c', KILLED_WRITER, str(parts), str(target)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as writer:
        for line in writer.stdout:
            was_killed = line.split()[1] == '1'
            try:
                seen.append((was_killed, load_bundle(target).labels[0]))
            except BundleError as error:
                assert 'no such bundle folder' in str(error)
                seen.append((was_killed, None))
            if is_replacing and not target.exists():
                # Between two renames the old one lies aside; put it back for the next round.
                write_tiny_bundle(target.with_name(f'again_{len(seen)}')).rename(target)
            writer.stdin.write('\n')
            writer.stdin.flush()

    old = 'red' if is_replacing else None
    assert len(seen) > 5
    assert set(seen[:-1]) <= {(True, old), (True, None)}
    assert seen[-1] == (False, 'cyan')
