"""Arrays of .npy and .npz files: their sizes are compared before room is made for them."""

import io
import math
import zipfile

import numpy as np
from numpy.typing import NDArray

_MOST_MEMBERS = 200
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def read_array(content: bytes) -> NDArray[np.generic]:
    """
    Read a .npy file; objects, which are pickles, are refused.

    :param content: of the file
    :return: the array
    :raises ValueError: when it is none, or not all of one
    """
    stream = io.BytesIO(content)
    try:
        shape, is_fortran, dtype = _HEADERS[np.lib.format.read_magic(stream)](stream)
    # NumPy has Python's parser read the header, which raises a dozen kinds.
    except Exception as error:
        raise ValueError(f'no .npy file: {error}') from error
    if dtype.hasobject:
        raise ValueError('it holds objects of Python; expected numbers')
    num_bytes = dtype.itemsize * math.prod(shape)
    if min(shape, default=1) < 0 or not 0 <= num_bytes <= len(content) - stream.tell():
        raise ValueError(f'it claims {shape} values of {dtype} and has {len(content)} bytes')
    values = np.frombuffer(content, dtype, count=math.prod(shape), offset=stream.tell())
    return values.reshape(shape, order='F' if is_fortran else 'C').copy()


def read_arrays(content: bytes, *, limit_bytes: int) -> dict[str, NDArray[np.generic]]:
    """
    Read a .npz file.

    :param content: of the file
    :param limit_bytes: of all arrays together; a thousandth of it can inflate to so much
    :return: name -> array
    :raises ValueError: when it is none, or holds more
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            num_bytes = sum(member.file_size for member in members)
            if num_bytes > limit_bytes or len(members) > _MOST_MEMBERS:
                raise ValueError(
                    f'it unpacks to {num_bytes} bytes in {len(members)} arrays; expected at most '
                    f'{limit_bytes} and {_MOST_MEMBERS}'
                )
            # No member gives more than it claims: zipfile stops there.
            return {
                member.filename.removesuffix('.npy'): read_array(archive.read(member))
                for member in members
            }
    except ValueError:
        raise
    # zipfile and what it unpacks with raise a dozen kinds.
    except Exception as error:
        raise ValueError(f'no .npz file: {error}') from error
