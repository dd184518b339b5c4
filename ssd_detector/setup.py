from setuptools import find_packages, setup

setup(
    name='ssd_detector',
    version='0.1.0',
    description='MobileNetV2-SSD inference core: bundle, preprocessing, backends, postprocessing',
    license='Apache-2.0',
    maintainer='maintainers',
    maintainer_email='maintainers@example.com',
    packages=find_packages(include=['ssd_detector', 'ssd_detector.*']),
    package_data={'ssd_detector': ['py.typed', 'report/templates/*']},
    data_files=[
        ('share/ament_index/resource_index/packages', ['resource/ssd_detector']),
        ('share/ssd_detector', ['package.xml']),
    ],
    python_requires='>=3.10',
    install_requires=[
        'jinja2>=3.0',
        'numpy>=1.26',
        'onnxruntime>=1.15',
        'opencv-python-headless>=4.8',
        'pydantic>=2.7,<3',
        'pyyaml>=6',
    ],
    extras_require={'coco': ['faster-coco-eval>=1.6'], 'test': ['pytest']},
    zip_safe=False,
)
