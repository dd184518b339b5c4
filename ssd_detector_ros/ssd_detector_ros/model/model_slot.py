"""What the node runs: a detector and its settings, changed as one and only when all is right."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from rcl_interfaces.msg import SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter

from ssd_detector import ConfigError, Detector, SsdDetectorError, Thresholds
from ssd_detector_ros.model.loader import Loader
from ssd_detector_ros.model.loading import LoadedModel, ModelRequest, tell_loaded
from ssd_detector_ros.model.operation import Operation
from ssd_detector_ros.parameters import declaring as parameters
from ssd_detector_ros.parameters.declarations import DECLARATIONS, LIVE, STATIC
from ssd_detector_ros.parameters.roots import Roots
from ssd_detector_ros.parameters.settings import (
    parse_settings,
    Settings,
    THRESHOLD_NAMES,
    threshold_values,
)
from ssd_detector_ros.parameters.static_settings import StaticSettings


class ModelSlot:
    """
    Holds the operation of a configured node, and answers changes of parameters.

    :param node: whose parameters count
    :param declaration_findings: what was wrong with the parameters given, by name
    :param roots: where bundles and snapshots may lie
    :param on_change: called after labels or settings have changed
    """

    def __init__(
        self,
        node: Node,
        declaration_findings: dict[str, str],
        *,
        roots: Roots,
        on_change: Callable[[], None],
    ) -> None:
        self.operation: Operation | None = None
        # What somebody should know of the model at work.
        self.warning = ''
        self._failure = ''
        self._node = node
        self._declaration_findings = declaration_findings
        self._on_change = on_change
        self._roots = roots
        self._loader = Loader(node, roots)
        # Set by configure().
        self._static = StaticSettings()
        # A parameter that was set once can not be unset: whose wish its value is has to be known.
        self._names_from_bundle: set[str] = set()
        self._is_loading = False
        # While ~/load_model itself sets the static parameters that it changes.
        self._is_swapping = False
        # Grows when the node is configured or cleaned up: what was asked for before is void then.
        self._generation = 0
        node.add_on_set_parameters_callback(self._on_set_parameters)
        if hasattr(node, 'add_pre_set_parameters_callback'):  # Not in Humble.
            node.add_pre_set_parameters_callback(
                lambda given: [parameters.take_whole_numbers(parameter) for parameter in given]
            )

    @property
    def failure(self) -> str:
        """Why the last attempt to load or to configure failed; empty after one that did not."""
        return self._failure

    def fail(self, findings: Iterable[str]) -> None:
        """
        Remember a failed attempt, for the diagnostics.

        :param findings: what was wrong
        """
        self._failure = '; '.join(findings)

    def forget_failure(self) -> None:
        """Begin anew: the last attempt says nothing any more."""
        self._failure = ''

    def configure(self, static: StaticSettings) -> None:
        """
        Load what the parameters ask for.

        :param static: what to load
        :raises ConfigError: with everything that is wrong
        """
        self._generation += 1
        self._static = static
        findings = list(self._declaration_findings.values())
        findings += parameters.check_choices(self._values(LIVE)).values()
        loaded = None
        try:
            loaded = self._loader.begin(self._request(), static).wait(self._node.context.ok)
        except SsdDetectorError as error:
            findings += str(error).splitlines()
        try:
            settings = self._check_settings(loaded.detector if loaded else None, {})
        except ConfigError as error:
            findings += error.findings
        self.fail(findings)
        if findings:
            raise ConfigError(findings)
        assert loaded is not None, 'a finding otherwise'
        self._start(loaded, settings)
        self._show_thresholds(settings.thresholds)

    def release(self) -> None:
        """Let go of the model."""
        self._generation += 1
        self.operation = None
        self.warning = ''

    async def swap(self, bundle: str, model: str) -> str:
        """
        Replace the model while the old one works; it stays when anything is wrong with the new.

        :param bundle: folder of the bundle; empty for the one that is loaded
        :param model: a file of it; empty for auto
        :return: what was loaded
        :raises ConfigError: with everything that is wrong
        """
        if self.operation is None:
            raise ConfigError(['no model is loaded yet; configure the node first'])
        if self._is_loading:
            raise ConfigError(['another model is being loaded; try again when it is done'])
        self._is_loading, generation = True, self._generation
        try:
            request = replace(self._request(), model=model or 'auto')
            if bundle:
                request = replace(request, bundle=parameters.bundle_path(bundle))
            loaded = await self._loader.begin(request, self._static)
            if generation != self._generation:
                raise ConfigError(['the node was cleaned up while the model was being loaded'])
            self._take(loaded, request, bundle or self._static.bundle)
        except SsdDetectorError as error:
            if generation == self._generation:
                self.fail(str(error).splitlines())
            raise
        finally:
            self._is_loading = False
        self.forget_failure()
        return tell_loaded(loaded.detector)

    def _take(self, loaded: LoadedModel, request: ModelRequest, bundle: str) -> None:
        """Put a loaded detector in place of the old one."""
        settings = self._check_settings(loaded.detector, {})
        self._start(loaded, settings)
        self._is_swapping = True
        try:
            shown = {'bundle': bundle, 'model': request.model}
            self._node.set_parameters([_parameter(*pair) for pair in shown.items()])
            self._static = replace(self._static, bundle=bundle, model=request.model)
        finally:
            self._is_swapping = False
        self._show_thresholds(settings.thresholds)
        self._on_change()

    def _start(self, loaded: LoadedModel, settings: Settings) -> None:
        self.operation, self.warning = Operation(loaded.detector, settings), loaded.warning
        if self.warning:
            self._node.get_logger().warning(self.warning)

    def _request(self) -> ModelRequest:
        static = self._static
        return ModelRequest(
            bundle=parameters.bundle_path(static.bundle),
            model=static.model,
            backend=static.backend,
            precision=static.precision,
            num_threads=static.num_threads,
            max_batch_size=static.max_batch_size,
            verify=static.verify,
        )

    def _values(self, names: Iterable[str]) -> dict[str, Any]:
        return {name: self._node.get_parameter_or(name).value for name in names}

    def _check_settings(self, detector: Detector | None, changes: dict[str, Any]) -> Settings:
        """Parse the parameters as they would be after the changes."""
        values = self._values(LIVE)
        # What the bundle gave is not the user's wish: another bundle may give something else.
        values |= dict.fromkeys(self._names_from_bundle)
        values |= changes
        findings: list[str] = []
        try:
            self._roots.check_snapshots(parameters.folder_path(values['snapshot_folder']))
        except ConfigError as error:
            findings += error.findings
        try:
            defaults = detector.bundle.thresholds if detector else Thresholds()
            settings = parse_settings(values, defaults)
            if detector is not None:
                settings.thresholds.by_class(detector.labels)
        except ConfigError as error:
            findings += error.findings
        if findings:
            raise ConfigError(findings)
        return settings

    def _show_thresholds(self, thresholds: Thresholds) -> None:
        """Give the thresholds that the user left open the bundle's values, for all to see."""
        is_open = {
            name
            for name in THRESHOLD_NAMES
            if name in self._names_from_bundle or self._node.get_parameter_or(name).value is None
        }
        shown = threshold_values(thresholds)
        self._node.set_parameters([_parameter(name, shown[name]) for name in sorted(is_open)])
        self._names_from_bundle = is_open

    def _on_set_parameters(self, changed: Iterable[Parameter]) -> SetParametersResult:
        """Check changes and apply them; the next frame obeys."""
        values = {parameter.name: parameter.value for parameter in changed}
        operation = self.operation
        detector = operation.detector if operation else None
        findings = [] if self._is_swapping else self._check_static(values)
        findings += parameters.check_sizes(values).values()
        findings += parameters.check_choices(values).values()
        live = {name: value for name, value in values.items() if name in LIVE}
        try:
            # Unconfigured, other parameters may still be wrong; configure will tell.
            is_to_check = live and operation and not findings
            settings = self._check_settings(detector, live) if is_to_check else None
        except ConfigError as error:
            findings += error.findings
        if findings:
            return SetParametersResult(successful=False, reason='; '.join(findings))
        # The user's from now on; _show_thresholds, which comes by here too, claims its own again.
        self._names_from_bundle -= set(values)
        for name in values:
            self._declaration_findings.pop(name, None)
        if operation and settings:
            # As one object: the worker reads it once for each frame, without a lock.
            self.operation = replace(operation, settings=settings)
            if settings.thresholds != operation.settings.thresholds:
                self._on_change()
        return SetParametersResult(successful=True)

    def _check_static(self, values: dict[str, Any]) -> list[str]:
        """Refuse changes that the running model would not follow; the value it has is none."""
        if self.operation is None:
            return []
        node = self._node.get_fully_qualified_name()
        return [
            f'{name}: takes effect at configure; deactivate and cleanup the node first (ros2 '
            f'lifecycle set {node} deactivate), then set it, configure and activate'
            for name, value in values.items()
            if name in STATIC and not _are_equal(value, self._node.get_parameter_or(name).value)
        ]


def _parameter(name: str, value: Any) -> Parameter:
    return Parameter(name, DECLARATIONS[name].type_, value)


def _are_equal(value: Any, other: Any) -> bool:
    if isinstance(value, str | bool | int | float) or value is None or other is None:
        return bool(value == other)
    return list(value) == list(other)
