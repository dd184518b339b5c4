"""MobileNetV2-SSD: training, evaluation on a split, export of bundles."""
