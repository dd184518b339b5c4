"""From experiment files to one tree: defaults, overrides, ${VAR:-default}, key.path=value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
import json
from pathlib import Path
import re
from typing import Any

import yaml

from ssd_detector.config import load_yaml, origin_of, parse_config, Schema
from ssd_detector.errors import ConfigError
from ssd_detector.yaml_tree import parse_yaml
from ssd_training.experiments.replaced_keys import REPLACED_KEYS, split_replaced_keys
from ssd_training.experiments.schema import ExperimentConfig

Tree = dict[str, Any]

# As `data prepare` names it.
_EXPERIMENT = 'experiment.yaml'
_COMMAND_LINE = 'command line'
_YAML_SUFFIXES = ('.yaml', '.yml')
_MOST_NAMED = 10
_VARIABLE = re.compile(r'\$\{(?P<name>\w+)(?::-(?P<default>[^}]*))?\}')


@dataclass(frozen=True)
class MergedTree:
    """
    A merged tree and where its values come from.

    :param tree: plain YAML values
    :param origins: key path -> file, environment variable or command line
    """

    tree: Tree
    origins: dict[str, str]


def load_experiment(
    experiment_path: Path,
    config_root: Path,
    *,
    overrides: Sequence[str] = (),
    environment: Mapping[str, str],
) -> tuple[ExperimentConfig, MergedTree]:
    """
    Read an experiment with everything that it is made of.

    :param experiment_path: the YAML file; a relative one is looked for in config_root, too
    :param config_root: folder that the paths in `defaults` start from
    :param overrides: `key.path=value`, the value as YAML
    :param environment: variables for `${NAME:-default}`
    :return: the checked configuration and the tree that it was made of
    :raises ConfigError: with everything that is wrong
    """
    merged = merge(experiment_path, config_root, overrides=overrides, environment=environment)
    return parse_merged(merged, ExperimentConfig, REPLACED_KEYS), merged


def parse_merged(
    merged: MergedTree, schema: type[Schema], replaced_keys: Mapping[str, str]
) -> Schema:
    """
    Check a merged tree, also for keys of the reference that are others here.

    :param merged: see MergedTree
    :param schema: the dataclass wanted
    :param replaced_keys: key path, or one above it -> what to do instead
    :return: the checked configuration
    :raises ConfigError: with everything that is wrong
    """
    tree, replaced = split_replaced_keys(merged.tree, replaced_keys)
    findings = [
        f'{origin_of(path, merged.origins)}: {path}: no key here; {advice}'
        for path, advice in replaced.items()
    ]
    try:
        config = parse_config(tree, schema, merged.origins)
    except ConfigError as error:
        raise ConfigError([*findings, *error.findings]) from error
    if findings:
        raise ConfigError(findings)
    return config


def merge(
    experiment_path: Path,
    config_root: Path,
    *,
    overrides: Sequence[str],
    environment: Mapping[str, str],
) -> MergedTree:
    """
    Merge an experiment without checking it against the schema.

    :param experiment_path: as in load_experiment
    :param config_root: as in load_experiment
    :param overrides: as in load_experiment
    :param environment: as in load_experiment
    :return: mappings are merged key by key; lists and values replace what was there
    :raises ConfigError: for files, variables and overrides that can not be read
    """
    file = find_config(experiment_path, config_root)
    own = load_yaml(file)
    findings: list[str] = []
    tree: Tree = {}
    origins: dict[str, str] = {'': str(file)}
    for layer, origin in _layers(own, file, config_root, findings):
        _merge_into(tree, layer, origin, origins)
    tree = _substitute(tree, environment, origins, findings)
    for text in overrides:
        if layer := _parse_override(text, findings):
            _merge_into(tree, layer, _COMMAND_LINE, origins)
    if findings:
        raise ConfigError(findings)
    return MergedTree(tree, origins)


def load_tree(file: Path, environment: Mapping[str, str]) -> MergedTree:
    """
    Read one file that stands alone.

    :param file: the YAML file
    :param environment: variables for `${NAME:-default}`
    :return: its tree
    :raises ConfigError: when it can not be read or a variable is not set
    """
    findings: list[str] = []
    tree: Tree = {}
    origins = {'': str(file)}
    _merge_into(tree, load_yaml(file), str(file), origins)
    tree = _substitute(tree, environment, origins, findings)
    if findings:
        raise ConfigError(findings)
    return MergedTree(tree, origins)


def format_tree(merged: MergedTree) -> str:
    """
    Write a merged tree as YAML with the origin of each value behind it.

    :param merged: see merge
    :return: lines of text; lists stand on one line
    """
    return '\n'.join(_format_lines(merged.tree, '', merged.origins))


def find_config(path: Path, config_root: Path, *, usual_name: str = _EXPERIMENT) -> Path:
    """
    Look a file up.

    :param path: as given; a relative one may start at the working directory or at config_root
    :param config_root: folder of the configs
    :param usual_name: of such a file, which is proposed where a folder was given
    :return: the file
    :raises ConfigError: when it is in neither place, or a folder
    """
    candidates = [path] if path.is_absolute() else [path, config_root / path]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    for candidate in candidates:
        if candidate.is_dir():
            advice = _choose_in(candidate, usual_name)
            raise ConfigError([f'{candidate}: is a folder; {advice}'])
    looked = ' and '.join(str(candidate.absolute()) for candidate in candidates)
    raise ConfigError([f'{path}: no such file; looked for {looked}'])


def _choose_in(folder: Path, usual_name: str) -> str:
    """Propose a file of a folder: the one that is meant, where that can be told."""
    names = sorted(path.name for path in folder.glob('[!.]*') if path.suffix in _YAML_SUFFIXES)
    if usual_name in names or len(names) == 1:
        return f'give {folder / (usual_name if usual_name in names else names[0])}'
    more = [f'... and {len(names) - _MOST_NAMED} more'] if len(names) > _MOST_NAMED else []
    return f'expected a YAML file; it holds {", ".join(names[:_MOST_NAMED] + more) or "none"}'


def _layers(
    own: Tree, file: Path, config_root: Path, findings: list[str]
) -> list[tuple[Tree, str]]:
    """List what is merged, the weakest first."""
    layers = []
    components = own.get('defaults') or []
    if isinstance(components, dict):
        components = list(components.values())
    if not isinstance(components, list):
        findings.append(
            f'{file}: defaults: expected a list of files (or names with files) below {config_root}'
        )
        components = []
    for component in components:
        path = config_root / str(component)
        try:
            layers.append((load_yaml(path), str(path)))
        except ConfigError as error:
            findings += error.findings
    strongest = own.get('overrides') or {}
    if not isinstance(strongest, dict):
        findings.append(f'{file}: overrides: expected keys and values; received {strongest!r}')
        strongest = {}
    rest = {key: value for key, value in own.items() if key not in ('defaults', 'overrides')}
    return [*layers, (rest, str(file)), (strongest, str(file))]


def _merge_into(
    tree: Tree, layer: Tree, origin: str, origins: dict[str, str], prefix: str = ''
) -> None:
    for key, value in layer.items():
        path = f'{prefix}{key}'
        if isinstance(value, dict):
            if not isinstance(tree.get(key), dict):
                tree[key], origins[path] = {}, origin
            _merge_into(tree[key], value, origin, origins, f'{path}.')
        else:
            tree[key] = value
            for below in [known for known in origins if known.startswith(f'{path}.')]:
                del origins[below]
            origins[path] = origin


def _substitute(
    value: Any,
    environment: Mapping[str, str],
    origins: dict[str, str],
    findings: list[str],
    path: str = '',
) -> Any:
    """Replace ${NAME:-default} in every text; an empty variable counts as none, as in shells."""
    if isinstance(value, dict):
        return {
            key: _substitute(
                item, environment, origins, findings, f'{path}.{key}' if path else key
            )
            for key, item in value.items()
        }
    if not isinstance(value, str) or not _VARIABLE.search(value):
        return value

    def replace(match: re.Match[str]) -> str:
        found = environment.get(match['name']) or match['default']
        if found is None:
            findings.append(
                f'{origins.get(path, "")}: {path}: variable {match["name"]} is not set; '
                f'set it or give a default: ${{{match["name"]}:-default}}'
            )
        return found or ''

    text = _VARIABLE.sub(replace, value)
    return parse_yaml(text) if _VARIABLE.fullmatch(value) else text


def _parse_override(text: str, findings: list[str]) -> Tree:
    path, separator, value = text.partition('=')
    keys = path.split('.')
    if not separator or not all(keys):
        findings.append(f'{_COMMAND_LINE}: {text}: expected key.path=value')
        return {}
    try:
        parsed = parse_yaml(value)
    except yaml.YAMLError as error:
        findings.append(f'{_COMMAND_LINE}: {path}: no valid YAML: {" ".join(str(error).split())}')
        return {}
    for key in reversed(keys):
        parsed = {key: parsed}
    tree: Tree = parsed
    return tree


def _format_lines(tree: Tree, prefix: str, origins: Mapping[str, str]) -> list[str]:
    indent = '  ' * prefix.count('.')
    lines = []
    for key, value in tree.items():
        path = f'{prefix}{key}'
        if isinstance(value, dict):
            lines += [f'{indent}{key}:', *_format_lines(value, f'{path}.', origins)]
        else:
            text = json.dumps(value, ensure_ascii=False)
            lines.append(f'{indent}{key}: {text}  # {origins[path]}')
    return lines
