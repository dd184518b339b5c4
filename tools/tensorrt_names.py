"""
List the names that a version of TensorRT's Python module has, where TensorRT itself is not.

    pip download --no-deps tensorrt-cu12-bindings==10.16.1.11
    unzip tensorrt_cu12_bindings*.whl -d unpacked
    python tools/tensorrt_names.py unpacked 10.16.1 tests/core/backends/tensorrt/names.json

NVIDIA's libraries are not on PyPI, but the bindings are. They are loaded beside empty libraries
of the same names, which is enough to look at classes and enumerations; nothing can be called.
"""

import importlib.util
import json
import os
from pathlib import Path
import re
import subprocess
import sys
import tempfile

CLASSES = (
    'Builder',
    'BuilderFlag',
    'IBuilderConfig',
    'ICudaEngine',
    'IExecutionContext',
    'IHostMemory',
    'INetworkDefinition',
    'IOptimizationProfile',
    'IProgressMonitor',
    'ITensor',
    'ITimingCache',
    'Logger',
    'MemoryPoolType',
    'NetworkDefinitionCreationFlag',
    'OnnxParser',
    'ParserError',
    'Runtime',
)


def main(folder: Path, version: str, destination: Path) -> None:
    """
    Put the names of one version into a file.

    :param folder: an unpacked wheel
    :param version: its key in the file
    :param destination: the JSON file; other versions stay
    """
    (module_path,) = folder.glob('tensorrt*/tensorrt.so')
    scratch = os.environ.get('TENSORRT_STUBS')
    if scratch is None:
        # The loader reads LD_LIBRARY_PATH only when a process starts.
        with tempfile.TemporaryDirectory() as stubs:
            write_stubs(module_path, Path(stubs))
            environment = {'TENSORRT_STUBS': stubs, 'LD_LIBRARY_PATH': stubs}
            subprocess.run([sys.executable, *sys.argv], env=os.environ | environment, check=True)
        return
    spec = importlib.util.spec_from_file_location('tensorrt', module_path)
    assert spec is not None and spec.loader is not None, 'a path with a suffix that Python knows'
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    names = {'': public(module)}
    names |= {name: public(getattr(module, name)) for name in CLASSES if hasattr(module, name)}
    versions = json.loads(destination.read_text()) if destination.is_file() else {}
    versions[version] = {owner: ' '.join(found) for owner, found in names.items()}
    destination.write_text(json.dumps(versions, indent=1) + '\n')


def public(thing: object) -> list[str]:
    """
    List the public names of a module or class.

    :param thing: the module or class
    :return: sorted
    """
    return sorted(name for name in dir(thing) if not name.startswith('_'))


def write_stubs(module_path: Path, folder: Path) -> None:
    """
    Compile empty libraries in place of NVIDIA's.

    :param module_path: the bindings
    :param folder: where
    """
    needed = run('readelf', '-d', module_path)
    symbols = re.findall(r' U (\S+)', run('nm', '-D', '--undefined-only', module_path))
    pattern = re.compile(
        r'create\w+_INTERNAL|get\w*(Plugin|Onnx)\w+|initLib\w+|_ZN\d+nv(uff|caffe)\w+'
    )
    source = folder / 'stub.c'
    source.write_text(
        ''.join(f'void *{name}(void) {{ return 0; }}\n' for name in symbols if pattern.match(name))
    )
    for name in re.findall(r'\[(libnv\S+)\]', needed):
        subprocess.run(
            ['cc', '-shared', '-fPIC', '-o', folder / name, source, f'-Wl,-soname,{name}'],
            check=True,
        )


def run(*command: object) -> str:
    """
    Run a program.

    :param command: with its arguments
    :return: its output
    """
    return subprocess.run(list(map(str, command)), capture_output=True, text=True).stdout


if __name__ == '__main__':
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
