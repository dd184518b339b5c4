"""
A process with little memory in which bent input is read, and how bytes and trees are bent.

The rule, for anything from outside: an error of ours or success, within memory and time. Whoever
breaks it leaves the input as a file, and a command that repeats it.
"""

import copy
import importlib
import json
import os
from pathlib import Path
import pickle
import resource
import selectors
import struct
import subprocess
import sys
import tempfile
import traceback

from hypothesis import settings
from hypothesis import strategies as st

from ssd_detector.errors import SsdDetectorError

ROOT = Path(__file__).parents[1]
# A few in each run of the tests; in `make fuzz` as many as its profile says.
_IS_LONG = os.environ.get('HYPOTHESIS_PROFILE') == 'fuzz'
fuzzed = settings() if _IS_LONG else settings(max_examples=12)
_SIZE = struct.Struct('<Q')


class BrokenRuleError(AssertionError):
    """Input that hangs, takes too much memory, kills the process, or ends in a traceback."""


class Sandbox:
    """
    Runs a function on inputs in a process with limits, which stays while nothing breaks.

    :param target: `module:function`; takes an input that can be pickled
    :param memory_mb: of the process, beyond what its libraries take at first
    :param timeout_s: for one input
    """

    def __init__(self, target: str, *, memory_mb: int, timeout_s: float) -> None:
        self._target = target
        self._memory_mb = memory_mb
        self._timeout_s = timeout_s
        self._process: subprocess.Popen[bytes] | None = None
        self._num_inputs = self._num_refused = 0
        # Hypothesis looks for smaller inputs that break the rule as well; the last one is kept.
        self._file = Path(tempfile.gettempdir(), f'fuzz_{os.getpid()}_{id(self)}.pickle')

    def run(self, value: object) -> str:
        """
        Have the function read an input.

        :param value: the input
        :return: what an error of ours said; empty after success
        :raises BrokenRuleError: with what happened otherwise
        """
        if self._process is None:
            self._start()
        assert self._process is not None and self._process.stdin is not None
        content = pickle.dumps(value)
        self._process.stdin.write(_SIZE.pack(len(content)) + content)
        self._process.stdin.flush()
        answer = self._read_answer()
        if answer is None or answer.startswith('Traceback'):
            fault = answer or self._tell_end()
            self._kill()
            self._file.write_bytes(content)
            raise BrokenRuleError(
                f'{fault}\nagain: python -m tests.fuzzing {self._target} {self._memory_mb} '
                f'{self._file}'
            )
        self._num_inputs += 1
        self._num_refused += bool(answer)
        return answer

    def close(self) -> None:
        """End the process, and tell how much it has read."""
        self._kill()
        if _IS_LONG:
            counts = f'{self._num_inputs} inputs, {self._num_refused} of them refused'
            sys.stderr.write(f'\n{self._target}: {counts}\n')

    def _kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, '-m', 'tests.fuzzing', self._target, str(self._memory_mb)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=ROOT,
        )
        assert self._read_answer(timeout_s=300.0) == 'ready'

    def _read_answer(self, timeout_s: float | None = None) -> str | None:
        assert self._process is not None and self._process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            # A busy machine is no fault of the input.
            busy = max(1.0, os.getloadavg()[0] / len(os.sched_getaffinity(0)))
            if not selector.select(timeout_s or busy * self._timeout_s):
                return None
        line = self._process.stdout.readline()
        return json.loads(line) if line else None

    def _tell_end(self) -> str:
        assert self._process is not None
        code = self._process.poll()
        if code is None:
            return f'nothing came back within {self._timeout_s:g} s'
        return f'the process ended with {code}'


def main() -> None:
    """Be the process: read inputs from stdin, or one from a file, and answer each with a line."""
    target, memory_mb, *files = sys.argv[1:]
    module, _, name = target.partition(':')
    function = getattr(importlib.import_module(module), name)
    answers = os.fdopen(os.dup(1), 'w')
    # Whatever libraries print goes elsewhere.
    os.dup2(2, 1)
    used_bytes = int(Path('/proc/self/statm').read_text().split()[5]) * os.sysconf('SC_PAGE_SIZE')
    limit_bytes = used_bytes + int(memory_mb) * 2**20
    resource.setrlimit(resource.RLIMIT_DATA, (limit_bytes, limit_bytes))
    if files:
        print(_answer(function, Path(files[0]).read_bytes()), file=answers, flush=True)
        return
    print(json.dumps('ready'), file=answers, flush=True)
    while head := sys.stdin.buffer.read(_SIZE.size):
        content = sys.stdin.buffer.read(_SIZE.unpack(head)[0])
        print(json.dumps(_answer(function, content)), file=answers, flush=True)


def _answer(function, content: bytes) -> str:
    try:
        function(pickle.loads(content))
    except SsdDetectorError as error:
        text = str(error)
        lines = text.split('\n')
        return text if all(map(str.isprintable, lines)) else f'Traceback: unprintable {text!r}'
    except BaseException:  # noqa: BLE001
        return traceback.format_exc()
    return ''


def break_it(how: str) -> None:
    """Break the rule, for the test of this file."""
    if how == 'raise':
        raise KeyError(how)
    if how == 'fill':
        bytearray(2**30)
    while how == 'hang':
        pass


@st.composite
def bent_bytes(draw, content: bytes) -> bytes:
    """Change, cut, double or insert a few stretches of bytes."""
    bent = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(bent) - 1, 0)))
        end = at + draw(st.sampled_from([0, 1, 2, 4, 8, 64]))
        kind = draw(st.sampled_from(['set', 'cut', 'double', 'end', 'numbers']))
        if kind == 'set':
            bent[at:end] = draw(st.binary(min_size=end - at, max_size=end - at))
        elif kind == 'cut':
            del bent[at:end]
        elif kind == 'double':
            bent[at:at] = bent[at:end] * draw(st.integers(1, 50))
        elif kind == 'end':
            del bent[end:]
        else:
            size = draw(st.sampled_from([1, 2, 4, 8]))
            number = draw(
                st.sampled_from([0, 1, 2**7, 2**15 - 1, 2**31 - 1, 2**32 - 1, 2**63 - 1])
            )
            order = draw(st.sampled_from(['little', 'big']))
            bent[at : at + size] = (number % 256**size).to_bytes(size, order)
    return bytes(bent)


texts = st.text(st.characters(exclude_categories=[]), max_size=20) | st.sampled_from(
    ['\x1b[2J', '\0', '\ud800', '../x', '/dev/zero', '', 'x' * 10**5, '9' * 5000]
)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.sampled_from([10**30, -1, 0, 2**31, 2**63]),
    st.floats(),
    texts,
)
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=10,
)


@st.composite
def bent_tree(draw, tree):
    """Replace, remove, add or double something at a random place of a tree of JSON."""
    bent = copy.deepcopy(tree)
    for _ in range(draw(st.integers(1, 3))):
        node = bent
        while isinstance(node, dict | list) and node:
            key = draw(
                st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node)))
            )
            inner = node[key]
            if not isinstance(inner, dict | list) or not inner or draw(st.booleans()):
                kind = draw(st.sampled_from(['replace', 'remove', 'add']))
                if kind == 'remove':
                    del node[key]
                elif kind == 'add' and isinstance(node, dict):
                    node[draw(texts)] = draw(trees)
                else:
                    node[key] = draw(trees)
                break
            node = inner
    return bent


if __name__ == '__main__':
    main()
