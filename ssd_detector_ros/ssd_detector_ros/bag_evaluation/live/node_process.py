"""The node as a process of its own, for the time of a replay."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
import json
import os
from pathlib import Path
import signal
import subprocess
import sys
import tempfile

from ssd_detector_ros.bag_evaluation.errors import BagError

NAMESPACE = '/evaluate_bag'
NODE = f'{NAMESPACE}/ssd_detector'
_END_S = 20.0
_PROGRAM = 'import sys; from ssd_detector_ros.program import main; sys.exit(main())'
_VARIABLES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')


def prepare_transport() -> None:
    """Give Fast DDS room for images, in this process and its children, unless the user chose."""
    if any(name in os.environ for name in (*_VARIABLES, 'FASTDDS_BUILTIN_TRANSPORTS')):
        return
    from ament_index_python.packages import get_package_share_directory

    # Up to Jazzy (Fast DDS 2) only the old name works; both at once are an error from Kilted on.
    is_old = os.environ.get('ROS_DISTRO') in ('humble', 'iron', 'jazzy')
    profile = Path(get_package_share_directory('ssd_detector_ros'), 'params/fastdds_images.xml')
    os.environ[_VARIABLES[0 if is_old else 1]] = str(profile)


class NodeProcess:
    """
    A node that was started here.

    :param process: of the node
    :param log: what it prints
    """

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process = process
        self._log = log

    def check(self) -> None:
        """
        Notice when the node has ended.

        :raises BagError: with what it said last
        """
        if self._process.poll() is not None:
            lines = self._log.read_text(errors='replace').strip().splitlines()
            said = lines[-1] if lines else 'without a word'
            raise BagError([f'the node ended with exit code {self._process.returncode}: {said}'])


@contextmanager
def running_node(parameters: Mapping[str, str | float | int | bool]) -> Iterator[NodeProcess]:
    """
    Start the node, and end it afterwards.

    :param parameters: of the node
    :return: the process
    """
    command = [sys.executable, '-c', _PROGRAM, '--ros-args', '-r', f'__ns:={NAMESPACE}']
    for name, value in parameters.items():
        # As YAML, where a folder called 2024 is no number.
        command += ['-p', f'{name}:={json.dumps(value)}']
    with tempfile.TemporaryDirectory(prefix='ssd_replay_') as folder:
        log = Path(folder, 'node.log')
        with log.open('wb') as output:
            # Out of this terminal's group: a Ctrl-C reaches it once, from here.
            process = subprocess.Popen(
                command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )
        try:
            yield NodeProcess(process, log)
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(_END_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
