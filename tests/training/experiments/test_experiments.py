"""Experiment files, merging, fingerprint."""

import dataclasses
from operator import attrgetter
from pathlib import Path
import re
import shutil

import pytest
import yaml

from ssd_detector.errors import ConfigError
from ssd_training.deployment.trained_model import load_deploy_config
from ssd_training.errors import WeightsError
from ssd_training.experiments.architecture import flatten
from ssd_training.experiments.merge import format_tree, load_experiment
from ssd_training.runs.fingerprint import compute_fingerprint, select_recipe
from ssd_training.train import CONFIG_ROOT

EXPERIMENTS = sorted((CONFIG_ROOT / 'experiments').glob('*.yaml'))
DEPLOY_CONFIGS = sorted((CONFIG_ROOT / 'deploy').glob('*.yaml'))


def load_smoke(*overrides, environment=None, root=CONFIG_ROOT):
    path = Path('experiments/smoke.yaml')
    return load_experiment(path, root, overrides=overrides, environment=environment or {})


def findings_of(*overrides, **kwargs):
    with pytest.raises(ConfigError) as error:
        load_smoke(*overrides, **kwargs)
    return error.value.findings


def test_all_experiments_and_deploy_configs_are_there():
    assert [path.stem for path in EXPERIMENTS] == [
        '_template',
        'exp001_baseline',
        'exp002_ssdlite',
        'exp003_multiscale',
        'exp004_qat',
        'exp005_release',
        'exp006_larger_input',
        'exp007_coco80',
        'smoke',
    ]
    assert [path.stem for path in DEPLOY_CONFIGS] == [
        'mobilenetv2_ssd_coco',
        'mobilenetv2_ssd_voc',
        'mobilenetv2_ssd_voc_qat',
        'mobilenetv2_ssd_voc_release',
    ]


@pytest.mark.parametrize('path', EXPERIMENTS, ids=lambda path: path.stem)
def test_a_shipped_experiment_loads_and_is_named_like_its_file(path):
    config, _ = load_experiment(path, CONFIG_ROOT, environment={})

    assert config.experiment.id == path.stem.lstrip('_')
    # Images without objects teach background.
    assert config.sampler.min_neg > 0


# SSD (arXiv:1512.02325, section 2.2): half of the images change in colour and half are zoomed out
# of, up to four times; of six kinds of crop, one of which is any, the seventh is none.
AS_IN_SSD = {
    'photometric.probability': 0.5,
    'photometric.brightness': 32 / 256,
    'photometric.contrast': (0.5, 1.5),
    'photometric.saturation': (0.5, 1.5),
    'photometric.hue': 18 / 360,
    'expand.probability': 0.5,
    'expand.max_ratio': 4.0,
    'crop.probability': 0.8,
    'crop.min_ious': (0.1, 0.3, 0.5, 0.7, 0.9, 0.0),
    'crop.scale': (0.3, 1.0),
    'crop.aspect_ratio': (0.5, 2.0),
    'flip.probability': 0.5,
    'mosaic.probability': 0.0,
}
# Of the images that COCO's weights have seen already, fewer and less.
FINE_TUNED = {'expand.probability': 0.3, 'expand.max_ratio': 2.5}
# Rectangles are told apart by their colours, in seconds.
FLIPPED_ALONE = {f'{change}.probability': 0.0 for change in ('photometric', 'expand', 'crop')}


@pytest.mark.parametrize(
    ('name', 'changes'),
    [
        ('exp001_baseline', {}),
        ('exp002_ssdlite', FINE_TUNED),
        ('exp003_multiscale', FINE_TUNED),
        ('exp004_qat', FINE_TUNED),
        ('exp005_release', FINE_TUNED),
        ('exp006_larger_input', FINE_TUNED),
        ('smoke', FLIPPED_ALONE),
        ('_template', {}),
    ],
)
def test_a_shipped_experiment_augments_as_ssd_does_but_for_what_it_says(name, changes):
    path = CONFIG_ROOT / f'experiments/{name}.yaml'

    config, _ = load_experiment(path, CONFIG_ROOT, environment={})

    expected = AS_IN_SSD | changes
    assert {key: attrgetter(key)(config.augmentation) for key in expected} == expected


@pytest.mark.parametrize(
    ('one', 'other', 'keys'),
    [
        (
            'exp006_larger_input',
            'exp005_release',
            'data.train_split data.val_split',
        ),
        (
            'exp002_ssdlite',
            'exp006_larger_input',
            'input_size loss.classification.quality.high_iou '
            'loss.classification.quality.low_iou sampler.ignore_iou scheduler.base_lr '
            'train.amp.enabled train.amp.policy train.epochs train.eval_every',
        ),
    ],
)
def test_fine_tuned_experiments_differ_in_little(one, other, keys):
    found, others = (
        flatten(
            dataclasses.asdict(
                load_experiment(
                    CONFIG_ROOT / f'experiments/{name}.yaml', CONFIG_ROOT, environment={}
                )[0]
            )
        )
        for name in (one, other)
    )

    differing = {
        key
        for key in found.keys() | others.keys()
        if found.get(key) != others.get(key) and not key.startswith('experiment.')
    }
    assert differing == set(keys.split())


def test_every_shipped_component_but_spare_data_is_used_by_an_experiment():
    used = {
        str(Path(line.strip(' -\n')))
        for path in EXPERIMENTS
        for line in path.read_text().splitlines()
        if line.startswith(('  - base/', '  - data/'))
    }
    # Those that no experiment needs today.
    spare = {
        'base/augmentations/minimal.yaml',
        *(f'data/{name}.yaml' for name in ('voc2012', 'voc0712', 'coco')),
    }

    shipped = {
        str(path.relative_to(CONFIG_ROOT))
        for folder in ('base', 'data')
        for path in (CONFIG_ROOT / folder).rglob('*.yaml')
    }
    assert shipped == used | spare


def write_experiment(tmp_path, text):
    """Copy the configs, with a changed smoke.yaml."""
    shutil.copytree(CONFIG_ROOT, tmp_path / 'configs')
    path = tmp_path / 'configs/experiments/smoke.yaml'
    path.write_text(text(path.read_text()))
    return tmp_path / 'configs'


def test_empty_overrides_are_none():
    path = CONFIG_ROOT / 'experiments/_template.yaml'
    assert path.read_text().endswith('\noverrides:\n')

    config, _ = load_experiment(path, CONFIG_ROOT, environment={})

    assert config.optimizer.name == 'sgd'


def test_defaults_may_have_names_as_in_the_reference(tmp_path):
    def name_them(text):
        lines = text.splitlines(keepends=True)
        return ''.join(
            f'  part{number}: {line[4:]}'
            if line.startswith('  - base/') or '- data/' in line
            else line
            for number, line in enumerate(lines)
        )

    root = write_experiment(tmp_path, name_them)

    assert load_smoke(root=root)[0] == load_smoke()[0]


def test_values_on_the_command_line_are_yaml():
    config, _ = load_smoke(
        'backbone.weights=null',
        'data.labels=[triangle, ellipse]',
        'backbone.freeze_bn=true',
        'scheduler.warmup={steps: null, epochs: 0.5, start_factor: 0.25}',
    )

    assert config.backbone.weights is None
    assert config.data.labels == ('triangle', 'ellipse')
    assert config.backbone.freeze_bn is True
    assert config.scheduler.warmup.epochs == 0.5


@pytest.mark.parametrize(
    ('labels', 'finding'),
    [
        ('[triangle, on]', 'labels.1: received true, which YAML makes of a word .*: quote it'),
        ('[7]', 'labels.0: received 7, which YAML makes of .* a number; .*: quote it'),
        ('[triangle, null]', 'labels.1: received null, .*: quote it'),
        ('[triangle, "triangle "]', "labels: 'triangle ': blanks around a label; remove them"),
        ('[triangle, ""]', 'labels: an empty label'),
    ],
)
def test_labels_that_deploying_would_refuse_are_refused_when_they_are_read(labels, finding):
    assert any(re.search(finding, found) for found in findings_of(f'data.labels={labels}'))


def test_values_of_variables_are_yaml(tmp_path):
    root = write_experiment(tmp_path, lambda text: text)
    (root / 'base/run/default.yaml').write_text(
        'run: {root: runs}\ntrain: {epochs: "${EPOCHS:-4}"}\n'
        'sampler: {max_neg: "${MAX_NEG:-null}"}'
    )
    text = (root / 'experiments/smoke.yaml').read_text()
    (root / 'experiments/smoke.yaml').write_text(text.replace('    epochs: 3\n', ''))

    assert load_smoke(root=root)[0].train.epochs == 4
    changed, _ = load_smoke(root=root, environment={'EPOCHS': '7', 'MAX_NEG': '12'})
    assert (changed.train.epochs, changed.sampler.max_neg) == (7, 12)


@pytest.mark.parametrize('path', DEPLOY_CONFIGS, ids=lambda path: path.stem)
def test_a_shipped_deploy_config_loads_and_names_an_experiment(path):
    config, _ = load_deploy_config(path, CONFIG_ROOT, {})

    assert (CONFIG_ROOT / config.experiment_path).is_file()


def test_variables_in_a_deploy_config_are_replaced(tmp_path):
    tree = yaml.safe_load(DEPLOY_CONFIGS[0].read_text())
    text = yaml.safe_dump(tree | {'model_name': '${MODEL:-default}'})
    (tmp_path / 'deploy.yaml').write_text(text)

    names = [
        load_deploy_config(tmp_path / 'deploy.yaml', CONFIG_ROOT, environment)[0].model_name
        for environment in ({}, {'MODEL': 'another'})
    ]

    assert names == ['default', 'another']


def test_an_unknown_key_names_the_nearest_valid_one():
    findings = findings_of('train.batch_sise=3')

    assert findings == (
        'command line: train.batch_sise: unknown key; did you mean train.batch_size?',
    )


def test_everything_that_is_wrong_is_said_at_once_with_origin_and_key_path():
    findings = findings_of(
        'train.epochs=0',
        'matcher.iou_threshold_neg=0.9',
        'loss.regression.type=gious',
        'optimizer.momentum=0.9',
        'scheduler.warmup.steps=many',
        'heads.extra_layers.levels=[]',
    )

    text = '\n'.join(findings)
    for part in (
        'command line: train.epochs: input should be greater than or equal to 1; received 0',
        'matcher.iou_threshold_neg: 0.9 is above iou_threshold_pos 0.5',
        "loss.regression.type: input should be 'smooth_l1', 'l1', 'giou' or 'ciou'; received",
        'optimizer.momentum: adamw has no such key',
        'scheduler.warmup.steps: input should be a valid integer',
    ):
        assert part in text
    assert len(findings) == 5


def test_strides_that_do_not_fit_the_feature_maps_are_an_error():
    findings = findings_of('heads.extra_layers.levels=[]')

    assert 'priors.strides: 4 strides; the model has 3 feature maps' in findings[0]


def test_replicas_want_batch_norm_to_keep_its_statistics():
    findings = findings_of('runtime.strategy=mirrored', 'backbone.freeze_bn=false')

    assert 'backbone.freeze_bn: false with runtime.strategy mirrored' in findings[0]


def test_replicas_want_it_after_every_change_of_what_is_frozen():
    findings = findings_of(
        *('runtime.strategy=mirrored', 'backbone.freeze_bn=true', 'train.epochs=2'),
        'train.unfreeze=[{epoch: 2, freeze_until: null, freeze_bn: false}]',
    )

    assert 'train.unfreeze.0.freeze_bn: false with runtime.strategy' in findings[0]


@pytest.mark.parametrize('epochs', [(3, 2), (2, 2), (2, 9)])
def test_what_is_unfrozen_comes_in_the_order_of_epochs_that_are_trained(epochs):
    changes = ', '.join(
        f'{{epoch: {epoch}, freeze_until: null, freeze_bn: true}}' for epoch in epochs
    )

    findings = findings_of('train.epochs=8', f'train.unfreeze=[{changes}]')

    assert len(findings) == 1
    assert f'unfreeze: the epochs {list(epochs)} do not rise' in findings[0]


def test_a_missing_component_and_a_missing_experiment_are_errors(tmp_path):
    shutil.copytree(CONFIG_ROOT, tmp_path / 'configs')
    (tmp_path / 'configs/base/losses/ssd_loss.yaml').unlink()

    (finding,) = findings_of(root=tmp_path / 'configs')
    assert 'ssd_loss.yaml: can not be read' in finding
    with pytest.raises(ConfigError, match='nothing.yaml: no such file; looked for'):
        load_experiment(Path('nothing.yaml'), CONFIG_ROOT, environment={})


@pytest.mark.parametrize(
    ('names', 'advice'),
    [
        (['deploy.yaml', 'experiment.yaml'], 'give cones/experiment.yaml'),
        (['mine.yml', 'notes.txt'], 'give cones/mine.yml'),
        (['a.yaml', 'b.yaml'], 'expected a YAML file; it holds a.yaml, b.yaml'),
        (
            [f'{letter}.yaml' for letter in 'abcdefghijkl'],
            'expected a YAML file; it holds '
            'a.yaml, b.yaml, c.yaml, d.yaml, e.yaml, f.yaml, g.yaml, h.yaml, i.yaml, j.yaml, '
            '... and 2 more',
        ),
        ([], 'expected a YAML file; it holds none'),
    ],
    ids=['prepared', 'one', 'two', 'many', 'none'],
)
def test_a_folder_in_the_place_of_an_experiment_is_called_one(
    tmp_path, monkeypatch, names, advice
):
    (tmp_path / 'cones').mkdir()
    for name in names:
        (tmp_path / 'cones' / name).touch()
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ConfigError) as caught:
        load_experiment(Path('cones'), CONFIG_ROOT, environment={})

    assert caught.value.findings == (f'cones: is a folder; {advice}',)


@pytest.mark.parametrize(
    ('environment', 'expected'),
    [({}, 'datasets'), ({'DATA_ROOT': ''}, 'datasets'), ({'DATA_ROOT': '/data'}, '/data')],
    ids=['unset', 'empty', 'set'],
)
def test_variables_follow_the_rule_of_the_shell(environment, expected):
    path = Path('experiments/exp002_ssdlite.yaml')
    config, _ = load_experiment(path, CONFIG_ROOT, environment=environment)

    assert config.data.root == f'{expected}/VOCdevkit/VOC2007'


def test_a_variable_without_default_has_to_be_set(tmp_path):
    shutil.copytree(CONFIG_ROOT, tmp_path / 'configs')
    (tmp_path / 'configs/base/run/default.yaml').write_text('run: {root: "${NOWHERE}"}')

    (finding,) = findings_of(root=tmp_path / 'configs')

    assert 'run/default.yaml: run.root: variable NOWHERE is not set' in finding


def test_the_command_line_wins_over_overrides_over_components():
    plain, _ = load_smoke()
    changed, _ = load_smoke('train.epochs=7', 'scheduler.base_lr=1e-4')

    assert (plain.train.epochs, plain.train.seed) == (3, 1337)
    assert (changed.train.epochs, changed.scheduler.base_lr) == (7, 1e-4)


@pytest.mark.parametrize(
    ('value', 'finding'),
    [
        ('{low_iou: 0.9, high_iou: 0.7}', 'high_iou: 0.7 is not above low_iou 0.9'),
        ('{low_iou: 0.4}', 'high_iou: missing; add it'),
    ],
)
def test_a_section_that_replaces_nothing_is_of_where_it_was_given(value, finding):
    """The file says null: it is not at fault."""
    key = 'loss.classification.quality'

    assert findings_of(f'{key}={value}') == (f'command line: {key}.{finding}',)


def test_what_replaced_a_section_leaves_nothing_of_it_to_blame():
    key = 'loss.classification.quality'
    overrides = (f'{key}={{low_iou: 0.1, high_iou: 0.9}}', f'{key}=null')

    assert findings_of(*overrides, f'{key}={{low_iou: 0.4}}') == (
        f'command line: {key}.high_iou: missing; add it',
    )


def test_one_key_of_a_section_that_the_command_line_gave_is_to_blame():
    """The other keys of the section are the file's."""
    key = 'priors.laid_out_at_px'

    with pytest.raises(ConfigError) as error:
        load_experiment(
            CONFIG_ROOT / 'experiments/exp001_baseline.yaml',
            CONFIG_ROOT,
            overrides=[f'{key}=300'],
            environment={},
        )
    assert error.value.findings[0].startswith(f'command line: {key}: needs strides')


def test_an_override_that_is_none_is_an_error():
    assert findings_of('train.epochs')[0].endswith('train.epochs: expected key.path=value')


def test_the_printed_config_tells_where_each_value_comes_from():
    _, merged = load_smoke('train.seed=5')

    lines = format_tree(merged).splitlines()

    assert '  seed: 5  # command line' in lines
    assert f'  batch_size: 32  # {CONFIG_ROOT}/experiments/smoke.yaml' in lines
    assert f'    beta: 1.0  # {CONFIG_ROOT}/base/losses/ssd_loss.yaml' in lines
    assert f'  grad_clip_norm: 10.0  # {CONFIG_ROOT}/base/optimizers/adamw_cosine.yaml' in lines


@pytest.mark.parametrize(
    'override',
    [
        'train.batch_size=5',
        'data.labels=[ellipse]',
        'eval.nms.iou_threshold=0.5',
        'sampler.ignore_iou=0.6',
        'loss.classification.quality={low_iou: 0.4, high_iou: 0.7}',
    ],
)
def test_what_shapes_the_result_changes_the_fingerprint(override):
    assert compute_fingerprint(load_smoke()[0]) != compute_fingerprint(load_smoke(override)[0])


def test_recipes_from_before_a_key_existed_keep_their_fingerprint():
    config = load_smoke()[0]
    before = {
        'loss': {'distillation': None, 'classification': {'quality': None, 'type': 'focal'}},
        'sampler': {'ignore_iou': None, 'min_neg': 5},
        'quantization': None,
    }

    assert select_recipe(before) == {
        'loss': {'classification': {'type': 'focal'}},
        'sampler': {'min_neg': 5},
    }
    # Of the last commit before `quality` and `ignore_iou`.
    assert compute_fingerprint(config) == '60e92c44b144'


@pytest.mark.parametrize(
    ('side_px', 'is_near'), [(69, False), (70, True), (175, True), (176, False)]
)
def test_an_input_far_from_where_priors_were_laid_out_is_refused(side_px, is_near):
    overrides = (f'input_size=[{side_px}, {side_px}]', 'priors.laid_out_at_px=100')
    if is_near:
        assert load_smoke(*overrides)[0].input_size == (side_px, side_px)
    else:
        (finding,) = findings_of(*overrides)
        assert finding.startswith(f'command line: input_size: {side_px} px with priors.laid_out')
        assert finding.endswith('give 70 to 175 px, or priors.laid_out_at_px: null')


def test_where_weights_learnt_counts_at_other_sizes_alone():
    def print_of(*overrides):
        return compute_fingerprint(load_smoke('input_size=[96, 96]', *overrides)[0])

    learned = 'priors.laid_out_at_px={}'.format
    sizes = 'train.multi_scale={enabled: true, sizes_px: [64, 96]}'

    assert print_of(learned(96)) == print_of()
    assert print_of(learned(112)) != print_of()
    assert print_of(learned(96), sizes) != print_of(sizes)


@pytest.mark.parametrize(
    'override',
    [
        'data.root=/elsewhere',
        'run.root=/tmp',
        'experiment.description=other words',
        'checkpoint.keep_last_k=9',
        'logging.level=debug',
        'runtime.num_threads=1',
    ],
)
def test_names_and_places_do_not_change_the_fingerprint(override):
    fingerprint = compute_fingerprint(load_smoke()[0])

    assert compute_fingerprint(load_smoke(override)[0]) == fingerprint
    assert len(fingerprint) == 12


def test_weights_count_by_content_in_the_fingerprint(tmp_path):
    def fingerprint_with(name, content):
        (tmp_path / name).write_bytes(content)
        return compute_fingerprint(load_smoke(f'backbone.weights={tmp_path / name}')[0])

    assert fingerprint_with('a.npz', b'1') == fingerprint_with('b.npz', b'1')
    assert fingerprint_with('a.npz', b'1') != fingerprint_with('a.npz', b'2')
    with pytest.raises(WeightsError, match='backbone.weights=released .* set SSD_WEIGHTS_DIR'):
        compute_fingerprint(load_smoke(f'backbone.weights={tmp_path}/none.npz')[0])


def test_the_git_commit_changes_the_fingerprint():
    config, _ = load_smoke()

    assert compute_fingerprint(config, git_commit='1a2b') != compute_fingerprint(config)
