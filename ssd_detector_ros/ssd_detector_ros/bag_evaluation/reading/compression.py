"""Decompression of recordings: zstd, by message, by file and in chunks, and lz4 chunks."""

from pathlib import Path
import shutil
import sys

import lz4.frame

from ssd_detector_ros.bag_evaluation.errors import BagError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

# No CDR message begins so: its first byte is 0.
_ZSTD_START = b'\x28\xb5\x2f\xfd'
_STEP_BYTES = 1 << 16
# A message, or a chunk of them: raw images of 100 million pixels have 300 MB.
MAX_MESSAGE_BYTES = 512 * 2**20
# On the disk that a whole file is unpacked to: a small one can fill any.
LEFT_FREE_BYTES = 2**30


def decompress_message(data: bytes) -> bytes:
    """
    Decompress a message where it is a zstd frame.

    Only metadata.yaml says that messages are compressed, and that may be missing.

    :param data: as stored
    :return: serialized message
    :raises ValueError: when the frame is damaged, or too large
    """
    if not data.startswith(_ZSTD_START):
        return data
    decompressor = zstd.ZstdDecompressor()
    try:
        content = bytes(decompressor.decompress(data, max_length=MAX_MESSAGE_BYTES))
    except zstd.ZstdError as error:
        raise ValueError(f'a zstd frame that can not be decompressed ({error})') from error
    if not decompressor.eof:
        raise ValueError(f'a zstd frame that is cut, or of more than {MAX_MESSAGE_BYTES} bytes')
    return content


def decompress_chunk(data: bytes, compression: str) -> bytes:
    """
    Decompress a chunk of an mcap file, or as much of it as is there.

    :param data: as stored; may end too early
    :param compression: zstd, lz4 or empty
    :return: its records
    :raises ValueError: when the compression is unknown, nothing can be decompressed, or too much
    """
    if not compression:
        return data
    if compression not in ('zstd', 'lz4'):
        raise ValueError(f'compression {compression!r}; expected zstd, lz4 or none')
    decompressor = (
        zstd.ZstdDecompressor() if compression == 'zstd' else lz4.frame.LZ4FrameDecompressor()
    )
    # In steps: what comes before a damaged place is given out.
    parts: list[bytes] = []
    left_bytes = MAX_MESSAGE_BYTES
    try:
        for start in range(0, len(data), _STEP_BYTES):
            if decompressor.eof or not left_bytes:
                break
            step = data[start : start + _STEP_BYTES]
            parts.append(decompressor.decompress(step, max_length=left_bytes))
            left_bytes -= len(parts[-1])
    except (zstd.ZstdError, RuntimeError):
        if not parts:
            raise ValueError(f'{compression} data that can not be decompressed') from None
    if not left_bytes:
        raise ValueError(f'{compression} data of more than {MAX_MESSAGE_BYTES} bytes')
    return b''.join(parts)


def decompress_file(path: Path, folder: Path) -> Path:
    """
    Decompress a whole file of a recording (compression mode FILE).

    :param path: `*.db3.zstd` or `*.mcap.zstd`
    :param folder: where to
    :return: the decompressed file
    :raises BagError: when it is damaged or does not fit on the disk
    """
    target = folder / path.stem
    try:
        with zstd.open(path) as source, target.open('wb') as sink:
            while block := source.read(_STEP_BYTES):
                sink.write(block)
                if shutil.disk_usage(folder).free < LEFT_FREE_BYTES:
                    raise OSError(f'less than {LEFT_FREE_BYTES} bytes would be left there')
    except EOFError:
        # What was decompressed so far is read like any file that was cut off.
        return target
    except (OSError, zstd.ZstdError) as error:
        raise BagError([f'{path}: can not be decompressed into {folder} ({error})']) from error
    return target
