from setuptools import setup

setup(
    name='ros-standins',
    version='0.1.0',
    description='Stand-ins for launch, launch_ros, rosidl_runtime_py and ros2',
    packages=[
        'launch',
        'launch.events',
        'launch_ros',
        'launch_ros.events',
        'ros2_standin',
        'rosidl_runtime_py',
    ],
    python_requires='>=3.10',
    install_requires=['pyyaml', 'numpy', 'rosbags'],
    entry_points={'console_scripts': ['ros2 = ros2_standin.cli:main']},
)
