"""From frames, detections and ground truth to figures."""
