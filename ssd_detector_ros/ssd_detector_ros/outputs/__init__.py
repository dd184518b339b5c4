"""From detections to messages, files and topics."""
