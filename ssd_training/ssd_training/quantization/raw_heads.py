"""
What compilers of NPUs take: an ONNX file that ends at the heads, and what belongs beside it.

Hailo's SSD post-processing decodes and selects on its own from the outputs of the head
convolutions and a JSON configuration. Its keys and types are those of Hailo's model zoo
(cfg/postprocess_config/mobilenet_v2_ssd_nms_postprocess_config.json), its order of coordinates
that of HailoRT (net_flow/ops/ssd_post_process: y, x, h, w). The compiler itself was not run.
"""

import json
import logging
import math
from pathlib import Path
import re
import tempfile

import numpy as np
from numpy.typing import NDArray
import onnx
import onnx.utils

from ssd_detector.backends.backend import INPUT_NAME
from ssd_detector.bundles.contents import MODEL, PRIORS
from ssd_detector.preprocess import preprocess
from ssd_training.data.datasets import read_split
from ssd_training.data.sampling import load_images, sample_balanced
from ssd_training.deployment.build import Build
from ssd_training.deployment.trained_model import TrainedModel
from ssd_training.errors import ExportError
from ssd_training.experiments.model_schema import PriorsSettings
from ssd_training.targets.priors import grid_sizes, priors_per_cell

FOLDER = 'raw_heads'
_NUM_CALIBRATION = 64
# From x, y, w, h, as we code boxes, to y, x, h, w, as HailoRT reads them.
_HAILO_ORDER = (1, 0, 3, 2)

logger = logging.getLogger(__name__)


def export_raw_heads(trained: TrainedModel, build: Build) -> Path:
    """
    Write raw_heads/: model.onnx, priors_cxcywh.npy, nms_config.json, calibration.npy.

    :param trained: what is exported
    :param build: exported and converted
    :return: the folder, in the build folder
    :raises ExportError: when the heads are not found, or priors lie where Hailo has none
    :raises DataError: when the training images can't be read
    """
    config = trained.config
    check_centers(config.priors, config.input_size[0])
    folder = build.path / FOLDER
    folder.mkdir(exist_ok=True)
    priors_cxcywh = trained.priors_cxcywh()
    heads = cut_at_heads(build.file(MODEL), folder / MODEL)
    np.save(folder / PRIORS, priors_cxcywh)
    nms_config = describe_nms(trained, build, heads=heads, priors_cxcywh=priors_cxcywh)
    (folder / 'nms_config.json').write_text(json.dumps(nms_config, indent=2), encoding='utf-8')
    records = sample_balanced(
        read_split(config.data, config.data.train_split), _NUM_CALIBRATION, 0
    )
    images = load_images([record.image for record in records])
    size_px = config.input_size[0]
    inputs = np.concatenate([preprocess(image, size_px) for image in images])
    np.save(folder / 'calibration.npy', inputs)
    logger.info('%s: %d heads, %d calibration images', folder, len(heads), len(inputs))
    return folder


def check_centers(priors: PriorsSettings, size_px: int) -> None:
    """
    Refuse priors that are not where Hailo puts them.

    :param priors: of the experiment
    :param size_px: side of its input
    :raises ExportError: when they do not lie in the middle of even cells
    """
    if not priors.is_laid_out_at(size_px):
        raise ExportError(
            [
                f'--raw_heads: with priors.laid_out_at_px {priors.laid_out_at_px} the priors of '
                f'{size_px} px do not lie in the middle of their cells, where Hailo puts them; '
                f'train with input_size=[{priors.laid_out_at_px}, {priors.laid_out_at_px}]'
            ]
        )


def cut_at_heads(model_path: Path, destination: Path) -> list[tuple[str, str]]:
    """
    Cut everything behind the head convolutions off.

    :param model_path: the float32 ONNX file
    :param destination: the file to write
    :return: for each feature map, the outputs with the boxes' offsets (1, A * 4, H, W), each in
        the order y, x, h, w, and with the classes' logits (1, A * (C + 1), H, W)
    :raises ExportError: when boxes and classes do not come in pairs
    """
    model = onnx.load(model_path)
    producers = {name: node for node in model.graph.node for name in node.output}
    boxes = _find_heads(model, producers, 'box')
    classes = _find_heads(model, producers, 'cls')
    if not boxes or len(boxes) != len(classes):
        raise ExportError(
            [f'{model_path}: has {len(boxes)} box heads and {len(classes)} class heads']
        )
    heads = list(zip(boxes, classes, strict=True))
    with tempfile.TemporaryDirectory() as scratch:
        # extract_model reads types of inner tensors from the file.
        inferred = Path(scratch, MODEL)
        onnx.save(onnx.shape_inference.infer_shapes(model), inferred)
        onnx.utils.extract_model(
            inferred, destination, [INPUT_NAME], [name for pair in heads for name in pair]
        )
    cut = onnx.load(destination)
    for box_name, _ in heads:
        reorder_coordinates(cut, box_name)
    onnx.checker.check_model(cut, full_check=True)
    onnx.save(cut, destination)
    return heads


def reorder_coordinates(model: onnx.ModelProto, output_name: str) -> None:
    """
    Let a convolution give y, x, h, w in place of x, y, w, h, by the order of its filters.

    :param model: that holds the convolution; changed
    :param output_name: of the convolution
    """
    (conv,) = [node for node in model.graph.node if output_name in node.output]
    for initializer in model.graph.initializer:
        if initializer.name in conv.input[1:]:
            filters = onnx.numpy_helper.to_array(initializer)
            order = np.arange(len(filters)).reshape(-1, 4)[:, _HAILO_ORDER].reshape(-1)
            moved = onnx.numpy_helper.from_array(filters[order], initializer.name)
            initializer.CopyFrom(moved)


def describe_nms(
    trained: TrainedModel,
    build: Build,
    *,
    heads: list[tuple[str, str]],
    priors_cxcywh: NDArray[np.float32],
) -> dict[str, object]:
    """
    Describe the post-processing in the form that Hailo's `nms_postprocess(..., ssd)` reads.

    :param trained: what is exported
    :param build: holds the thresholds
    :param heads: from cut_at_heads
    :param priors_cxcywh: (P, 4) float32
    :return: the JSON's content; w and h of the anchors of a cell are shares of the image.
        reg_layer and cls_layer are names of the ONNX file: the parser of Hailo gives its own
    :raises ExportError: when a variance is not one over a whole number, which Hailo reads
    """
    thresholds = build.deploy.deploy.post_processing
    config = trained.config
    centers, sizes = (_whole_inverse(value) for value in config.priors.variances)
    decoders, first = [], 0
    grids = grid_sizes(config.priors.strides, config.input_size)
    per_cell = priors_per_cell(config.priors)
    for index, (box_name, class_name) in enumerate(heads):
        anchors = priors_cxcywh[first : first + per_cell[index]]
        first += grids[index][0] * grids[index][1] * per_cell[index]
        decoders.append(
            {
                'name': f'bbox_decoder_{index}',
                'h': [float(side) for side in anchors[:, 3]],
                'w': [float(side) for side in anchors[:, 2]],
                'reg_layer': box_name,
                'cls_layer': class_name,
            }
        )
    return {
        'nms_scores_th': thresholds.score_threshold,
        'nms_iou_th': thresholds.nms_iou_threshold,
        'image_dims': list(config.input_size),
        'max_proposals_per_class': thresholds.per_class_top_k,
        'classes': len(config.data.labels) + 1,
        'background_removal': True,
        'background_removal_index': 0,
        'centers_scale_factor': centers,
        'bbox_dimensions_scale_factor': sizes,
        'bbox_decoders': decoders,
    }


def _whole_inverse(variance: float) -> int:
    inverse = round(1 / variance)
    if not math.isclose(inverse * variance, 1):
        raise ExportError(
            [f'priors.variances: 1 / {variance} is no whole number, as Hailo wants it; retrain']
        )
    return inverse


def _find_heads(
    model: onnx.ModelProto, producers: dict[str, onnx.NodeProto], kind: str
) -> list[str]:
    """Name the Conv outputs that the rows of one kind are made of, in the order of the maps."""
    concat = [
        node
        for node in model.graph.node
        if node.op_type == 'Concat' and re.search(rf'(^|/){kind}_rows', node.name)
    ]
    return [_conv_before(name, producers) for node in concat[:1] for name in node.input]


def _conv_before(name: str, producers: dict[str, onnx.NodeProto]) -> str:
    node = producers[name]
    while node.op_type != 'Conv':
        name = node.input[0]
        node = producers[name]
    return name
