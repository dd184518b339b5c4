"""Images that the middleware loses: what to advise, and how to ask for images after that."""

from collections.abc import Sequence

from rclpy.qos import QoSProfile, ReliabilityPolicy

from ssd_detector_ros.cameras.offers import Offer
from ssd_detector_ros.parameters.qos_overrides import reliability_parameter


def choose_reliability(offers: Sequence[Offer], *, is_lossy: bool) -> ReliabilityPolicy:
    """
    Choose how to subscribe, where the user does not say.

    Best effort fits any camera and gives the newest image soonest; a reliable publisher sends
    again what was lost, but only to those who ask for it.

    :param offers: the publishers on the topic
    :param is_lossy: whether images were lost
    :return: reliable, when images were lost and every publisher offers it
    """
    if is_lossy and offers and all(offer.is_reliable for offer in offers):
        return ReliabilityPolicy.RELIABLE
    return ReliabilityPolicy.BEST_EFFORT


def advise(topic: str, qos: QoSProfile, offers: Sequence[Offer]) -> str:
    """
    Say what keeps images from being lost.

    :param topic: of the images
    :param qos: of the subscription
    :param offers: the publishers on the topic
    :return: what to do
    """
    advice = (
        'with Fast DDS give every process on this machine the profile params/fastdds_images.xml, '
        'over a network send fewer or compressed images'
    )
    is_possible = choose_reliability(offers, is_lossy=True) == ReliabilityPolicy.RELIABLE
    if is_possible and qos.reliability != ReliabilityPolicy.RELIABLE:
        parameter = reliability_parameter(topic)
        advice += f', or set {parameter} to reliable, as {offers[0].node_name} offers it'
    return advice
