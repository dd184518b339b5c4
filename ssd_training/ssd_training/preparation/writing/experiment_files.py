"""What `data prepare` writes: COCO files of the splits, an experiment and a deploy config."""

from collections.abc import Sequence
import json
from pathlib import Path
from typing import Any

from ssd_detector.yaml_tree import dump_yaml
from ssd_training.data.annotations.annotations import Annotation
from ssd_training.data.images.records import ImageFile
from ssd_training.errors import DataError
from ssd_training.preparation.layouts.listing import EXPERIMENT
from ssd_training.preparation.options import LAID_OUT_AT_PX
from ssd_training.preparation.preparing import Prepared

DEPLOY = 'deploy.yaml'
SPLIT_FILES = ('train.json', 'val.json', 'test.json')
_COMPONENTS = (
    'base/backbones/mobilenetv2.yaml',
    'base/heads/ssdlite_head.yaml',
    'base/priors/ssd_300_tf.yaml',
    'base/losses/ssd_loss.yaml',
    'base/samplers/hard_negative.yaml',
    'base/optimizers/adamw_cosine.yaml',
    'base/augmentations/ssd_augment.yaml',
    'base/train/default.yaml',
    'base/eval/default.yaml',
    'base/run/default.yaml',
    'base/checkpoint/default.yaml',
    'base/logging/default.yaml',
    'base/runtime/default.yaml',
    'data/coco.yaml',
)
# Minutes on two cores, or ten epochs where these are more.
_IMAGES_TRAINED = 2400
_EPOCHS = (10, 60)
_BATCH = 16
_EVALUATIONS = 5
_MAX_BOXES = 100


def coco_tree(annotations: Sequence[Annotation], labels: Sequence[str], root: Path) -> Any:
    """
    Arrange a split as COCO has it.

    :param annotations: with boxes inside their pictures
    :param labels: names of the classes 1, 2, ...
    :param root: folder that the file names start from
    :return: the tree for JSON
    """
    numbers = {label: number for number, label in enumerate(labels, start=1)}
    objects: list[dict[str, Any]] = []
    images = []
    for image_id, annotation in enumerate(annotations, start=1):
        assert isinstance(annotation.image, ImageFile)
        name = annotation.image.path.relative_to(root).as_posix()
        width, height = annotation.size_wh
        images.append({'id': image_id, 'file_name': name, 'width': width, 'height': height})
        for found in annotation.objects:
            # Edges, not sides: rounded apart, place and side could leave the picture.
            x1, y1, x2, y2 = (round(edge, 3) for edge in found.box_xyxy)
            objects.append(
                {
                    'id': len(objects) + 1,
                    'image_id': image_id,
                    'category_id': numbers[found.label],
                    'bbox': [round(value, 3) for value in (x1, y1, x2 - x1, y2 - y1)],
                    'area': round((x2 - x1) * (y2 - y1), 3),
                    'iscrowd': int(found.is_difficult),
                }
            )
    categories = [{'id': number, 'name': label} for label, number in numbers.items()]
    return {'images': images, 'annotations': objects, 'categories': categories}


def write_files(folder: Path, prepared: Prepared, root: Path) -> list[str]:
    """
    Write everything that training and deploying need.

    :param folder: exists
    :param prepared: splits and classes
    :param root: of the pictures
    :return: what was kept of an earlier time, in words
    :raises DataError: when a configuration can't hold the path
    :raises OSError: when it can not be written
    """
    for path in (folder.absolute(), root.absolute()):
        if '${' in str(path):
            raise DataError(
                [f'{path}: ${{ is a variable in {EXPERIMENT}; give a folder of another name']
            )
    notes = []
    for name in SPLIT_FILES:
        if Path(name).stem not in prepared.splits and (folder / name).exists():
            # It may name what is in train now.
            (folder / name).replace(folder / f'{name}.old')
            notes.append(f'there is no {Path(name).stem} now: the earlier {name} is {name}.old')
    for split, annotations in prepared.splits.items():
        tree = coco_tree(annotations, prepared.labels, root)
        text = json.dumps(tree, ensure_ascii=False, indent=1)
        (folder / f'{split}.json').write_text(text, encoding='utf-8')
    for name, tree, command in (
        (EXPERIMENT, _experiment(folder, prepared, root), 'train --experiment_path'),
        (DEPLOY, _deploy(model_name(folder), prepared.input_size_px), 'deploy --deploy_config'),
    ):
        comment = (
            f'# Written by python -m ssd_training.data prepare; yours to change.\n'
            f'#   python -m ssd_training.{command} {folder / name}\n'
        )
        text = dump_yaml(tree)
        path = folder / name
        if path.exists() and not _holds(path, comment + text):
            path.replace(folder / f'{name}.old')
            notes.append(f'the earlier {path} is {name}.old now')
        path.write_text(comment + text, encoding='utf-8')
    return notes


def _holds(path: Path, text: str) -> bool:
    content = text.encode()
    # Of another size, it is another file; a pipe has none.
    return path.is_file() and path.stat().st_size == len(content) and path.read_bytes() == content


def model_name(folder: Path) -> str:
    """
    Name experiment and bundle after a folder.

    :param folder: any
    :return: ASCII letters, digits, dots, dashes and underscores, the first a letter or digit
    """
    name = ''.join(
        char if char.isascii() and (char.isalnum() or char in '.-_') else '_'
        for char in folder.absolute().name
    )
    return name.lstrip('._-') or 'detector'


def _experiment(folder: Path, prepared: Prepared, root: Path) -> dict[str, Any]:
    name, labels = model_name(folder), prepared.labels
    num_train = len(prepared.splits['train'])
    most = max(
        len(annotation.objects) for found in prepared.splits.values() for annotation in found
    )
    batch_size = min(_BATCH, max(num_train // 4, 1))
    epochs = min(max(-(-_IMAGES_TRAINED // num_train), _EPOCHS[0]), _EPOCHS[1])
    return {
        'experiment': {'id': name, 'name': f'{name}: {", ".join(labels)}'[:100]},
        'defaults': list(_COMPONENTS),
        'input_size': [prepared.input_size_px] * 2,
        'overrides': {
            'data': {
                'dataset_name': 'coco',
                'root': str(folder.absolute()),
                'train_split': 'train',
                'val_split': 'val',
                'max_boxes': max(_MAX_BOXES, most),
                'invalid_boxes': 'error',
                'exif_orientation': prepared.orientation,
                'max_image_pixels': prepared.max_image_pixels,
                'files_outside_root': prepared.outside,
                'labels': list(labels),
                'coco': {'annotations': '{split}.json', 'images': _literal(root.absolute())},
            },
            'backbone': {
                'output_layers': ['C4', 'C5'],
                'weights': 'released',
                'freeze_until': 'block_6',
                'freeze_bn': True,
            },
            'priors': {'laid_out_at_px': LAID_OUT_AT_PX},
            'matcher': {'iou_threshold_neg': 0.5},
            'optimizer': {'weight_decay': 0.0001},
            'scheduler': {
                'base_lr': 0.0006,
                'min_lr': 0.000012,
                'warmup': {'steps': None, 'epochs': 1},
            },
            'train': {
                'epochs': epochs,
                'batch_size': batch_size,
                'eval_every': max(epochs // _EVALUATIONS, 1),
                'ema': {'decay': 0.99},
            },
            'augmentation': {'expand': {'probability': 0.3, 'max_ratio': 2.5}},
            'run': {'root': str(folder.absolute() / 'runs')},
        },
    }


def _literal(path: Path) -> str:
    """Write a path so that str.format leaves it as it is."""
    return str(path).replace('{', '{{').replace('}', '}}')


def _deploy(name: str, size_px: int) -> dict[str, Any]:
    return {
        'model_name': name,
        'experiment_path': EXPERIMENT,
        'deploy': {
            'input': {'size': [size_px, size_px, 3], 'format': 'NHWC', 'color_space': 'RGB'},
            'post_processing': {
                'score_threshold': 0.35,
                'nms_iou_threshold': 0.5,
                'max_detections': 20,
                'per_class_top_k': 100,
            },
            'runtime': {'precision': 'FP32', 'batch_size': 1, 'opset': 17},
        },
    }
