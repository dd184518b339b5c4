"""What a training ran on, for whoever wants to repeat it."""

from importlib.metadata import version
import os
from pathlib import Path
import platform
import socket
import subprocess
from typing import Any

import tensorflow as tf

_LIBRARIES = ('keras', 'numpy', 'opencv-python-headless')
_CPU_INFO = Path('/proc/cpuinfo')


def describe_environment(git_commit: str | None) -> dict[str, Any]:
    """
    List versions, machine and commit.

    :param git_commit: as given; looked up in the repository of this file by default
    :return: plain values
    """
    return {
        'host': socket.gethostname(),
        'platform': platform.platform(),
        'python': platform.python_version(),
        'tensorflow': tf.__version__,
        **{name: version(name) for name in _LIBRARIES},
        'cpu': _cpu_name(),
        'num_cpus': os.cpu_count(),
        'gpus': [
            tf.config.experimental.get_device_details(device).get('device_name', device.name)
            for device in tf.config.list_physical_devices('GPU')
        ],
        'git_commit': git_commit or _git('rev-parse', 'HEAD'),
        'has_uncommitted_changes': bool(_git('status', '--porcelain', '--untracked-files=no')),
        'tf_config': os.environ.get('TF_CONFIG'),
    }


def _cpu_name() -> str:
    if _CPU_INFO.is_file():
        for line in _CPU_INFO.read_text().splitlines():
            if line.startswith('model name'):
                return line.partition(':')[2].strip()
    return platform.processor() or platform.machine()


def _git(*arguments: str) -> str | None:
    """Ask git about this file's repository; None where there is none, as in an installed wheel."""
    try:
        process = subprocess.run(
            ['git', '-C', str(Path(__file__).parent), *arguments], capture_output=True, text=True
        )
    except OSError:
        return None
    return process.stdout.strip() if process.returncode == 0 else None
