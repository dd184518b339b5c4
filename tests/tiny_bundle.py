"""A valid bundle whose answers are known: how red, green and blue an image is, at fixed places."""

from datetime import datetime, timezone
from functools import cache
import math
from pathlib import Path
import time

import numpy as np
import onnx
from onnx import helper, numpy_helper, TensorProto
import onnxruntime

from ssd_detector.bundles.bundle import write_bundle
from ssd_detector.proofs.parity import Parity, Tolerance
from ssd_detector.proofs.parity_file import write_parity

LABELS = ('red', 'green', 'blue')
SIZE_PX = 32
# One prior a class; its box does not move, its score is the mean of the class's channel.
BOXES_NORMALIZED_XYXY = np.array(
    [[0.125, 0.25, 0.5, 0.75], [0.5, 0.0, 1.0, 0.5], [-0.25, 0.5, 0.25, 1.25]], np.float32
)
# Side of the matrices that a slow model multiplies.
_DELAY_SIDE = 512
DEPLOY_YAML = """\
model_name: tiny
deploy:
  input: {size: [32, 32, 3]}
  post_processing: {score_threshold: 0.35, nms_iou_threshold: 0.5, max_detections: 20}
"""


def write_tiny_bundle(
    folder: Path,
    *,
    deploy_yaml: str = DEPLOY_YAML,
    labels: tuple[str, ...] = LABELS,
    delay_ms: float = 0.0,
    takes_batches: bool = False,
) -> Path:
    """
    Write the bundle.

    :param folder: where; its name is free
    :param deploy_yaml: the deploy config's text
    :param labels: three names
    :param delay_ms: of each inference, on one core of this machine that does nothing else
    :param takes_batches: leaves the first dimension of its input free
    :return: the folder
    """
    scratch = folder.parent / f'{folder.name}_parts'
    scratch.mkdir(parents=True)
    num_delays = math.ceil(delay_ms / product_ms()) if delay_ms else 0
    model = tiny_model(num_delays=num_delays, takes_batches=takes_batches)
    onnx.save(model, scratch / 'model.onnx')
    starts, ends = BOXES_NORMALIZED_XYXY[:, :2], BOXES_NORMALIZED_XYXY[:, 2:]
    np.save(scratch / 'priors_cxcywh.npy', np.hstack([(starts + ends) / 2, ends - starts]))
    contents = {
        'model.onnx': scratch / 'model.onnx',
        'priors_cxcywh.npy': scratch / 'priors_cxcywh.npy',
        'labels.txt': '\n'.join(labels) + '\n',
        'deploy.yaml': deploy_yaml,
        'MODEL_CARD.md': '# tiny\n\nFor tests.\n',
    }
    write_bundle(folder, contents, manifest_fields())
    return folder


def write_verifiable_bundle(
    folder: Path,
    *,
    box_shift: float = 0.0,
    score_change: float = 0.0,
    deploy_yaml: str = DEPLOY_YAML,
) -> Path:
    """
    Write the bundle with parity.npz: what it gives for a red image, moved by something.

    :param folder: where; its name is free
    :param box_shift: added to the recorded boxes, normalized
    :param score_change: added to the recorded scores
    :param deploy_yaml: the deploy config's text
    :return: the folder
    """
    plain = write_tiny_bundle(folder.parent / f'{folder.name}_plain', deploy_yaml=deploy_yaml)
    images = np.full((2, SIZE_PX, SIZE_PX, 3), (255, 0, 0), np.uint8)
    scores = np.array([[0, 1, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0]], np.float32)
    parity = Parity(
        images,
        np.stack([BOXES_NORMALIZED_XYXY + np.float32(box_shift)] * 2),
        np.stack([scores + np.float32(score_change)] * 2),
        {'FP32': Tolerance(0.1, 0.01)},
    )
    parity_path = folder.parent / f'{folder.name}_parity.npz'
    write_parity(parity_path, parity)
    contents = {path.name: path for path in plain.iterdir() if path.name != 'manifest.json'}
    write_bundle(folder, contents | {'parity.npz': parity_path}, manifest_fields())
    return folder


def manifest_fields() -> dict[str, object]:
    """
    Give the manifest of the tiny bundle, but for its files.

    :return: what write_bundle takes
    """
    return {
        'name': 'tiny',
        'created_at': datetime.now(timezone.utc).isoformat(),
        'input_size_px': SIZE_PX,
        'num_priors': len(LABELS),
        'num_classes': len(LABELS),
        'fingerprint': '0' * 12,
        'training_run': 'none',
        'versions': {'onnx': onnx.__version__},
        'metrics': {},
    }


def tiny_model(
    *, size_px: int = SIZE_PX, num_delays: int = 0, takes_batches: bool = False
) -> onnx.ModelProto:
    """
    Build the model: scores from the channel means, boxes constant.

    :param size_px: side of the input
    :param num_delays: multiplications of large matrices on the way, without effect
    :param takes_batches: leaves the first dimension free
    :return: the model, opset 17
    """
    num_columns = len(LABELS) + 1
    weights = np.zeros((3, len(LABELS), num_columns), np.float32)
    bias = np.zeros((len(LABELS), num_columns), np.float32)
    for channel in range(len(LABELS)):
        weights[channel, channel, channel + 1] = 1
        weights[channel, channel, 0] = -1
        bias[channel, 0] = 1
    constants = {
        'weights': weights.reshape(3, -1),
        'bias': bias.reshape(-1),
        'shape': np.array([-1, len(LABELS), num_columns], np.int64),
        'zero': np.zeros(1, np.float32),
        'all_boxes': BOXES_NORMALIZED_XYXY[None],
    }
    if num_delays:
        constants['large'] = np.eye(_DELAY_SIDE, dtype=np.float32)
        constants['pads'] = np.array([0, 0, _DELAY_SIDE - 1, _DELAY_SIDE - 3], np.int64)
        # Without the rows that were added, whatever the batch.
        constants['starts'] = np.zeros(2, np.int64)
        constants['ends'] = np.array([1 - _DELAY_SIDE, 3], np.int64)
    nodes = [
        helper.make_node('ReduceMean', ['input_image'], ['plain_means'], axes=[1, 2], keepdims=0),
        *_delay_nodes(num_delays),
        helper.make_node('Gemm', ['means', 'weights', 'bias'], ['flat']),
        helper.make_node('Reshape', ['flat', 'shape'], ['scores']),
        # As many as there are scores; both are (..., 4).
        helper.make_node('Mul', ['scores', 'zero'], ['zeros']),
        helper.make_node('Add', ['zeros', 'all_boxes'], ['boxes']),
    ]
    batch = 'batch' if takes_batches else 1
    graph = helper.make_graph(
        nodes,
        'tiny',
        inputs=[_tensor('input_image', [batch, size_px, size_px, 3])],
        outputs=[
            _tensor('boxes', [batch, len(LABELS), 4]),
            _tensor('scores', [batch, len(LABELS), num_columns]),
        ],
        initializer=[numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opset = helper.make_opsetid('', 17)
    return helper.make_model(graph, opset_imports=[opset], ir_version=8)


@cache
def product_ms() -> float:
    """Measure a multiplication of large matrices on one core: from one to ten milliseconds."""
    num_products = 4
    content = tiny_model(num_delays=num_products).SerializeToString()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, providers=['CPUExecutionProvider'])
    image = {'input_image': np.zeros((1, SIZE_PX, SIZE_PX, 3), np.float32)}
    laps_s = []
    for _ in range(5):
        # Of this thread, which does it all: others may have the core meanwhile.
        start_s = time.thread_time()
        session.run(None, image)
        laps_s.append(time.thread_time() - start_s)
    return 1e3 * min(laps_s) / num_products


def _delay_nodes(num_delays: int) -> list[onnx.NodeProto]:
    """Multiply by the identity, again and again; the values come out as they went in."""
    if num_delays == 0:
        return [helper.make_node('Identity', ['plain_means'], ['means'])]
    return [
        helper.make_node('Pad', ['plain_means', 'pads'], ['product_0']),
        *(
            helper.make_node('MatMul', [f'product_{index}', 'large'], [f'product_{index + 1}'])
            for index in range(num_delays)
        ),
        helper.make_node('Slice', [f'product_{num_delays}', 'starts', 'ends'], ['means']),
    ]


def _tensor(name: str, shape: list[int | str]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
