"""The live settings: from parameter values to what the worker obeys, with every error at once."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from ssd_detector import ConfigError, Regions, Thresholds
from ssd_detector.printable import quoted
from ssd_detector.regions import MAX_CORNERS, MAX_POLYGONS, Polygon
from ssd_detector_ros.outputs.messages import ClassIdFormat
from ssd_detector_ros.parameters.static_settings import MAX_AGE_MS

Value = TypeVar('Value')
# Given by the bundle where the user does not give them.
THRESHOLD_NAMES = (
    'score_threshold',
    'nms_iou_threshold',
    'max_detections',
    'class_thresholds',
    'allowed_classes',
)
# Boxes on ~/candidates: enough for a sweep of thresholds, few enough for a message.
MAX_CANDIDATES = 200
# Of a list of labels; no bundle has more.
MAX_LABELS = 10_000
# Twenty digits for a number are more than enough.
_LONGEST_POLYGON = 40 * MAX_CORNERS


@dataclass(frozen=True)
class Settings:
    """
    What the next frame obeys.

    :param thresholds: of ~/detections
    :param regions: where the model looks, and where boxes are ignored
    :param candidate_score_threshold: of ~/candidates
    :param class_id_format: see to_detection_array
    :param max_rate_hz: of each camera; 0 for no limit
    :param max_age_ms: of drop policy max_age
    :param only_if_subscribed: whether frames that nobody would hear of are dropped
    """

    thresholds: Thresholds = field(default_factory=Thresholds)
    regions: Regions = field(default_factory=Regions)
    candidate_score_threshold: float = 0.05
    class_id_format: ClassIdFormat = 'label'
    max_rate_hz: float = 0.0
    max_age_ms: float = MAX_AGE_MS
    only_if_subscribed: bool = False

    @property
    def candidate_thresholds(self) -> Thresholds:
        """The thresholds of ~/candidates."""
        return replace(
            self.thresholds,
            score_threshold=self.candidate_score_threshold,
            class_thresholds={},
            max_detections=MAX_CANDIDATES,
        )


def parse_settings(values: Mapping[str, Any], defaults: Thresholds) -> Settings:
    """
    Turn parameter values into settings.

    :param values: of every live parameter, with choices that there are; None for what the bundle
        gives
    :param defaults: the bundle's thresholds
    :return: the settings
    :raises ConfigError: with everything that is wrong
    """
    findings: list[str] = []
    thresholds = _collect(findings, lambda: _parse_thresholds(values, defaults), defaults)
    no_polygons: tuple[Polygon, ...] = ()
    polygons = _collect(findings, lambda: parse_polygons(values['ignore_polygons']), no_polygons)
    regions = _collect(findings, lambda: _parse_regions(values, polygons), Regions())
    if findings:
        raise ConfigError(findings)
    names = (
        'class_id_format',
        'candidate_score_threshold',
        'max_rate_hz',
        'max_age_ms',
        'only_if_subscribed',
    )
    return Settings(
        thresholds=thresholds,
        regions=regions,
        **{name: values[name] for name in names},
    )


def threshold_values(thresholds: Thresholds) -> dict[str, Any]:
    """
    Express thresholds as parameter values.

    :param thresholds: what applies
    :return: parameter name -> value
    """
    # An empty list is written as [''], which survives `ros2 param dump` and `load`; [] does not.
    pairs = [f'{label}={value}' for label, value in thresholds.class_thresholds.items()]
    lists = {
        'class_thresholds': pairs or [''],
        'allowed_classes': list(thresholds.allowed_classes) or [''],
    }
    return {name: lists.get(name, getattr(thresholds, name)) for name in THRESHOLD_NAMES}


def parse_class_thresholds(pairs: Iterable[str]) -> dict[str, float]:
    """
    Read `label=threshold` texts.

    :param pairs: empty texts are skipped: ROS can not tell an empty list from one of bytes
    :return: label -> threshold
    :raises ConfigError: with every text that is no such pair
    """
    result, findings = {}, []
    given = list(filter(None, pairs))
    if len(given) > MAX_LABELS:
        raise ConfigError([_tell_too_many('class_thresholds', len(given))])
    for pair in given:
        label, _, value = pair.rpartition('=')
        try:
            if not label or label in result:
                raise ValueError
            result[label] = float(value)
        except ValueError:
            findings.append(
                f'class_thresholds: received {quoted(pair)}; expected label=threshold, each label '
                f"once, such as 'cat=0.6'"
            )
    if findings:
        raise ConfigError(findings)
    return result


def parse_polygons(texts: Iterable[str]) -> tuple[Polygon, ...]:
    """
    Read polygons, each a text of corners `x,y x,y x,y`.

    :param texts: empty ones are skipped
    :return: the polygons
    :raises ConfigError: with every text that is no polygon
    """
    polygons: list[Polygon] = []
    findings = []
    given = list(filter(None, texts))
    if len(given) > MAX_POLYGONS:
        raise ConfigError(
            [f'ignore_polygons: received {len(given)}; expected at most {MAX_POLYGONS}']
        )
    for text in given:
        if len(text) > _LONGEST_POLYGON:
            findings.append(
                f'ignore_polygons: received {quoted(text)}; expected at most {MAX_CORNERS} '
                f'corners in {_LONGEST_POLYGON} characters'
            )
            continue
        try:
            pairs = (corner.split(',') for corner in text.split())
            polygons.append(tuple((float(x), float(y)) for x, y in pairs))
        except ValueError:
            findings.append(
                f'ignore_polygons: received {quoted(text)}; expected corners as shares of width '
                f"and height, such as '0.0,0.8 1.0,0.8 1.0,1.0 0.0,1.0'"
            )
    if findings:
        raise ConfigError(findings)
    return tuple(polygons)


def _parse_thresholds(values: Mapping[str, Any], defaults: Thresholds) -> Thresholds:
    given = {name: values[name] for name in THRESHOLD_NAMES if values.get(name) is not None}
    if 'class_thresholds' in given:
        given['class_thresholds'] = parse_class_thresholds(given['class_thresholds'])
    if 'allowed_classes' in given:
        allowed = tuple(filter(None, given['allowed_classes']))
        if len(allowed) > MAX_LABELS:
            raise ConfigError([_tell_too_many('allowed_classes', len(allowed))])
        given['allowed_classes'] = allowed
    return replace(defaults, **given)


def _parse_regions(values: Mapping[str, Any], polygons: tuple[Polygon, ...]) -> Regions:
    region: Sequence[float] = tuple(values['region_of_interest'])
    if len(region) != 4:
        raise ConfigError(
            [
                f'region_of_interest: received {len(region)} numbers; '
                f'expected 4: [x1, y1, x2, y2], such as [0.0, 0.5, 1.0, 1.0] for the lower half'
            ]
        )
    x1, y1, x2, y2 = region
    return Regions(region_of_interest=(x1, y1, x2, y2), ignore_polygons=polygons)


def _tell_too_many(name: str, num_labels: int) -> str:
    return f'{name}: received {num_labels} labels; expected at most {MAX_LABELS}'


def _collect(findings: list[str], parse: Callable[[], Value], fallback: Value) -> Value:
    try:
        return parse()
    except ConfigError as error:
        findings += error.findings
        return fallback
