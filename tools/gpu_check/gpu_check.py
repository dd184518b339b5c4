"""
Everything that only a GPU can show, in under 8 minutes: `make gpu-check WHEELS=folder`.

It needs this tree, Python with NumPy, and the wheels of what is missing there, in a folder. Each
part is a process with a limit: one that fails, hangs or crashes leaves the others their turn. What
was found goes to FOLDER/gpu_check.json and, as a table for docs/deploy.md, FOLDER/gpu_check.md.
"""

import argparse
from collections.abc import Iterator, Mapping
import json
import os
from pathlib import Path
import subprocess
import sys
import time
from typing import Any

ROOT = Path(__file__).parents[2]
BUNDLE = ROOT / 'ssd_detector_ros/models/mobilenetv2_ssd_voc'
PACKAGES = ('ssd_detector', 'ssd_training')
PARTS = Path(__file__).with_name('parts.py')


def main(argv: list[str] | None = None) -> int:
    """
    Run every part and write the report.

    :param argv: command line, without the program
    :return: 0 when all parts passed, 1 when one did not
    """
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument('--bundle', type=Path, default=BUNDLE)
    parser.add_argument('--wheels', type=Path, help='folder of what is to be installed first')
    parser.add_argument('--out', type=Path, default=Path('gpu_check'), help='folder')
    parser.add_argument('--parts', nargs='+', help='only these')
    arguments = parser.parse_args(argv)
    folder = arguments.out.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    environment = make_environment(folder, arguments.wheels)
    report: dict[str, Any] = {}
    for name, limit_s in list_parts(environment).items():
        if arguments.parts and name not in arguments.parts:
            continue
        report[name] = run_part(name, arguments.bundle.resolve(), folder, environment, limit_s)
        outcome = report[name]
        print(f'{name:<18}{outcome["seconds"]:6.1f} s  {outcome["verdict"]}', flush=True)
        # After each one: a machine may be taken away.
        (folder / 'gpu_check.json').write_text(json.dumps(report, indent=2) + '\n')
        (folder / 'gpu_check.md').write_text('\n'.join(write_table(report)) + '\n')
    print(f'{folder / "gpu_check.md"}')
    return 0 if all(outcome['verdict'] == 'passed' for outcome in report.values()) else 1


def make_environment(folder: Path, wheels: Path | None) -> dict[str, str]:
    """
    Install the wheels beside, and name the packages of this tree.

    :param folder: of the report
    :param wheels: a folder of wheels, or None
    :return: environment variables of the parts
    """
    paths = [ROOT, *(ROOT / name for name in PACKAGES)]
    if wheels is not None:
        site = folder / 'site'
        command = [sys.executable, '-m', 'pip', 'install', '--quiet', '--no-index', '--no-deps']
        command += ['--upgrade', '--target', str(site)]
        subprocess.run([*command, *sorted(map(str, wheels.glob('*.whl')))], check=True)
        paths.append(site)
    given = os.environ.get('PYTHONPATH')
    return {
        **os.environ,
        'PYTHONPATH': os.pathsep.join([*map(str, paths), *([given] if given else [])]),
        'XDG_CACHE_HOME': str(folder / 'cache'),
    }


def list_parts(environment: Mapping[str, str]) -> dict[str, int]:
    """
    List the parts, in a process of its own: an import may be what is broken.

    :param environment: of the parts
    :return: name -> seconds that it may take
    """
    program = 'import json, parts\n'
    program += 'print(json.dumps({part.__name__: s for part, s in parts.PARTS.items()}))'
    done = subprocess.run(
        [sys.executable, '-c', program],
        env=environment,
        cwd=PARTS.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f'gpu-check: {done.stderr.strip()}')
    return {name: int(seconds) for name, seconds in json.loads(done.stdout).items()}


def run_part(
    name: str, bundle: Path, folder: Path, environment: Mapping[str, str], limit_s: int
) -> dict[str, Any]:
    """
    Run one part.

    :param name: of the part
    :param bundle: to run
    :param folder: for what it makes
    :param environment: of the process
    :param limit_s: after which it is killed
    :return: verdict, seconds, found
    """
    command = [sys.executable, str(PARTS), name, str(bundle), str(folder)]
    start_s = time.monotonic()
    try:
        done = subprocess.run(
            command,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors='replace',
            timeout=limit_s,
            check=False,
        )
        said = done.stderr.strip()
        verdict = 'passed' if done.returncode == 0 else _last_line(said, done.returncode)
        found = json.loads(done.stdout) if done.returncode == 0 else {}
    except subprocess.TimeoutExpired as error:
        said = (error.stderr or b'').decode(errors='replace').strip()
        verdict, found = f'not done after {limit_s} s', {}
    (folder / f'{name}.log').write_text(said + '\n')
    return {'verdict': verdict, 'seconds': time.monotonic() - start_s, 'found': found}


def write_table(report: Mapping[str, Any]) -> Iterator[str]:
    """
    Write the report for docs/deploy.md.

    :param report: name of a part -> what run_part gives
    :return: the lines
    """
    yield '| part | | |'
    yield '| --- | --- | --- |'
    for name, outcome in report.items():
        yield f'| **{name}** | {outcome["seconds"]:.1f} s | {_cell(outcome["verdict"])} |'
        for what, value in outcome['found'].items():
            shown = f'{value:.4g}' if isinstance(value, float) else _cell(str(value))
            yield f'| | {what} | {shown} |'


def _cell(text: str) -> str:
    return text.replace('|', '\\|')


def _last_line(said: str, returncode: int) -> str:
    if returncode < 0:
        return f'ended by signal {-returncode}'
    return said.splitlines()[-1] if said else f'exit code {returncode}'


if __name__ == '__main__':
    sys.exit(main())
