"""Pictures of a few bytes that claim any number of pixels."""

import struct
import zlib


def png_of(width_px, height_px):
    head = struct.pack('>IIBBBBB', width_px, height_px, 8, 2, 0, 0, 0)
    chunks = ((b'IHDR', head), (b'IDAT', zlib.compress(bytes(9))), (b'IEND', b''))
    return b'\x89PNG\r\n\x1a\n' + b''.join(
        struct.pack('>I', len(data)) + name + data + struct.pack('>I', zlib.crc32(name + data))
        for name, data in chunks
    )


def bmp_of(width_px, height_px):
    # A palette, and runs that end at once: the decoder leaves all the rest black.
    core = struct.pack('<IiiHHIIiiII', 40, width_px, height_px, 1, 8, 1, 2, 0, 0, 256, 0)
    return b'BM' + struct.pack('<IHHI', 1080, 0, 0, 1078) + core + bytes(1024) + b'\0\1'


def tiff_of(width_px, height_px, order='<', **tags):
    numbers = {'bits': 258, 'strip_rows': 278, 'tile_width': 322, 'tile_height': 323}
    values = {256: width_px, 257: height_px, 262: 1, 273: 8, 277: 1, 279: 100}
    values |= {numbers[name]: value for name, value in tags.items()}
    rows = (struct.pack(order + 'HHII', tag, 4, 1, values[tag]) for tag in sorted(values))
    start = b'II*\0' if order == '<' else b'MM\0*'
    return start + struct.pack(order + 'IH', 8, len(values)) + b''.join(rows) + bytes(104)


def webp_of(width_px, height_px, kind):
    canvas = (side_px.to_bytes(3, 'little') for side_px in (width_px - 1, height_px - 1))
    sizes = {
        b'VP8L': b'\x2f' + struct.pack('<I', (width_px - 1) | (height_px - 1) << 14),
        b'VP8 ': b'\x30\1\0\x9d\1\x2a' + struct.pack('<HH', width_px, height_px),
        b'VP8X': bytes(4) + b''.join(canvas),
    }
    body = b'WEBP' + kind + struct.pack('<I', 99) + sizes[kind] + bytes(99)
    return b'RIFF' + struct.pack('<I', len(body)) + body


BOMBS = {
    'png': png_of(30_000, 30_000),
    'bmp': bmp_of(30_000, 30_000),
    'bmp from the top': bmp_of(30_000, -30_000),
    'gif': b'GIF89a' + struct.pack('<HH', 30_000, 30_000) + bytes(99),
    'netpbm': b'P6\n# a comment\n30000 30000\n255\n' + bytes(99),
    'tiff': tiff_of(30_000, 30_000),
    'tiff of the other order': tiff_of(30_000, 30_000, '>'),
    'tiff of large tiles': tiff_of(8, 8, tile_width=2**16, tile_height=2**14),
    'tiff of large strips': tiff_of(2**12, 8, strip_rows=2**18),
    'tiff of large samples': tiff_of(8_000, 8_000, bits=64),
    'webp lossless': webp_of(16_000, 16_000, b'VP8L'),
    'webp lossy': webp_of(16_000, 16_000, b'VP8 '),
    'webp animated': webp_of(30_000, 30_000, b'VP8X'),
}
