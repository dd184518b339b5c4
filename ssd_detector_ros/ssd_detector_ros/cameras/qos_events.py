"""What DDS reports about a subscription: messages lost, publishers that do not fit."""

from collections.abc import Callable
from typing import Any

from rclpy.impl.rcutils_logger import RcutilsLogger
from rclpy.subscription import Subscription

try:
    from rclpy.event_handler import SubscriptionEventCallbacks, UnsupportedEventTypeError
except ImportError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks, UnsupportedEventTypeError

from ssd_detector_ros.cameras.camera import Camera
from ssd_detector_ros.parameters.qos_overrides import reliability_parameter


def subscribe_with_events(
    subscribe: Callable[[SubscriptionEventCallbacks], Subscription],
    camera: Camera,
    logger: RcutilsLogger,
) -> Subscription:
    """
    Subscribe, and hear of as much as the middleware reports.

    :param subscribe: makes the subscription with the callbacks given
    :param camera: counts what was lost
    :param logger: told of publishers that do not fit
    :return: the subscription
    """
    events = _build_events(camera, logger)
    try:
        return subscribe(events)
    except UnsupportedEventTypeError:
        # Not every middleware counts what was lost; rclpy itself bears the lack of the other one.
        events.message_lost = None
        return subscribe(events)


def _build_events(camera: Camera, logger: RcutilsLogger) -> SubscriptionEventCallbacks:

    def on_message_lost(event: Any) -> None:
        # The total is of this subscription; there may have been others before.
        camera.note_lost(int(event.total_count_change))

    def on_incompatible_qos(event: Any) -> None:
        logger.warning(
            f'{camera.name.topic}: a publisher offers a QoS that this subscription can not take '
            f'({event.last_policy_kind}): nothing will arrive from it. Set '
            f'{reliability_parameter(camera.name.topic)} to best_effort and .durability to '
            f'volatile; /diagnostics shows what it offers'
        )

    return SubscriptionEventCallbacks(
        message_lost=on_message_lost, incompatible_qos=on_incompatible_qos
    )
