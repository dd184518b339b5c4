"""Parameters: declared with ranges, checked all at once, turned into thresholds."""

from importlib.util import find_spec

from hypothesis import given
from hypothesis import strategies as st
import pytest

if find_spec('rclpy') is None:
    pytest.skip('ROS 2 is not sourced (no rclpy); run `make test`', allow_module_level=True)

from ament_index_python.packages import get_package_share_directory
import rclpy
from rclpy.node import Node

from ssd_detector import ConfigError, Thresholds
from ssd_detector.config import load_yaml
from ssd_detector_ros import parameters


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
    for name in parameters.DECLARATIONS:
        assert node.describe_parameter(name).description.endswith('.'), name


def test_ranges_stand_in_the_descriptors(declare):
    node, _ = declare()
    (unit,) = node.describe_parameter('score_threshold').floating_point_range
    assert (unit.from_value, unit.to_value) == (0.0, 1.0)
    (count,) = node.describe_parameter('max_detections').integer_range
    assert count.from_value == 1


def test_without_parameters_the_thresholds_are_the_bundles(declare):
    node, findings = declare()
    defaults = Thresholds(score_threshold=0.6, class_thresholds={'cat': 0.7})
    assert findings == {}
    assert parameters.read_thresholds(node, defaults) == defaults


def test_what_the_user_sets_goes_before_the_bundle(declare):
    node, _ = declare(*given_parameters(score_threshold=0.2, class_thresholds="['cat=0.4']"))
    thresholds = parameters.read_thresholds(node, Thresholds(max_detections=7))
    assert thresholds == Thresholds(
        score_threshold=0.2, max_detections=7, class_thresholds={'cat': 0.4}
    )


def test_every_wrong_parameter_is_reported_at_once(declare):
    _, findings = declare(
        *given_parameters(score_threshold=1.5, max_detections='many', score_treshold=0.5, speed=3)
    )
    assert set(findings) == {'score_threshold', 'max_detections', 'score_treshold', 'speed'}
    assert '1.5' in findings['score_threshold']
    assert 'did you mean score_threshold?' in findings['score_treshold']


def test_parameters_of_rclpy_are_no_unknown_names(declare):
    _, findings = declare(
        *given_parameters(use_sim_time='true'),
        *given_parameters(**{'qos_overrides./image.subscription.depth': 5}),
    )
    assert findings == {}


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=['Cs']), min_size=1), st.floats(0, 1), max_size=4
    )
)
def test_class_thresholds_survive_the_way_there_and_back(by_label):
    shown = parameters.threshold_parameters(Thresholds(class_thresholds=by_label))
    values = {parameter.name: parameter.value for parameter in shown}
    assert parameters.update_thresholds(Thresholds(), values).class_thresholds == by_label


@pytest.mark.parametrize('pair', ['cat', '=0.5', 'cat=high', 'cat=0.1=', 'cat:0.5'])
def test_a_text_that_is_no_class_threshold_is_shown(pair):
    with pytest.raises(ConfigError, match='label=threshold') as caught:
        parameters.parse_class_thresholds(['dog=0.5', pair])
    assert repr(pair) in str(caught.value)
    assert 'dog' not in str(caught.value).partition('expected')[0]


def test_a_label_given_twice_is_an_error():
    with pytest.raises(ConfigError, match='each label once'):
        parameters.parse_class_thresholds(['cat=0.5', 'cat=0.6'])


def test_an_empty_text_means_no_class_thresholds():
    assert parameters.parse_class_thresholds(['']) == {}


def test_the_parameter_file_says_what_the_declarations_say():
    path = parameters.bundle_path('').parents[1] / 'params' / 'detector.yaml'
    written = load_yaml(path)['/**']['ros__parameters']
    declared = {
        name: declaration.default
        for name, declaration in parameters.DECLARATIONS.items()
        if declaration.default is not None
    }
    assert written == declared


def test_the_default_bundle_is_the_one_of_this_package():
    share = get_package_share_directory('ssd_detector_ros')
    assert str(parameters.bundle_path('')) == f'{share}/models/mobilenetv2_ssd_voc'
