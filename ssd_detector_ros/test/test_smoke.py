"""What `colcon test` runs where the package was built; the tests proper are in tests/ros."""

from array import array

import rclpy
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2DArray

from ssd_detector_ros.node import DetectorNode

NAMESPACE = '/ssd_detector_smoke_test'


def test_the_node_starts_with_the_released_bundle_and_answers_an_image():
    rclpy.init(args=[])
    node, peer = DetectorNode(namespace=NAMESPACE), rclpy.create_node('peer')
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    executor.add_node(peer)
    answers = []
    peer.create_subscription(
        Detection2DArray, f'{NAMESPACE}/ssd_detector/detections', answers.append, 10
    )
    publisher = peer.create_publisher(Image, f'{NAMESPACE}/image', 10)
    image = Image(encoding='rgb8', width=64, height=48, step=192)
    image.data = array('B', bytes(64 * 48 * 3))
    assert node.start()
    for _ in range(1000):
        publisher.publish(image)
        executor.spin_once(timeout_sec=0.02)
        if answers:
            break
    node.destroy_node()
    rclpy.shutdown()
    assert answers and answers[0].detections == []
