"""The page of a result: what stands in it, and how a browser shows it."""

from dataclasses import replace
import html
import json
import re
import shutil
import subprocess

import numpy as np
import pytest

from ssd_detector.errors import EvaluationError
from ssd_detector.evaluation.analysis import analyse
from ssd_detector.report.charts import Plot, round_up
from ssd_detector.report.comparison import compare_results, Side
from ssd_detector.report.description import describe
from ssd_detector.report.files import read_matches, read_result, write_matches, write_result
from ssd_detector.report.matrix import MatrixDrawing
from ssd_detector.report.page import render_comparison, render_report
from ssd_detector.report.pictures import mark_worst
from ssd_detector.report.result import DataResult, Origin
from ssd_detector.report.summary import summarize
from tests.core.evaluation.cases import random_data_sets
from tests.patience import patience_s

# The third has no object, and its name must not become a tag of the page.
LABELS = ('cat', 'dog', '<i>&')
WIDTHS_PX = (1280, 400)
# Measures pages in frames of some widths, and leaves what it finds in the title.
MEASURE = """
const frames = [...document.querySelectorAll('iframe')];
addEventListener('load', () => {
  document.title = JSON.stringify(frames.map(frame => {
    const page = frame.contentDocument, width = page.documentElement.clientWidth;
    const images = [...page.images];
    const wide = [...page.body.querySelectorAll('*')].filter(
      one => !one.closest('.scroll, nav, .picture'),
    ).filter(one => one.getBoundingClientRect().right > width + 1);
    return {
      images: images.length,
      broken: images.filter(one => !one.complete || one.naturalWidth === 0).length,
      overflow: page.documentElement.scrollWidth - width,
      wide: wide.map(one => one.tagName + '.' + one.className),
    };
  }));
});
"""


@pytest.fixture(scope='module')
def analysis():
    for found, truths in random_data_sets(50, seed=4):
        present = {int(class_id) for truth in truths.values() for class_id in truth.class_ids}
        if present == {1, 2} and len(found) > 2:
            break
    named = {
        image_id: replace(detections, labels=[LABELS[index - 1] for index in detections.class_ids])
        for image_id, detections in found.items()
    }
    return analyse(named, truths, labels=LABELS)


@pytest.fixture(scope='module')
def result(analysis):
    origin = Origin(
        title='model.onnx',
        created_at='2026-01-02T03:04:05+00:00',
        source={'kind': 'ONNX', 'path': '/a/rather/long/path/' + 'x' * 80, 'sha256': 'a' * 64},
        data=DataResult('voc val', 2, 3, 1, 'b' * 64),
        settings={'iou_threshold': 0.5},
        versions={'numpy': np.__version__},
        speed_ms={'decode': 1.0, 'preprocess': 0.5, 'inference': 9.0, 'postprocess': 2.0},
        wall_s=0.5,
    )
    return describe(analysis, origin)


@pytest.fixture(scope='module')
def page(analysis, result):
    image = np.full((90, 120, 3), 128, np.uint8)
    pictures = [mark_worst(worst, image, LABELS) for worst in analysis.worst_images]
    assert pictures
    return render_report(result, pictures)


@pytest.fixture(scope='module')
def comparison(analysis, result):
    side = Side('a model', result, analysis.matching)
    return compare_results(side, replace(side, name='another with a long name ' + 'x' * 80))


@pytest.fixture(scope='module')
def seen(page, comparison, tmp_path_factory):
    """Open the pages in Chromium, each in one frame a width."""
    chromium = shutil.which('chromium') or shutil.which('google-chrome')
    if chromium is None:
        pytest.skip('Chromium is not installed (apt install chromium)')
    frames = ''.join(
        f'<iframe style="width: {width}px; height: 900px; border: 0" srcdoc="{html.escape(text)}">'
        f'</iframe>'
        for text in (page, render_comparison(comparison))
        for width in WIDTHS_PX
    )
    folder = tmp_path_factory.mktemp('chromium')
    (folder / 'frames.html').write_text(f'{frames}<script>{MEASURE}</script>', encoding='utf-8')
    switches = ('headless', 'no-sandbox', 'disable-gpu', 'disable-quic', 'no-first-run')
    switches += ('disable-background-networking', 'disable-component-update', 'disable-sync')
    process = subprocess.run(
        [
            *(chromium, *(f'--{switch}' for switch in switches), '--dump-dom'),
            *(f'--user-data-dir={folder / "profile"}', f'file://{folder / "frames.html"}'),
        ],
        capture_output=True,
        text=True,
        timeout=patience_s(60),
    )
    title = re.search(r'<title>(\[.*?\])</title>', process.stdout, re.DOTALL)
    assert title, process.stderr[-2000:]
    return json.loads(html.unescape(title[1]))


def test_a_browser_loads_every_picture(seen, page):
    assert [frame['broken'] for frame in seen] == [0] * 4
    assert [frame['images'] for frame in seen] == [page.count('<img')] * 2 + [0, 0]


def test_nothing_overflows_on_a_laptop_or_a_telephone(seen):
    assert [(frame['overflow'], frame['wide']) for frame in seen] == [(0, [])] * 4


def test_the_page_asks_no_network(page):
    assert not re.findall(r'(?:src|href)="(?!#|data:)|url\(|@import|https?://', page)


def test_the_verdict_is_said_in_words(comparison):
    apart = replace(comparison, at_iou=replace(comparison.at_iou, second=0.9, low=0.01, high=0.2))
    unsure = replace(
        comparison, at_iou=replace(comparison.at_iou, second=0.9, low=-0.01, high=0.2)
    )

    assert 'find the same' in comparison.verdict
    assert 'B is better than A' in apart.verdict
    assert 'can not be told apart' in unsure.verdict
    assert '\N{MINUS SIGN}1.00 to +20.00, holds 0' in unsure.verdict


def test_matches_come_back_as_they_were_written(analysis, tmp_path):
    write_matches(analysis.matching, tmp_path / 'matches.npz')
    matching = read_matches(tmp_path / 'matches.npz')

    assert matching.image_ids == analysis.matching.image_ids
    np.testing.assert_equal(vars(matching.objects), vars(analysis.matching.objects))
    np.testing.assert_equal(matching.own_ious, analysis.matching.own_ious)


def test_names_do_not_become_tags(page):
    assert '<i>&' not in page
    assert '&lt;i&gt;&amp;' in page


def test_a_class_without_objects_has_dashes_and_no_curve(result, page):
    assert result.by_class[2].ap is None
    assert 'nan' not in page.lower().replace('dominan', '')


def test_the_file_gives_back_what_was_written(result, tmp_path):
    write_result(result, tmp_path / 'metrics.json')

    assert read_result(tmp_path / 'metrics.json') == result


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('{"mAP": 0.5}', 'is no metrics.json of this version; evaluate again'),
        ('{', 'can not be read as JSON'),
    ],
)
def test_another_file_is_refused_by_name(tmp_path, text, message):
    (tmp_path / 'metrics.json').write_text(text)

    with pytest.raises(EvaluationError, match=f'metrics.json: {message}'):
        read_result(tmp_path / 'metrics.json')


def test_thinned_curves_keep_their_ends(analysis, result):
    for of_class, curve in zip(analysis.classes, result.curves, strict=True):
        assert len(curve.scores) <= len(of_class.curve.scores)
        if len(of_class.curve.scores):
            assert curve.recall[-1] == pytest.approx(of_class.curve.recall[-1], abs=1e-5)
            assert curve.scores[0] == pytest.approx(of_class.curve.scores[0], abs=1e-5)


def test_the_matrix_shows_every_count_once(result):
    cells = list(MatrixDrawing(result.confusion).cells)

    assert sum(cell.count for cell in cells) == sum(map(sum, result.confusion.counts))


def test_the_summary_names_the_weakest_class_and_the_largest_loss(result):
    by_class = [
        replace(of_class, ap=ap)
        for of_class, ap in zip(result.by_class, (0.9, 0.2, None), strict=True)
    ]
    errors = [replace(error, ap_lost=0.1 * i) for i, error in enumerate(result.errors)]
    sentences = summarize(replace(result, by_class=tuple(by_class), errors=tuple(errors)))

    assert sentences[0] == 'Weakest classes: dog 20.0 %, cat 90.0 %; best: cat 90.0 %.'
    assert 'Most AP is lost to missed errors' in sentences[1]
    assert '50.0 points' in sentences[1]


def test_a_plot_places_corners_and_encloses_what_lies_below():
    plot = Plot(left=10, top=20, width=100, height=50, x_range=(0, 2))

    assert (plot.x(0), plot.x(2), plot.y(0), plot.y(1)) == (10, 110, 70, 20)
    assert plot.area([0, 2], [1, 1]) == '10,70 10,20 110,20 110,70'


@pytest.mark.parametrize(('value', 'expected'), [(0.012, 0.02), (0.2, 0.2), (3, 5), (7, 10)])
def test_axes_end_at_round_values(value, expected):
    assert round_up(value) == pytest.approx(expected)
