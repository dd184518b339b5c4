"""The detector that TensorFlow published, trained on COCO: what trainings here start from."""
