"""YAML to dataclasses: every error at once, in words."""

from dataclasses import dataclass, field

import pytest

from ssd_detector.bundles.deploy_config import DeployConfig
from ssd_detector.config import load_yaml, parse_config, STRICT
from ssd_detector.errors import ConfigError

GOOD = {'model_name': 'voc', 'deploy': {'input': {'size': [300, 300, 3]}}}


@dataclass(frozen=True)
class Item:
    __pydantic_config__ = STRICT
    width: float = 1.0


@dataclass(frozen=True)
class Catalogue:
    __pydantic_config__ = STRICT
    items: tuple[Item, ...] = ()
    by_name: dict[str, Item] = field(default_factory=dict)
    maybe: Item | None = None


def findings(tree, schema=DeployConfig, origin='voc.yaml'):
    with pytest.raises(ConfigError) as error:
        parse_config(tree, schema, origin)
    return list(error.value.findings)


def test_defaults_fill_what_is_not_given():
    config = parse_config(GOOD, DeployConfig, 'voc.yaml')
    assert config.deploy.post_processing.score_threshold == 0.35
    assert config.deploy.runtime.opset == 17


def test_all_errors_are_reported_at_once_with_file_and_key_path():
    tree = {
        'modelname': 'voc',
        'deploy': {
            'input': {'size': [300, 200, 3]},
            'post_processing': {'score_treshold': 0.5, 'nms_iou_threshold': '0.5'},
            'runtime': {'precision': 'FP64'},
        },
    }
    assert sorted(findings(tree)) == [
        'voc.yaml: deploy.input.size: [300, 200, 3] is no square RGB input; expected [S, S, 3]',
        'voc.yaml: deploy.post_processing.nms_iou_threshold: input should be a valid number; '
        "received '0.5'",
        'voc.yaml: deploy.post_processing.score_treshold: unknown key; '
        'did you mean deploy.post_processing.score_threshold?',
        "voc.yaml: deploy.runtime.precision: input should be 'FP32', 'FP16' or 'INT8'; "
        "received 'FP64'",
        'voc.yaml: model_name: missing; add it',
        'voc.yaml: modelname: unknown key; did you mean model_name?',
    ]


def test_a_range_error_of_a_section_names_the_key():
    tree = GOOD | {'deploy': GOOD['deploy'] | {'post_processing': {'score_threshold': 1.5}}}
    assert findings(tree) == [
        'voc.yaml: deploy.post_processing.score_threshold: 1.5 is outside [0.0, 1.0]'
    ]


@pytest.mark.parametrize('tree', [{'items': [{'widht': 1}]}, {'by_name': {'a': {'widht': 1}}}])
def test_unknown_keys_are_found_inside_lists_and_maps(tree):
    (finding,) = findings(tree, Catalogue)
    assert 'widht: unknown key; did you mean' in finding
    assert finding.endswith('width?')


def test_an_unknown_key_that_resembles_none_lists_the_valid_ones():
    (finding,) = findings({'maybe': {'zzz': 1}}, Catalogue)
    assert finding == 'voc.yaml: maybe.zzz: unknown key; valid here: width'


def test_each_finding_names_the_file_that_set_the_key():
    origin = {'': 'experiment.yaml', 'maybe': 'base.yaml', 'maybe.width': 'command line'}
    assert findings({'maybe': {'width': 'x'}, 'zzz': 1}, Catalogue, origin) == [
        "command line: maybe.width: input should be a valid number; received 'x'",
        'experiment.yaml: zzz: unknown key; valid here: by_name, items, maybe',
    ]


def test_a_whole_number_is_a_number_and_a_text_is_none():
    assert parse_config({'maybe': {'width': 2}}, Catalogue, 'x').maybe.width == 2.0
    assert findings({'maybe': {'width': True}}, Catalogue)


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        ('a: 1\nb: [', 'no valid YAML'),
        ('- a\n- b\n', 'received a list; expected keys and values'),
        ('a: 1\na: 2\n', 'key a is given twice'),
    ],
)
def test_a_broken_yaml_file_is_named(tmp_path, text, words):
    path = tmp_path / 'broken.yaml'
    path.write_text(text)
    with pytest.raises(ConfigError, match=f'broken.yaml: .*{words}'):
        load_yaml(path)


def test_a_missing_yaml_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match='absent.yaml: can not be read .*check the path'):
        load_yaml(tmp_path / 'absent.yaml')


def test_an_empty_yaml_file_is_an_empty_tree(tmp_path):
    (tmp_path / 'empty.yaml').write_text('# nothing\n')
    assert load_yaml(tmp_path / 'empty.yaml') == {}


@pytest.mark.parametrize('text', ['1e-4', '+1E-4', '1.e-4', '.1e-3', '1.0e-4', '0.0001'])
def test_a_number_with_an_exponent_is_a_number(text, tmp_path):
    """YAML 1.1 reads 1e-4 as a text."""
    path = tmp_path / 'a.yaml'
    path.write_text(f'rate: {text}\nrates: [{text}]\nname: "{text}"\nother: e-4\n')

    assert load_yaml(path) == {'rate': 1e-4, 'rates': [1e-4], 'name': text, 'other': 'e-4'}


@pytest.mark.parametrize('opset', [12, 19])
def test_an_opset_that_can_not_be_exported_says_why(opset):
    tree = {'model_name': 'x', 'deploy': {'input': {'size': [32, 32, 3]}, 'runtime': {}}}
    tree['deploy']['runtime']['opset'] = opset

    with pytest.raises(ConfigError, match=rf'opset: {opset} is outside 13 to 18: INT8 .* tf2onnx'):
        parse_config(tree, DeployConfig, 'deploy.yaml')
