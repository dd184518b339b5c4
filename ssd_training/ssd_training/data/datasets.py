"""From the section `data` to the records of its splits."""

from collections.abc import Iterable, Sequence
import logging
from pathlib import Path

from ssd_training.data.annotations.annotations import (
    AnnotatedObject,
    Annotation,
    Finding,
    Policy,
)
from ssd_training.data.annotations.identity import check_disjoint
from ssd_training.data.annotations.remaining import count_remaining, describe_remaining
from ssd_training.data.annotations.repair import to_records
from ssd_training.data.images.cache import cache_images
from ssd_training.data.images.decoding import Decoding
from ssd_training.data.images.orientation import log_orientations
from ssd_training.data.images.records import Record
from ssd_training.data.sources.coco import read_coco_annotations
from ssd_training.data.sources.shapes import generate_shapes
from ssd_training.data.sources.voc import read_voc_annotations
from ssd_training.errors import DataError
from ssd_training.experiments.data_schema import DataSettings

logger = logging.getLogger(__name__)


def read_splits(settings: DataSettings) -> tuple[list[Record], list[Record]]:
    """
    Read what is trained on and what is scored.

    :param settings: the section `data`
    :return: records of train_split, with the cache, and of val_split, none where that is null
    :raises DataError: with everything that is missing or wrong; when an image is in both
    """
    splits: list[list[Record]] = []
    wrong: list[str] = []
    for split in settings.splits:
        try:
            splits.append(read_split(settings, split))
        except DataError as error:
            wrong += error.findings
    if wrong:
        raise DataError(wrong)
    train, val = (*splits, [])[:2]
    check_disjoint(train, val)
    log_orientations([*train, *val])
    return cache_images(train, settings.cache), val


def read_split(settings: DataSettings, split: str) -> list[Record]:
    """
    Read one split; images are decoded later.

    :param settings: the section `data`
    :param split: its name
    :return: the records
    :raises DataError: with everything that is missing or wrong
    """
    annotations: Iterable[Annotation]
    if settings.tfrecords.enabled or settings.shapes is not None:
        records = _read_records(settings, split)
        annotations = (_to_annotation(record, settings.labels) for record in records)
    else:
        annotations, findings = _read_files(settings, split)
        wrong = _leave_out_unreadable(findings, settings)
        records = to_records(annotations, policy_of(settings), findings=wrong, name=split)
    _say_remaining(annotations, settings, split)
    return records


def read_val_split(settings: DataSettings) -> list[Record]:
    """
    Read what is scored.

    :param settings: the section `data`
    :return: the records of val_split
    :raises DataError: see read_split; when there is no val_split
    """
    if settings.val_split is None:
        raise DataError(
            [
                'data.val_split: null, all images were for learning; to score, name a split '
                'that was not learnt from (data.val_split=NAME)'
            ]
        )
    return read_split(settings, settings.val_split)


def _read_records(settings: DataSettings, split: str) -> list[Record]:
    if settings.tfrecords.enabled:
        # TensorFlow, which takes seconds.
        from ssd_training.data.sources.shards import read_shards, shard_folder

        folder = shard_folder(shards_root(settings), split)
        return read_shards(
            folder,
            labels=settings.labels,
            max_boxes=settings.max_boxes,
            decoding=decoding_of(settings),
        )
    return _generate(settings, split)


def _leave_out_unreadable(
    findings: Sequence[Finding], settings: DataSettings
) -> Sequence[Finding]:
    """Log images of no size that can't be read, if they may be left out."""
    if settings.unreadable_images == 'error':
        return findings
    for finding in findings:
        if finding.kind == 'unreadable image':
            logger.warning('%s; left out', finding)
    return [finding for finding in findings if finding.kind != 'unreadable image']


def _say_remaining(annotations: Iterable[Annotation], settings: DataSettings, split: str) -> None:
    """Refuse a split without objects, and log what else is odd about what is left."""
    counts = count_remaining(annotations, policy_of(settings))
    for finding in describe_remaining(counts, split):
        if finding.kind == 'no objects':
            raise DataError([str(finding)])
        logger.warning('%s', finding)


def read_annotations(
    settings: DataSettings, split: str
) -> tuple[Sequence[Annotation], Sequence[Finding]]:
    """
    Read one split as it was annotated, right or wrong.

    :param settings: the section `data`
    :param split: its name
    :return: the annotations, and what can not be read
    :raises DataError: when the split can not be read at all
    """
    if settings.tfrecords.enabled or settings.shapes is not None:
        records = _read_records(settings, split)
        return [_to_annotation(record, settings.labels) for record in records], []
    return _read_files(settings, split)


def shards_root(settings: DataSettings) -> Path:
    """
    Tell where the shards of all splits are.

    :param settings: the section `data`
    :return: the folder
    """
    return Path(settings.tfrecords.dir or Path(settings.root or '.') / 'shards')


def policy_of(settings: DataSettings) -> Policy:
    """
    Pick what is done about wrong annotations.

    :param settings: the section `data`
    :return: the policy
    """
    return Policy(
        labels=settings.labels,
        max_boxes=settings.max_boxes,
        invalid_boxes=settings.invalid_boxes,
        min_box_size_px=settings.min_box_size_px,
        unknown_classes=settings.unknown_classes,
        empty_images=settings.empty_images,
    )


def decoding_of(settings: DataSettings) -> Decoding:
    """
    Pick how images are decoded.

    :param settings: the section `data`
    :return: how, but for the sizes that annotations say
    """
    return Decoding(settings.exif_orientation, max_pixels=settings.max_image_pixels)


def _read_files(settings: DataSettings, split: str) -> tuple[list[Annotation], list[Finding]]:
    root = Path(settings.root or '.')
    if settings.coco is None:
        return read_voc_annotations(
            root,
            split,
            box_base=settings.voc_box_base,
            decoding=decoding_of(settings),
            outside=settings.files_outside_root,
        )
    return read_coco_annotations(
        root / settings.coco.annotations.format(split=split),
        root / settings.coco.images.format(split=split),
        decoding=decoding_of(settings),
        root=root,
        outside=settings.files_outside_root,
    )


def _generate(settings: DataSettings, split: str) -> list[Record]:
    assert settings.shapes is not None
    is_train = split == 'train'
    return generate_shapes(
        split,
        labels=settings.labels,
        num_images=settings.shapes.num_train if is_train else settings.shapes.num_val,
        size_px=settings.shapes.size_px,
        seed=settings.shapes.seed,
    )


def _to_annotation(record: Record, labels: Sequence[str]) -> Annotation:
    truths = record.ground_truths
    objects = zip(truths.boxes_xyxy.tolist(), truths.class_ids, truths.is_difficult, strict=True)
    return Annotation(
        record.image_id,
        record.image,
        record.image.name,
        record.size_wh,
        tuple(
            AnnotatedObject(labels[class_id - 1], (x1, y1, x2, y2), bool(is_difficult))
            for (x1, y1, x2, y2), class_id, is_difficult in objects
        ),
    )


def keep_readable(records: Sequence[Record], *, skips_unreadable: bool) -> list[Record]:
    """
    Decode every image once.

    :param records: of the split
    :param skips_unreadable: leave out what can't be read, and log it; otherwise that is an error
    :return: the records whose images can be read
    :raises DataError: with every image that can't be read
    """
    kept: list[Record] = []
    findings: list[str] = []
    for record in records:
        try:
            record.load_image()
        except DataError as error:
            findings += error.findings
        else:
            kept.append(record)
    if findings and not (kept and skips_unreadable):
        raise DataError(findings)
    for finding in findings:
        logger.warning('%s; left out, %d in all', finding, len(findings))
    return kept
