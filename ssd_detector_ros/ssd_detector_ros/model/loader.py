"""Loads models beside everything else, within their budget and below their root."""

from rclpy.node import Node

from ssd_detector_ros.model.loading import load_model, LoadedModel, ModelRequest
from ssd_detector_ros.model.proof import Budget, Proofs
from ssd_detector_ros.parameters.roots import Roots
from ssd_detector_ros.parameters.static_settings import StaticSettings
from ssd_detector_ros.threads.background import InBackground, waker_of


class Loader:
    """
    Begins loads, and remembers which bundles were tried.

    :param node: whose executor waits for them
    :param roots: where bundles may lie
    """

    def __init__(self, node: Node, roots: Roots) -> None:
        self._node = node
        self._roots = roots
        self._proofs = Proofs()

    def begin(self, request: ModelRequest, settings: StaticSettings) -> InBackground[LoadedModel]:
        """
        Load on a thread of its own; what the start did not name is tried elsewhere first.

        :param request: what to load
        :param settings: that have the budget
        :return: to be waited for
        :raises ConfigError: when the bundle does not lie where it may
        """
        self._roots.check_bundle(request.bundle)
        is_from_start = self._roots.is_from_start(request.bundle)
        timeout_s = settings.load_timeout_s
        budget = Budget(timeout_s=timeout_s, memory_mb=settings.load_memory_mb)

        def load() -> LoadedModel:
            if not is_from_start:
                self._proofs.require(request, budget)
            return load_model(request)

        # Proof and load have the time each: what was proven should not fail by a busy moment.
        longest_s = timeout_s if is_from_start else 2 * timeout_s
        return InBackground(
            load,
            on_end=waker_of(self._node),
            what=f'{request.bundle}: loading (load_timeout_s)',
            timeout_s=longest_s,
        )
