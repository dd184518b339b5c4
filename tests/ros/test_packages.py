"""What the ROS packages declare: dependencies, licence, files that are installed."""

import ast
from pathlib import Path
import re
import sys
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ('ssd_msgs', 'ssd_detector', 'ssd_detector_ros')
# Python module -> rosdep key, where they differ; None comes from pip or is optional.
KEYS = {
    'PIL': 'python3-pil',
    'ament_index_python': 'ament_index_python',
    'backports': None,
    'compression': None,
    'cv2': 'python3-opencv',
    'cv_bridge': None,
    'faster_coco_eval': None,
    'foxglove_msgs': None,
    'jinja2': 'python3-jinja2',
    'launch_ros': 'launch_ros',
    'lz4': None,
    'numpy': 'python3-numpy',
    'onnx': None,
    'onnxruntime': None,
    'openvino': None,
    'pydantic': None,
    'pydantic_core': None,
    'rosbags': None,
    'typing_extensions': None,
    'yaml': 'python3-yaml',
}


def declared(package, *tags):
    root = ElementTree.parse(ROOT / package / 'package.xml').getroot()
    return {element.text for element in root if element.tag in tags}


def imported(package):
    """Find the top-level modules that a package's sources and launch files import."""
    modules = set()
    for path in (ROOT / package).rglob('*.py'):
        if path.name == 'setup.py':
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
            if isinstance(node, ast.Import):
                modules |= {alias.name.split('.')[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                modules.add(node.module.split('.')[0])
    return modules - set(sys.stdlib_module_names) - {package}


@pytest.mark.parametrize('package', ['ssd_detector', 'ssd_detector_ros'])
def test_package_xml_names_exactly_what_is_imported(package):
    needed = {KEYS.get(module, module) for module in imported(package)} - {None}
    given = declared(package, 'depend', 'exec_depend') - {'ros2launch'}
    # TensorRT and CUDA come with JetPack, not by rosdep.
    assert needed - {'tensorrt', 'cuda', 'pycuda'} == given


def test_interfaces_are_declared_with_their_packages():
    used = set()
    for path in (ROOT / 'ssd_msgs').rglob('*.[ms][sr][gv]'):
        used |= set(re.findall(r'^(\w+)/\w+ ', path.read_text(), re.MULTILINE))
    assert declared('ssd_msgs', 'depend') == used


@pytest.mark.parametrize('package', PACKAGES)
def test_package_xml_has_format_3_and_the_licence_of_the_repository(package):
    root = ElementTree.parse(ROOT / package / 'package.xml').getroot()
    assert (root.get('format'), root.findtext('license')) == ('3', 'Apache-2.0')
    assert 'Apache License' in (ROOT / 'LICENSE').read_text()


@pytest.mark.parametrize('package', PACKAGES)
def test_each_package_declares_its_quality(package):
    text = (ROOT / package / 'QUALITY_DECLARATION.md').read_text()
    assert re.search(r'Quality Level [1-5]', text)


@pytest.mark.parametrize('package', ['ssd_detector', 'ssd_detector_ros'])
def test_versions_are_the_same_everywhere(package):
    root = ElementTree.parse(ROOT / package / 'package.xml').getroot()
    assert f"version='{root.findtext('version')}'" in (ROOT / package / 'setup.py').read_text()
