"""Bundles of strangers: what each is wrong about, made from the tiny one."""

from collections.abc import Callable
import hashlib
import io
import json
import os
from pathlib import Path
import zipfile

import numpy as np
import onnx
from onnx import helper, numpy_helper, TensorProto

from tests.tiny_bundle import DEPLOY_YAML, SIZE_PX, tiny_model, write_tiny_bundle


def replace_file(bundle: Path, name: str, content: bytes, **fields: object) -> None:
    """Replace a file and its record, as whoever makes a bundle can."""
    (bundle / name).unlink(missing_ok=True)
    (bundle / name).write_bytes(content)
    set_record(bundle, name, content, len(content), **fields)


def set_record(bundle: Path, file: str, content: bytes, size_bytes: int, **fields: object) -> None:
    manifest = json.loads((bundle / 'manifest.json').read_text())
    record = {'sha256': hashlib.sha256(content).hexdigest(), 'size_bytes': size_bytes}
    manifest['files'][file] = record
    (bundle / 'manifest.json').write_text(json.dumps(manifest | fields))


def _pipe(name: str) -> Callable[[Path], None]:
    def change(bundle: Path) -> None:
        (bundle / name).unlink()
        os.mkfifo(bundle / name)

    return change


def _link(name: str, target: str) -> Callable[[Path], None]:
    def change(bundle: Path) -> None:
        (bundle / name).unlink()
        (bundle / name).symlink_to(target)

    return change


def _file(name: str, make: Callable[[], bytes], **fields: object) -> Callable[[Path], None]:
    return lambda bundle: replace_file(bundle, name, make(), **fields)


def _sparse(name: str) -> Callable[[Path], None]:
    def change(bundle: Path) -> None:
        (bundle / name).write_bytes(b'')
        os.truncate(bundle / name, 20 * 2**30)
        set_record(bundle, name, b'', 20 * 2**30)

    return change


def link_to_secret(bundle: Path) -> None:
    (bundle.parent / 'secret.yaml').write_text('password: hunter2\n')
    _link('deploy.yaml', '../secret.yaml')(bundle)


def alias_bomb() -> bytes:
    lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]']
    for level in range(1, 10):
        lines.append(f'a{level}: &a{level} [{", ".join([f"*a{level - 1}"] * 10)}]')
    return '\n'.join(lines).encode()


def looping_model(num_rounds: int = 2**62) -> bytes:
    """Pass the means of the channels through a loop."""
    model = tiny_model()
    means = helper.make_tensor_value_info('in', TensorProto.FLOAT, [1, 3])
    body = helper.make_graph(
        [helper.make_node('Identity', [name], [f'next_{name}']) for name in ('go_on', 'in')],
        'body',
        [
            helper.make_tensor_value_info('round', TensorProto.INT64, []),
            helper.make_tensor_value_info('go_on', TensorProto.BOOL, []),
            means,
        ],
        [
            helper.make_tensor_value_info('next_go_on', TensorProto.BOOL, []),
            helper.make_tensor_value_info('next_in', TensorProto.FLOAT, [1, 3]),
        ],
    )
    loop = helper.make_node('Loop', ['rounds', 'true', 'plain_means'], ['means'], body=body)
    _replace_identity(model, [loop], rounds=np.array(num_rounds, np.int64), true=np.array(True))
    return bytes(model.SerializeToString())


def expanding_model(num_bytes: int = 64 * 2**30) -> bytes:
    """Make room for any number of bytes on the way."""
    model = tiny_model()
    nodes = [
        helper.make_node('Reshape', ['plain_means', 'small'], ['flat_means']),
        helper.make_node('Expand', ['flat_means', 'large'], ['huge']),
        helper.make_node('ReduceMean', ['huge'], ['means'], axes=[0], keepdims=1),
    ]
    large = np.array([num_bytes // 12, 3], np.int64)
    _replace_identity(model, nodes, small=np.array([1, 3], np.int64), large=large)
    return bytes(model.SerializeToString())


def slow_model(num_products: int = 10**5) -> bytes:
    """Take minutes, without a loop."""
    side = 3000
    model = tiny_model()
    nodes = [
        helper.make_node('Reshape', ['plain_means', 'column'], ['flat_means']),
        helper.make_node('Expand', ['flat_means', 'wide'], ['product_0']),
        helper.make_node('Expand', ['one', 'square'], ['ones']),
    ]
    for index in range(num_products // 100):
        nodes.append(
            helper.make_node('MatMul', [f'product_{index}', 'ones'], [f'product_{index + 1}'])
        )
    last = f'product_{num_products // 100}'
    nodes.append(helper.make_node('ReduceMean', [last], ['means_3'], axes=[1, 2], keepdims=0))
    nodes.append(helper.make_node('Reshape', ['means_3', 'row'], ['means']))
    _replace_identity(
        model,
        nodes,
        column=np.array([3, 1, 1], np.int64),
        wide=np.array([3, side, side], np.int64),
        one=np.float32([[1 / side]]),
        square=np.array([side, side], np.int64),
        row=np.array([1, 3], np.int64),
    )
    return bytes(model.SerializeToString())


def _replace_identity(model: onnx.ModelProto, nodes: list, **constants: np.ndarray) -> None:
    index = next(i for i, node in enumerate(model.graph.node) if node.op_type == 'Identity')
    del model.graph.node[index]
    for node in reversed(nodes):
        model.graph.node.insert(index, node)
    model.graph.initializer.extend(
        numpy_helper.from_array(value, name) for name, value in constants.items()
    )


def external_model(bundle: Path) -> None:
    """Keep the weights in a file that the manifest does not list."""
    path = bundle.parent / 'external' / 'model.onnx'
    path.parent.mkdir()
    onnx.save(
        tiny_model(), path, save_as_external_data=True, location='weights.bin', size_threshold=0
    )
    (path.parent / 'weights.bin').rename(bundle / 'weights.bin')
    replace_file(bundle, 'model.onnx', path.read_bytes())


def npz_bomb() -> bytes:
    """Unpack to 3 GiB."""
    content = io.BytesIO()
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {'descr': '|u1', 'fortran_order': False, 'shape': (3 * 2**30,)}
    )
    with zipfile.ZipFile(content, 'w', zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr('images_rgb.npy', header.getvalue() + bytes(3 * 2**20))
    # The size that the directory at the end claims; that before the data is not looked at.
    packed = bytearray(content.getvalue())
    at = packed.rfind(b'PK\x01\x02') + 24
    packed[at : at + 4] = (3 * 2**30).to_bytes(4, 'little')
    return bytes(packed)


def zipped_array() -> bytes:
    content = io.BytesIO()
    np.savez(content, priors=np.zeros((3, 4)))
    return content.getvalue()


def array_claiming(shape: tuple[int, ...]) -> bytes:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {'descr': '<f4', 'fortran_order': False, 'shape': shape}
    )
    return header.getvalue() + bytes(64)


def _many_labels() -> bytes:
    return '\n'.join(map(str, range(100_000))).encode()


def _huge_input(bundle: Path) -> None:
    side = 10**6
    replace_file(
        bundle, 'model.onnx', tiny_model(size_px=side).SerializeToString(), input_size_px=side
    )
    replace_file(bundle, 'deploy.yaml', DEPLOY_YAML.replace(str(SIZE_PX), str(side)).encode())


# What is done to the bundle, and what of it is told.
ATTACKS: dict[str, tuple[Callable[[Path], None], str]] = {
    **{
        f'{name} is a pipe': (_pipe(name), f'{name}: is a pipe')
        for name in ('manifest.json', 'labels.txt', 'model.onnx', 'deploy.yaml')
    },
    **{
        f'{name} is endless': (_link(name, '/dev/zero'), f'{name}: is a device')
        for name in ('manifest.json', 'labels.txt', 'model.onnx', 'priors_cxcywh.npy')
    },
    'a link to a secret': (link_to_secret, 'deploy.yaml: is a link that leads out of'),
    '20 GiB of nothing': (_sparse('model.onnx'), 'has 21474836480 bytes; expected at most'),
    'aliases of aliases': (_file('deploy.yaml', alias_bomb), 'more than 20000 values'),
    'levels of YAML': (_file('deploy.yaml', lambda: b'a: ' + b'[' * 5000), 'more than 40 levels'),
    'a number without end': (
        _file('deploy.yaml', lambda: b'a: ' + b'9' * 5000),
        'a number of 5000 characters',
    ),
    'a day that there is not': (_file('deploy.yaml', lambda: b'a: 2001-99-99'), 'no valid YAML'),
    'ESC and NUL in labels': (
        _file('labels.txt', lambda: b'r\x1b[31med\ngr\0een\nblue\n'),
        r"'r\x1b[31med', 'gr\x00een': characters that can not be seen",
    ),
    'labels without end': (_file('labels.txt', _many_labels), 'has 100000 labels'),
    'a name that clears the screen': (
        lambda bundle: set_record(bundle, 'x', b'', 0, name='a\x1b[2J'),
        r"name: received 'a\x1b[2J'; expected one line",
    ),
    'an input of 12 TB': (_huge_input, 'input_size_px: received 1000000; expected 1 to 4096'),
    'a loop': (_file('model.onnx', looping_model), 'holds a graph within the graph (Loop'),
    'weights elsewhere': (external_model, 'holds weights in another file'),
    'no model': (_file('model.onnx', lambda: b'\xff' * 99), 'holds what is no ONNX file'),
    'an archive as array': (_file('priors_cxcywh.npy', zipped_array), 'no .npy file'),
    'an array that claims': (
        _file('priors_cxcywh.npy', lambda: array_claiming((10**9, 10**9))),
        'it claims (1000000000, 1000000000) values',
    ),
}
PARITY_ATTACKS = {
    'an archive that inflates': (npz_bomb, 'it unpacks to 3221225472 bytes'),
    'no archive': (lambda: b'PK\3\4 broken', 'no .npz file'),
    'other arrays': (zipped_array, "is no parity file ('images_rgb')"),
}


def write_hostile_bundle(folder: Path, attack: str) -> Path:
    """
    Write a bundle that is wrong in one way.

    :param folder: where
    :param attack: one of ATTACKS
    :return: the folder
    """
    change, _ = ATTACKS[attack]
    change(write_tiny_bundle(folder))
    return folder
