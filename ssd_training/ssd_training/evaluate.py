"""Score a model on the val split: `python -m ssd_training.evaluate SOURCE` or `--chain BUNDLE`."""

import argparse
from collections.abc import Sequence
import json
import os
from pathlib import Path
import sys
from typing import Any

CONFIG_ROOT = Path(__file__).parent / 'configs'
_PROGRESS_EVERY = 200


def main(argv: Sequence[str] | None = None) -> int:
    """
    Score; the result goes to stdout.

    :param argv: the arguments; those of the process by default
    :return: 0 good, 1 failed or a gate missed, 2 wrong usage
    """
    arguments = _parse(argv)
    # These take seconds; --help must not wait for them.
    from ssd_detector.errors import ConfigError, SsdDetectorError

    try:
        return _evaluate(arguments)
    except SsdDetectorError as error:
        print(error, file=sys.stderr)
        return 2 if isinstance(error, ConfigError) else 1


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='python -m ssd_training.evaluate', description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        'source',
        nargs='?',
        type=Path,
        help='bundle, run, *.weights.h5, *.onnx, COCO *.json',
    )
    what.add_argument('--chain', type=Path, metavar='BUNDLE', help='every stage of a bundle')
    parser.add_argument('--checkpoint', type=Path, help='with --chain: run folder or *.weights.h5')
    parser.add_argument('--max-loss', type=float, default=0.01, help='mAP a stage may lose (0.01)')
    parser.add_argument('--min-map', type=float, help='exit with 1 below this mAP')
    parser.add_argument(
        '--experiment_path',
        type=Path,
        help='data and settings (default: those of the bundle or run); overrides need it',
    )
    parser.add_argument('--config_root', type=Path, default=CONFIG_ROOT, help='of the experiment')
    parser.add_argument('--json', action='store_true', help='print JSON instead of a table')
    parser.add_argument('--overrides', nargs='+', default=[], metavar='key.path=value')
    return parser.parse_args(argv)


def _evaluate(arguments: argparse.Namespace) -> int:
    from ssd_detector.bundle import load_bundle
    from ssd_detector.errors import EvaluationError
    from ssd_training.data.datasets import read_split
    from ssd_training.engine.evaluation import analyse_run, detect_records, score_run
    from ssd_training.engine.stages import chain_stages, open_checkpoint, open_onnx, Stage

    path: Path = arguments.chain or arguments.source
    bundle = None
    if arguments.chain or (path / 'manifest.json').is_file():
        bundle = load_bundle(path)
    config = _read_config(arguments, path, bundle)
    if arguments.chain and bundle:
        stages = chain_stages(bundle, config, arguments.checkpoint)
    elif bundle:
        model_path, labels = bundle.model_path(), bundle.labels
        stages = [Stage('ONNX', None, lambda: open_onnx(model_path, labels))]
    elif path.suffix == '.onnx':
        stages = [Stage('ONNX', None, lambda: open_onnx(path, config.data.labels))]
    elif path.suffix in ('.engine', '.plan'):
        raise EvaluationError([f'{path}: needs the TensorRT backend, which is not there'])
    else:
        stages = [Stage('checkpoint', None, lambda: open_checkpoint(path, config))]
    records = read_split(config.data, config.data.val_split)
    if path.suffix == '.json':
        return _score_file(path, records, config, arguments)
    rows: list[dict[str, Any]] = []
    for stage in stages:
        row: dict[str, Any] = {'stage': stage.name, 'absent': stage.reason or None}
        if stage.open is not None:
            model = stage.open()
            run = detect_records(model, records, config.eval, _show_progress(stage.name))
            result = score_run(run, records, config.eval, config.data.labels)
            before = next((r.get('mAP') for r in rows if r['stage'] == stage.before), None)
            row |= {
                'mAP': result.mean_ap,
                'before': stage.before if before is not None else None,
                'loss': before - result.mean_ap if before is not None else None,
                'stage_ms': run.stage_ms,
                'ap_by_label': {k: v if v == v else None for k, v in result.ap_by_label.items()},
            }
            row |= analyse_run(run, records, config.eval, config.data.labels)
        rows.append(row)
    return _report(rows, arguments, len(records))


def _score_file(
    path: Path, records: Sequence[Any], config: Any, arguments: argparse.Namespace
) -> int:
    from ssd_detector.evaluation.detections_file import read_detections
    from ssd_detector.evaluation.running import Run
    from ssd_training.engine.evaluation import analyse_run, score_run

    image_ids = [record.image_id for record in records]
    run = Run(read_detections(path, image_ids, config.data.labels), {'inference': 0.0})
    result = score_run(run, records, config.eval, config.data.labels)
    row = {
        'stage': 'detections',
        'absent': None,
        'mAP': result.mean_ap,
        'before': None,
        'loss': None,
        'stage_ms': run.stage_ms,
        'ap_by_label': {k: v if v == v else None for k, v in result.ap_by_label.items()},
    }
    row |= analyse_run(run, records, config.eval, config.data.labels)
    return _report([row], arguments, len(records))


def _read_config(arguments: argparse.Namespace, path: Path, bundle: Any) -> Any:
    from ssd_detector.errors import ConfigError
    from ssd_training.engine.run_folder import read_finished_run
    from ssd_training.experiments.merge import load_experiment

    experiment_path = arguments.experiment_path
    if experiment_path is None and bundle is not None:
        experiment_path = bundle.config.experiment_path
    if experiment_path is None and path.is_dir() and not arguments.overrides:
        return read_finished_run(path).config
    if experiment_path is None:
        raise ConfigError(['--experiment_path: missing; it names the data to score on'])
    config, _ = load_experiment(
        Path(experiment_path),
        arguments.config_root,
        overrides=arguments.overrides,
        environment=os.environ,
    )
    if bundle is not None and bundle.labels != config.data.labels:
        raise ConfigError(
            [
                f'{path}: labels {", ".join(bundle.labels)}; {experiment_path} has '
                f'{", ".join(config.data.labels)}; the class lists must match'
            ]
        )
    return config


def _show_progress(name: str) -> Any:
    def show(done: int, total: int) -> None:
        if done % _PROGRESS_EVERY == 0 or done == total:
            print(f'{name}: {done}/{total} images', file=sys.stderr)

    return show


def _report(rows: list[dict[str, Any]], arguments: argparse.Namespace, num_images: int) -> int:
    if arguments.json:
        print(json.dumps({'num_images': num_images, 'stages': rows}, indent=2))
    else:
        _print_table(rows, num_images)
    failures = []
    for row in rows:
        loss, mean_ap = row.get('loss'), row.get('mAP')
        if arguments.chain and loss is not None and loss > arguments.max_loss:
            failures.append(f'{row["stage"]}: loses {loss:.4f} mAP; allowed {arguments.max_loss}')
        # NaN compares as false to everything.
        if arguments.min_map is not None and mean_ap is not None:
            if not mean_ap >= arguments.min_map:
                failures.append(f'{row["stage"]}: mAP {mean_ap:.4f}; min-map {arguments.min_map}')
    for failure in failures:
        print(failure, file=sys.stderr)
    return 1 if failures else 0


def _print_table(rows: list[dict[str, Any]], num_images: int) -> None:
    print(f'{"stage":<12}{"mAP":>8}{"loss":>9}  against      inference (of {num_images} images)')
    for row in rows:
        if row['absent']:
            print(f'{row["stage"]:<12}{"absent":>8}           {row["absent"]}')
            continue
        loss = '-' if row['loss'] is None else f'{row["loss"]:+.4f}'
        inference_ms = row['stage_ms']['inference']
        print(
            f'{row["stage"]:<12}{row["mAP"]:>8.4f}{loss:>9}  {row["before"] or "-":<12} '
            f'{inference_ms:.1f} ms'
        )
    if len(rows) == 1:
        _print_classes(rows[0])


def _print_classes(row: dict[str, Any]) -> None:
    def number(value: float | None) -> str:
        return f'{"-" if value is None else f"{value:.4f}":>11}'

    print(
        f'\n{"class":<14}{"AP":>11}{"best F1":>11}{"threshold":>11}{"precision":>11}{"recall":>11}'
    )
    for point in row['best_f1']:
        values = (point[key] for key in ('f1', 'score_threshold', 'precision', 'recall'))
        label = point['label']
        print(f'{label:<14}{number(row["ap_by_label"][label])}', *map(number, values), sep='')
    errors = ', '.join(f'{kind} {count}' for kind, count in row['errors'].items())
    print(f'\nerrors among all detections: {errors}')


if __name__ == '__main__':
    sys.exit(main())
