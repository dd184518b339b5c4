"""A GPU and TensorRT where there are none: files that the core loads instead of the real ones."""

from pathlib import Path
import subprocess

STAND_INS = Path(__file__).with_name('stand_ins')


def stand_in_environment(folder: Path) -> dict[str, str]:
    """
    Compile the libraries and name the variables that lead to them.

    :param folder: where; engines go below it, too
    :return: environment variables; tensorrt is found when STAND_INS is on the Python path
    """
    library = folder / 'libcuda.so'
    source = STAND_INS / 'gpu.c'
    subprocess.run(['cc', '-shared', '-fPIC', '-Wall', '-o', library, source], check=True)
    return {
        'SSD_LIBCUDA': str(library),
        'SSD_LIBCUDART': str(library),
        'XDG_CACHE_HOME': str(folder / 'cache'),
    }
