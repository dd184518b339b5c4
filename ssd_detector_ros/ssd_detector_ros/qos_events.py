"""What DDS reports about a subscription: messages lost, publishers that do not fit."""

from typing import Any

from rclpy.impl.rcutils_logger import RcutilsLogger

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks

from ssd_detector_ros.cameras import Camera


def subscription_events(camera: Camera, logger: RcutilsLogger) -> SubscriptionEventCallbacks:
    """
    Build the callbacks of a camera's subscription.

    :param camera: counts what was lost
    :param logger: told of publishers that do not fit
    :return: for create_subscription
    """

    def on_message_lost(event: Any) -> None:
        camera.num_lost = int(event.total_count)

    def on_incompatible_qos(event: Any) -> None:
        logger.warning(
            f'{camera.name.topic}: a publisher offers a QoS that this subscription can not take '
            f'({event.last_policy_kind}): nothing will arrive from it. Set qos_overrides.'
            f'{camera.name.topic}.subscription.reliability to best_effort and .durability to '
            f'volatile; /diagnostics shows what it offers'
        )

    return SubscriptionEventCallbacks(
        message_lost=on_message_lost, incompatible_qos=on_incompatible_qos
    )
