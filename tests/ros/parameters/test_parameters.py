"""Parameters: declared with ranges, checked all at once, turned into thresholds."""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from hypothesis import given
from hypothesis import strategies as st
import pytest
import rclpy
from rclpy.node import Node

from ssd_detector import ConfigError, Regions, Thresholds
from ssd_detector.config import load_yaml
from ssd_detector_ros.parameters import declaring as parameters
from ssd_detector_ros.parameters.declarations import DECLARATIONS, LIVE
from ssd_detector_ros.parameters.settings import (
    parse_class_thresholds,
    parse_polygons,
    parse_settings,
    Settings,
    threshold_values,
)
from ssd_detector_ros.parameters.static_settings import StaticSettings


@pytest.fixture
def declare():
    """Declare the parameters on a node that was given some on its command line."""
    context = rclpy.Context()
    rclpy.init(args=[], context=context)
    nodes = []

    def declare(*arguments):
        node = Node('test', context=context, cli_args=['--ros-args', *arguments])
        nodes.append(node)
        return node, parameters.declare_parameters(node)

    yield declare
    for node in nodes:
        node.destroy_node()
    context.try_shutdown()


def given_parameters(**values):
    return [word for name, value in values.items() for word in ('-p', f'{name}:={value}')]


def test_every_parameter_is_described(declare):
    node, _ = declare()
    for name in DECLARATIONS:
        assert node.describe_parameter(name).description.endswith('.'), name


def test_ranges_stand_in_the_descriptors(declare):
    node, _ = declare()
    (unit,) = node.describe_parameter('score_threshold').floating_point_range
    assert (unit.from_value, unit.to_value) == (0.0, 1.0)
    (count,) = node.describe_parameter('max_detections').integer_range
    assert count.from_value == 1


def values_of(node, **changes):
    live = {name: node.get_parameter_or(name).value for name in LIVE}
    return live | changes


def test_without_parameters_the_thresholds_are_the_bundles(declare):
    node, findings = declare()
    defaults = Thresholds(score_threshold=0.6, class_thresholds={'cat': 0.7})
    assert findings == {}
    assert parse_settings(values_of(node), defaults).thresholds == defaults


def test_what_the_user_sets_goes_before_the_bundle(declare):
    node, _ = declare(*given_parameters(score_threshold=0.2, class_thresholds="['cat=0.4']"))
    settings = parse_settings(values_of(node), Thresholds(max_detections=7))
    assert settings.thresholds == Thresholds(
        score_threshold=0.2, max_detections=7, class_thresholds={'cat': 0.4}
    )


def test_the_defaults_of_declarations_and_of_settings_are_the_same(declare):
    node, _ = declare()
    assert parse_settings(values_of(node), Thresholds()) == Settings()
    assert parameters.read_static(node) == (StaticSettings(), [])


def test_a_choice_that_there_is_not_is_told_and_leaves_the_rest_to_be_checked(declare):
    node, _ = declare(
        *given_parameters(image_transport='x', image_topics="['', 'a']", drop_policy='oldest')
    )
    settings, findings = parameters.read_static(node)
    assert settings == StaticSettings(image_topics=('a',))
    assert findings == [
        "image_transport: received 'x'; expected one of raw, compressed",
        "drop_policy: received 'oldest'; expected one of newest, max_age, keep_all",
    ]


def test_only_the_newest_frame_waits_unless_frames_wait_in_order():
    assert [
        StaticSettings(drop_policy=policy, queue_size=7).capacity
        for policy in ('newest', 'max_age', 'keep_all')
    ] == [1, 7, 7]


def test_everything_wrong_with_live_settings_is_told_at_once(declare):
    node, _ = declare()
    values = values_of(
        node,
        class_thresholds=['cat'],
        region_of_interest=[0.0, 1.0],
        ignore_polygons=['0,0 1'],
    )
    with pytest.raises(ConfigError) as caught:
        parse_settings(values, Thresholds())
    names = {finding.partition(':')[0] for finding in caught.value.findings}
    assert names == {'class_thresholds', 'region_of_interest', 'ignore_polygons'}


@pytest.mark.parametrize(
    ('name', 'value'),
    [('class_thresholds', ['cat']), ('region_of_interest', [0.0]), ('ignore_polygons', ['0,0 1'])],
)
def test_a_single_wrong_setting_is_a_single_finding(declare, name, value):
    node, _ = declare()
    with pytest.raises(ConfigError) as caught:
        parse_settings(values_of(node, **{name: value}), Thresholds())
    (finding,) = caught.value.findings
    assert finding.startswith(f'{name}: received')


def test_candidates_keep_all_but_the_score_thresholds(declare):
    node, _ = declare()
    values = values_of(
        node, class_thresholds=['cat=0.9'], allowed_classes=['cat'], candidate_score_threshold=0.1
    )
    candidates = parse_settings(values, Thresholds()).candidate_thresholds
    assert (candidates.score_threshold, candidates.class_thresholds) == (0.1, {})
    assert candidates.allowed_classes == ('cat',)


def test_polygons_are_read_as_corners():
    assert parse_polygons(['', '0.0,0.5 1,0.5 1.0,1.0']) == (((0, 0.5), (1, 0.5), (1, 1)),)


@pytest.mark.parametrize('text', ['0,0', '0,0 1,1', '0,0,0 1,1,1 1,0,0', 'a,b c,d e,f', '0 1 1'])
def test_a_text_that_is_no_polygon_is_shown(text):
    with pytest.raises(ConfigError, match='ignore_polygons'):
        Regions(ignore_polygons=parse_polygons([text]))


def test_every_wrong_parameter_is_reported_at_once(declare):
    _, findings = declare(
        *given_parameters(score_threshold=1.5, max_detections='many', score_treshold=0.5)
    )
    assert set(findings) == {'score_threshold', 'max_detections', 'score_treshold'}
    assert '1.5' in findings['score_threshold']
    assert 'did you mean score_threshold?' in findings['score_treshold']


def test_a_parameter_that_is_given_wrongly_keeps_its_default(declare):
    node, findings = declare(*given_parameters(image_topic=3, max_rate_hz=-1.0))
    assert set(findings) == {'image_topic', 'max_rate_hz'}
    kept = [node.get_parameter(name).value for name in findings]
    assert kept == [DECLARATIONS[name].default for name in findings]


@pytest.mark.parametrize('name', ['bundel', 'max_rate', 'Num_Threads', 'image_topcis'])
def test_a_name_that_is_nearly_one_of_ours_is_refused(declare, name):
    _, findings = declare(*given_parameters(**{name: 1}))
    assert 'unknown; did you mean' in findings[name]


FOREIGN = ('robot_name', 'base_frame', 'map_topic', 'sync_queue_size', 'image_raw.jpeg.quality')


def test_parameters_of_other_nodes_are_warned_of_in_one_line(declare, capfd):
    _, findings = declare(*given_parameters(**dict.fromkeys(FOREIGN, 3)), '-p', 'threshold:=0.5')
    assert findings == {}
    (line,) = capfd.readouterr().err.splitlines()
    assert 'WARN' in line and all(name in line for name in FOREIGN)
    assert 'threshold (did you mean score_threshold?)' in line


def test_parameters_of_ours_are_no_news(declare, capfd):
    given = given_parameters(score_threshold=0.5, image_topic='image', max_detections=3)
    assert declare(*given)[1] == {}
    assert capfd.readouterr().err == ''


def test_a_whole_number_is_taken_for_a_double(declare):
    node, findings = declare(
        *given_parameters(score_threshold=1, max_rate_hz=10, region_of_interest='[0, 0, 1, 1]')
    )
    assert findings == {}
    values = [node.get_parameter(name).value for name in ('score_threshold', 'max_rate_hz')]
    assert values == [1.0, 10.0] and all(isinstance(value, float) for value in values)
    assert list(node.get_parameter('region_of_interest').value) == [0.0, 0.0, 1.0, 1.0]
    _, findings = declare(*given_parameters(score_threshold=2))
    assert 'out of range' in findings['score_threshold']


def test_parameters_of_rclpy_are_no_unknown_names(declare):
    _, findings = declare(
        *given_parameters(use_sim_time='true'),
        *given_parameters(**{'qos_overrides./detections.publisher.depth': 5}),
    )
    assert findings == {}


def test_off_that_yaml_takes_for_false_comes_with_advice(declare):
    _, findings = declare(*given_parameters(verify='off'))
    assert "write 'off' in quotes" in findings['verify']


@pytest.mark.parametrize(('name', 'value'), [('verify', 3), ('bundle', 'off'), ('verify', 'on')])
def test_other_values_of_a_wrong_type_come_without_that_advice(declare, name, value):
    _, findings = declare(*given_parameters(**{name: value}))
    assert 'quotes' not in findings[name]


def test_a_parameter_is_known_to_be_given_or_not(declare):
    node, _ = declare(*given_parameters(score_threshold=0.5))
    names = ('score_threshold', 'max_age_ms')
    assert [parameters.is_given(node, name) for name in names] == [True, False]


def test_parameters_of_others_have_no_choices():
    values = {'other': 'x', 'bundle': 'x', 'drop_policy': 'newest', 'verify': 'x'}
    assert list(parameters.check_choices(values)) == ['verify']


def test_a_folder_is_relative_absolute_or_below_a_home(monkeypatch):
    monkeypatch.setenv('HOME', '/home/me')
    assert parameters.bundle_path('a') == Path.cwd() / 'a'
    folders = [str(parameters.folder_path(path)) for path in ('/a', '~/a')]
    assert folders == ['/a', '/home/me/a']
    with pytest.raises(ConfigError, match='~nobody-9/a: there is no such home'):
        parameters.folder_path('~nobody-9/a')


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=['Cs']), min_size=1), st.floats(0, 1), max_size=4
    )
)
def test_class_thresholds_survive_the_way_there_and_back(by_label):
    shown = threshold_values(Thresholds(class_thresholds=by_label))
    assert parse_class_thresholds(shown['class_thresholds']) == by_label


@pytest.mark.parametrize(('classes', 'shown'), [(('cat', 'dog'), ['cat', 'dog']), ((), [''])])
def test_allowed_classes_are_shown_as_a_list_that_is_never_empty(classes, shown):
    assert threshold_values(Thresholds(allowed_classes=classes))['allowed_classes'] == shown


@pytest.mark.parametrize('pair', ['cat', '=0.5', 'cat=high', 'cat=0.1=', 'cat:0.5'])
def test_a_text_that_is_no_class_threshold_is_shown(pair):
    with pytest.raises(ConfigError, match='label=threshold') as caught:
        parse_class_thresholds(['dog=0.5', pair])
    assert repr(pair) in str(caught.value)
    assert 'dog' not in str(caught.value).partition('expected')[0]


def test_a_label_given_twice_is_an_error():
    with pytest.raises(ConfigError, match='each label once'):
        parse_class_thresholds(['cat=0.5', 'cat=0.6'])


def test_an_empty_text_means_no_class_thresholds():
    assert parse_class_thresholds(['']) == {}


def test_the_parameter_file_says_what_the_declarations_say():
    path = parameters.bundle_path('').parents[1] / 'params' / 'detector.yaml'
    written = load_yaml(path)['/**']['ros__parameters']
    declared = {
        name: declaration.default
        for name, declaration in DECLARATIONS.items()
        if declaration.default is not None
    }
    assert written == declared


def test_the_default_bundle_is_the_one_of_this_package():
    share = get_package_share_directory('ssd_detector_ros')
    assert str(parameters.bundle_path('')) == f'{share}/models/mobilenetv2_ssd_voc'


def test_texts_and_lists_that_are_larger_than_anybody_needs_are_told_by_name():
    fitting = {
        'bundle_path': 4096 * 'a',
        'image_topics': [f'/camera_{index}' for index in range(32)],
        'max_detections': 10_000,
        'encoding': None,
    }
    assert parameters.check_sizes(fitting) == {}
    assert parameters.check_sizes({'image_topics': None}) == {}

    found = parameters.check_sizes(
        {'bundle_path': 4097 * 'a', 'image_topics': [*fitting['image_topics'], '/one_more']}
    )

    assert list(found) == ['bundle_path', 'image_topics']
    assert found['bundle_path'].startswith("bundle_path: received 'aaa")
    assert found['bundle_path'].endswith(', 4097 characters; expected at most 4096')
    assert found['image_topics'] == 'image_topics: received 33 topics; expected at most 32'


def test_what_a_list_and_a_polygon_may_hold():
    pairs = [f'label_{index}=0.5' for index in range(10_001)]
    assert len(parse_class_thresholds(pairs[:10_000])) == 10_000
    with pytest.raises(ConfigError, match='received 10001 labels; expected at most 10000'):
        parse_class_thresholds(pairs)

    # 40 characters for each of 256 corners.
    (polygon,) = parse_polygons(['0,0 1,0 1,1'.ljust(10_240)])
    assert polygon == ((0, 0), (1, 0), (1, 1))
    with pytest.raises(ConfigError, match='at most 256 corners in 10240 characters') as error:
        parse_polygons(['0,0 1,0 1,1'.ljust(10_241), 'no polygon'])
    assert len(error.value.findings) == 2


def test_allowed_classes_are_10_000_at_most(declare):
    node, _ = declare()
    labels = [f'label_{index}' for index in range(10_001)]
    settings = parse_settings(values_of(node, allowed_classes=labels[1:]), Thresholds())
    assert len(settings.thresholds.allowed_classes) == 10_000

    with pytest.raises(ConfigError, match='received 10001 labels; expected at most 10000'):
        parse_settings(values_of(node, allowed_classes=labels), Thresholds())


def test_candidates_are_200_at_most():
    candidates = Settings(candidate_score_threshold=0.01).candidate_thresholds

    assert candidates.max_detections == 200
