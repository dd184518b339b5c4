"""
Changes the code in small ways, one at a time, and counts the changes that no test sees.

`places.yaml` says what is changed and which tests hold it; `equivalent.yaml` lists changes that
make no difference, each with its reason. Without --all a sample is run, for a limited time.
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
import random
import sys
import time

from changes import find_mutants, Mutant
from sessions import preload, run_mutants, Subject
import yaml

ROOT = Path(__file__).parents[2]
PLACES = Path(__file__).with_name('places.yaml')
EQUIVALENT = Path(__file__).with_name('equivalent.yaml')
JOURNAL = ROOT / 'log/mutants.txt'
# Before the trials of a package; those of the packages above stay.
LIBRARIES = {
    'ssd_detector': (
        *('pytest', 'hypothesis.extra.numpy', 'cv2', 'onnx', 'pydantic.dataclasses', 'yaml'),
        'faster_coco_eval',
    ),
    'ssd_detector_ros': (
        *('rosidl_generator_py', 'rclpy.node', 'rclpy.lifecycle', 'rosidl_parser.parser'),
        *('diagnostic_msgs.msg', 'lifecycle_msgs.msg', 'sensor_msgs.msg', 'vision_msgs.msg'),
    ),
    'ssd_training': ('tensorflow', 'keras'),
}
CAUGHT = ('killed', 'timeout')


class TestsFail(Exception):
    """Tests that are to hold a source fail on it as it is."""


@dataclass(frozen=True)
class Place:
    """
    A source and its tests.

    :param package: its name
    :param path: from the root of the repository
    :param tests: likewise
    """

    package: str
    path: str
    tests: tuple[str, ...]

    @property
    def module(self) -> str:
        """The dotted name."""
        return '.'.join(Path(self.path).with_suffix('').parts[1:])

    @property
    def subject(self) -> Subject:
        """What sessions take."""
        return Subject(self.module, ROOT / self.path, self.tests)


def read_places() -> list[Place]:
    """
    Read what is mutated.

    :return: in the order of the file
    """
    return [
        Place(package, f'{package}/{package}/{name}', tuple(f'tests/{test}' for test in tests))
        for package, files in yaml.safe_load(PLACES.read_text()).items()
        for name, tests in files.items()
    ]


def read_equivalent() -> dict[tuple[str, str, str, str], str]:
    """
    Read the mutants that make no difference.

    :return: key of a mutant -> why
    """
    return {
        (path, function, change['old'], change['new']): change['why']
        for path, functions in (yaml.safe_load(EQUIVALENT.read_text()) or {}).items()
        for function, changes in functions.items()
        for change in changes
    }


def list_mutants(place: Place) -> list[Mutant]:
    """
    List the mutants of a source.

    :param place: of the source
    """
    return find_mutants(place.path, (ROOT / place.path).read_text())


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run mutants and print the score of each package.

    :param arguments: of the command line
    :return: 1 when tests fail on the code as it is
    """
    options = _parse(arguments)
    places = [place for place in read_places() if _is_chosen(place.path, options.files)]
    if not places:
        print(f'{PLACES}: names no source in {", ".join(options.files)}', file=sys.stderr)
        return 2
    packages = list(dict.fromkeys(place.package for place in places))
    scores = {}
    try:
        for package in packages:
            preload(LIBRARIES[package])
            own = [place for place in places if place.package == package]
            scores[package] = _score(own, options, options.seconds / len(packages))
    except TestsFail as error:
        print(error, file=sys.stderr)
        return 1
    _show_scores(scores)
    return 0


def _score(places: Sequence[Place], options: argparse.Namespace, seconds: float) -> Counter[str]:
    """Run mutants of a package, show those that survive, and count what became of them."""
    known = {digest for digest, outcome in _read_journal() if outcome in CAUGHT}
    equivalent, counts, todo = read_equivalent(), Counter[str](), dict[Place, list[Mutant]]()
    for place in places:
        made = list_mutants(place)
        _show_outdated(place, made)
        mutants = [mutant for mutant in made if mutant.key not in equivalent]
        counts['equivalent'] += len(made) - len(mutants)
        if options.resume:
            counts['killed'] += sum(mutant.digest in known for mutant in mutants)
            mutants = [mutant for mutant in mutants if mutant.digest not in known]
        if not options.all:
            random.Random(options.seed).shuffle(mutants)
        todo[place] = mutants
    total, num_due, start_s = sum(map(len, todo.values())), 0, time.monotonic()
    print(f'{places[0].package}: {total} mutants of {len(places)} files', flush=True)
    for place, mutants in todo.items():
        # What one file leaves of its share is for those after it.
        num_due += len(mutants)
        end_s = float('inf') if options.all else start_s + seconds * num_due / max(total, 1)
        _run(place, mutants, counts, jobs=options.jobs, end_s=end_s)
    return counts


def _show_outdated(place: Place, made: Sequence[Mutant]) -> None:
    """Show what is listed as making no difference, of lines that are no longer there."""
    keys = {mutant.key for mutant in made}
    for key in read_equivalent():
        if key[0] == place.path and key not in keys:
            print(f'{EQUIVALENT.name}: no such change of {place.path} any more; remove it')
            print(f'  - {key[2]}\n  + {key[3]}')


def _run(
    place: Place, mutants: Sequence[Mutant], counts: Counter[str], *, jobs: int, end_s: float
) -> None:
    if not mutants:
        return
    for mutant, result in run_mutants(place.subject, mutants, jobs=jobs, end_s=end_s):
        if mutant is None:
            if result.outcome != 'survived':
                raise TestsFail(
                    f'{place.path}: {", ".join(place.tests)}: {result.outcome} without any '
                    f'change; mend the tests first\n{result.output}'
                )
            print(f'  {place.path}: {len(mutants)}, tests take {result.wall_s:.1f} s', flush=True)
            continue
        counts[result.outcome] += 1
        JOURNAL.parent.mkdir(exist_ok=True)
        with JOURNAL.open('a') as journal:
            print(mutant.digest, result.outcome, file=journal)
        if result.outcome not in CAUGHT:
            print(f'{result.outcome}: {mutant.path}:{mutant.line} {mutant.function}')
            print(f'  - {mutant.old}\n  + {mutant.new}', flush=True)


def _read_journal() -> list[tuple[str, str]]:
    if not JOURNAL.exists():
        return []
    lines = JOURNAL.read_text().splitlines()
    return [(digest, outcome) for digest, _, outcome in (line.partition(' ') for line in lines)]


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or '').strip().partition('\n')[0])
    parser.add_argument('files', nargs='*', help='sources or folders; all of places.yaml')
    parser.add_argument('--all', action='store_true', help='every mutant, however long it takes')
    parser.add_argument(
        '--resume', action='store_true', help='without those that an earlier run has seen killed'
    )
    parser.add_argument('--seconds', type=float, default=600.0, help='for a sample (%(default)s)')
    parser.add_argument('--seed', type=int, default=0, help='of the sample (%(default)s)')
    parser.add_argument('--jobs', type=int, default=2, help='at a time (%(default)s)')
    return parser.parse_args(arguments)


def _is_chosen(path: str, chosen: Sequence[str]) -> bool:
    places = [Path(name).resolve() for name in chosen]
    return not places or any((ROOT / path).is_relative_to(place) for place in places)


def _show_scores(scores: dict[str, Counter[str]]) -> None:
    print(f'{"package":20} {"run":>5} {"killed":>7} {"timeout":>8} {"survived":>9} {"score":>7}')
    for package, counts in scores.items():
        caught = sum(counts[outcome] for outcome in CAUGHT)
        run = counts.total() - counts['equivalent']
        score = f'{caught / run:.1%}' if run else '-'
        print(
            f'{package:20} {run:5} {counts["killed"]:7} {counts["timeout"]:8} '
            f'{run - caught:9} {score:>7}; {counts["equivalent"]} equivalent, not run'
        )


if __name__ == '__main__':
    sys.exit(main())
