from pathlib import Path

from setuptools import find_packages, setup

NAME = 'ssd_detector_ros'
BAG_COMMANDS = ('check_detector', 'compare_bags', 'evaluate_bag', 'extract', 'make_bag')


def shared_files(*folders):
    """List data files, with the place in share/ that each goes to; a missing folder has none."""
    for folder in folders:
        for path in sorted(Path(folder).rglob('*')):
            if path.is_file():
                yield f'share/{NAME}/{path.parent}', [str(path)]


setup(
    name=NAME,
    version='0.1.0',
    description='ROS 2 node that publishes MobileNetV2-SSD detections',
    license='Apache-2.0',
    maintainer='maintainers',
    maintainer_email='maintainers@example.com',
    packages=find_packages(include=[NAME, f'{NAME}.*']),
    package_data={NAME: ['py.typed', 'bag_evaluation/templates/*']},
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{NAME}']),
        (f'share/{NAME}', ['package.xml']),
        *shared_files('launch', 'models', 'params'),
    ],
    python_requires='>=3.10',
    install_requires=['setuptools'],
    extras_require={'test': ['pytest']},
    zip_safe=False,
    entry_points={
        'console_scripts': [
            f'detector = {NAME}.program:main',
            *(f'{name} = {NAME}.{name}:main' for name in BAG_COMMANDS),
        ]
    },
)
