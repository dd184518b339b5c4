"""Detector: the public entry; preprocess -> backend -> postprocess."""

from collections.abc import Mapping, Sequence
import dataclasses
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ssd_detector.backend_selection import BackendRequest, open_backend
from ssd_detector.backends.backend import Backend, BatchBackend, RawOutputs
from ssd_detector.backends.onnxruntime import CPU_PROVIDERS
from ssd_detector.bundles.bundle import AUTO, Bundle, load_bundle
from ssd_detector.detections import Detections
from ssd_detector.postprocess import postprocess, Thresholds
from ssd_detector.preprocess import check_image, preprocess
from ssd_detector.regions import Regions


class Detector:
    """
    Finds objects in images.

    `thresholds` and `regions` may be assigned at any time, from any thread: the next image obeys.

    :param bundle: what was loaded
    :param backend: runs the model
    :param thresholds: what is reported
    """

    def __init__(self, bundle: Bundle, backend: Backend, thresholds: Thresholds) -> None:
        self.bundle = bundle
        self.thresholds = thresholds
        self.regions = Regions()
        self._backend = backend

    @classmethod
    def from_bundle(
        cls,
        path: str | Path,
        *,
        score_threshold: float | None = None,
        nms_iou_threshold: float | None = None,
        max_detections: int | None = None,
        class_thresholds: Mapping[str, float] | None = None,
        model: str = AUTO,
        backend: str = AUTO,
        precision: str = AUTO,
        num_threads: int = 0,
        providers: Sequence[str] = CPU_PROVIDERS,
        require_gpu: bool = False,
        engine_build: str = 'background',
        use_cuda_graph: bool = False,
    ) -> 'Detector':
        """
        Load a bundle; what is not given here is as the bundle's deploy.yaml says.

        :param path: the bundle's folder
        :param score_threshold: in [0, 1]
        :param nms_iou_threshold: in [0, 1]
        :param max_detections: at least 1
        :param class_thresholds: score thresholds of single labels
        :param model: a model file of the bundle, or `auto` for the one of the precision
        :param backend: onnxruntime, tensorrt, openvino or `auto`, see BackendRequest
        :param precision: FP32, FP16, INT8, or `auto` for the bundle's
        :param num_threads: threads of one inference; 0 takes the cores of this process, at most 4
        :param providers: ONNX Runtime providers in order of preference
        :param require_gpu: an error instead of a warning and the CPU
        :param engine_build: background, wait or off: what to do where TensorRT has no engine yet
        :param use_cuda_graph: TensorRT only: record the inference once and replay it
        :return: the detector
        :raises BundleError: when the bundle is not valid, with everything that is wrong
        :raises ConfigError: when a threshold is out of range or names an unknown label
        :raises BackendError: when the model can't be loaded or the provider is not there
        """
        bundle = load_bundle(path)
        overrides = {
            'score_threshold': score_threshold,
            'nms_iou_threshold': nms_iou_threshold,
            'max_detections': max_detections,
            'class_thresholds': class_thresholds,
        }
        given = {name: value for name, value in overrides.items() if value is not None}
        thresholds = dataclasses.replace(bundle.thresholds, **given)  # type: ignore[arg-type]
        thresholds.by_class(bundle.labels)
        request = BackendRequest(
            backend=backend,
            model=model,
            precision=precision,
            num_threads=num_threads,
            providers=providers,
            require_gpu=require_gpu,
            engine_build=engine_build,
            use_cuda_graph=use_cuda_graph,
        )
        return cls(bundle, open_backend(bundle, request), thresholds)

    @property
    def backend(self) -> Backend:
        """What runs the model."""
        return self._backend

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of classes 1..C, in order."""
        return self.bundle.labels

    @property
    def input_size_px(self) -> int:
        """The side S of the model's input."""
        return self.bundle.manifest.input_size_px

    @property
    def takes_batches(self) -> bool:
        """Whether infer_batch runs several images at once."""
        return isinstance(self._backend, BatchBackend) and self._backend.takes_batches

    def __call__(self, image_rgb: NDArray[np.uint8]) -> Detections:
        """
        Detect objects in one image.

        :param image_rgb: (H, W, 3) uint8
        :return: boxes in pixels of this image, by falling score
        :raises ImageError: when the image has another shape or dtype, or no pixels
        :raises BackendError: when inference fails or gives NaN
        """
        check_image(image_rgb)
        size_wh = (image_rgb.shape[1], image_rgb.shape[0])
        regions = self.regions
        window_rgb = regions.window(size_wh).crop(image_rgb)
        boxes, scores = self.infer(self.preprocess(window_rgb))
        return self.postprocess(boxes, scores, size_wh, regions=regions)

    def preprocess(self, image_rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        """
        Run the first stage.

        :param image_rgb: (H, W, 3) uint8; the part of the image to look at
        :return: (1, S, S, 3) float32, in [0, 1]
        :raises ImageError: when the image has another shape or dtype, or no pixels
        """
        return preprocess(image_rgb, self.input_size_px)

    def infer(self, input_image: NDArray[np.float32]) -> RawOutputs:
        """
        Run the second stage.

        :param input_image: (1, S, S, 3) float32, in [0, 1]
        :return: its outputs, without B
        :raises BackendError: when inference fails
        """
        return self._backend.run(input_image)

    def infer_batch(self, input_images: Sequence[NDArray[np.float32]]) -> list[RawOutputs]:
        """
        Run the second stage on several images; one by one unless `takes_batches`.

        :param input_images: each as of infer
        :return: what infer gives, for each image
        :raises BackendError: when inference fails
        """
        backend = self._backend
        if isinstance(backend, BatchBackend) and backend.takes_batches and len(input_images) > 1:
            outputs = backend.run_batch(np.concatenate(input_images))
            return [RawOutputs(*of_one) for of_one in zip(*outputs, strict=True)]
        return [self.infer(input_image) for input_image in input_images]

    def postprocess(
        self,
        boxes_normalized_xyxy: NDArray[np.float32],
        scores: NDArray[np.float32],
        size_wh: tuple[int, int],
        *,
        thresholds: Thresholds | None = None,
        regions: Regions | None = None,
    ) -> Detections:
        """
        Run the third stage, with the thresholds and regions of this moment or those given.

        :param boxes_normalized_xyxy: (P, 4) float32
        :param scores: (P, C + 1) float32
        :param size_wh: of the original image, px
        :param thresholds: None takes this detector's
        :param regions: those that the input was cut out with; None takes this detector's
        :return: boxes in pixels of the original image, by falling score
        :raises BackendError: when the scores hold NaN
        """
        return postprocess(
            boxes_normalized_xyxy,
            scores,
            size_wh=size_wh,
            labels=self.labels,
            thresholds=thresholds or self.thresholds,
            regions=regions or self.regions,
        )
