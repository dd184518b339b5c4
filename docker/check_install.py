"""
Prove the install steps of the Dockerfiles without a container engine.

Each `pip install -r` step is resolved for the image's Python and processor, as a dry run: every
pinned wheel has to exist, and the list has to be complete but for what the image brings by apt.
"""

from dataclasses import dataclass
import json
from pathlib import Path
import re
import subprocess
import sys
import tempfile

FOLDER = Path(__file__).parent
# The apt packages of an image that pip would otherwise bring.
BY_APT = {'python3-numpy': 'numpy', 'python3-opencv': 'opencv-python-headless'}
GLIBC = ('2_28', '2_27', '2_17')


@dataclass(frozen=True)
class Image:
    """A Dockerfile with a ROS distribution, and what its base image has."""

    dockerfile: str
    distribution: str
    python: str
    processors: tuple[str, ...]

    @property
    def requirements(self) -> str:
        """The list that it installs."""
        return f'requirements-{"humble" if self.distribution == "humble" else "robot"}.txt'


IMAGES = (
    Image('Dockerfile.ros', 'jazzy', '3.12', ('x86_64', 'aarch64')),
    Image('Dockerfile.ros', 'humble', '3.10', ('x86_64', 'aarch64')),
    Image('Dockerfile.ros', 'lyrical', '3.14', ('x86_64', 'aarch64')),
    Image('Dockerfile.jetson', 'humble', '3.10', ('aarch64',)),
    Image('Dockerfile.jetson', 'jazzy', '3.12', ('aarch64',)),
)


def main() -> int:
    """
    Check all images.

    :return: 0, or 1 with the findings printed
    """
    findings = [
        f'{image.dockerfile}, {image.distribution}, {processor}: {finding}'
        for image in IMAGES
        for processor in image.processors
        for finding in check(image, processor)
    ]
    print('\n'.join(findings) or 'every pinned wheel exists, and the lists are complete')
    return 1 if findings else 0


def check(image: Image, processor: str) -> list[str]:
    """
    Resolve an image's requirements.

    :param image: what to check
    :param processor: x86_64 or aarch64
    :return: what is wrong
    """
    text = (FOLDER / image.dockerfile).read_text(encoding='utf-8')
    requirements = image.requirements
    platforms = [f'manylinux_{glibc}_{processor}' for glibc in GLIBC]
    platforms.append(f'manylinux2014_{processor}')
    pip = [sys.executable, '-m', 'pip', '--disable-pip-version-check', 'install', '--dry-run']
    pip += ['--quiet', '--ignore-installed', '--only-binary', ':all:', '--target', 'none']
    pip += [
        '--python-version',
        image.python,
        *(f'--platform={platform}' for platform in platforms),
    ]
    with tempfile.NamedTemporaryFile(suffix='.json') as report:
        command = [*pip, '--report', report.name, '-r', str(FOLDER / requirements)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            lines = [line for line in done.stderr.splitlines() if line.startswith('ERROR')]
            return lines or [done.stderr]
        found = json.loads(Path(report.name).read_text(encoding='utf-8'))['install']
    names = {re.sub('[_.]', '-', package['metadata']['name'].lower()) for package in found}
    pinned = set(re.findall(r'^([a-z0-9-]+)==', (FOLDER / requirements).read_text(), re.MULTILINE))
    by_apt = {name for package, name in BY_APT.items() if package in text}
    return [f'{requirements} lacks {name}' for name in sorted(names - pinned - by_apt)]


if __name__ == '__main__':
    sys.exit(main())
