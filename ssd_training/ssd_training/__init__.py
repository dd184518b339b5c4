"""MobileNetV2-SSD: training, evaluation on a split, export of bundles."""

try:
    # First: it keeps libraries that follow from reporting home.
    import ssd_detector.telemetry  # noqa: F401
except ModuleNotFoundError:
    # In the root of the workspace the folder ssd_detector/ looks like a package without modules.
    raise ModuleNotFoundError(
        'ssd_training needs the package ssd_detector, which this Python does not find; '
        '`source install/setup.bash` after `make build`, or `pip install ./ssd_detector`'
    ) from None
