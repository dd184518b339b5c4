"""Draws the packages and the imports between them, for the architecture page."""

import grimp

PACKAGES = {
    'ssd_training': 'from pictures to a bundle; TensorFlow, never ROS',
    'ssd_detector_ros': 'the node; ROS, never TensorFlow',
    'ssd_detector': 'the core; NumPy, OpenCV, ONNX Runtime',
}
PLACES_XY = {'ssd_training': (15, 20), 'ssd_detector_ros': (335, 20), 'ssd_detector': (175, 190)}
BOX_WH = (290, 90)


def draw(graph: grimp.ImportGraph) -> str:
    """
    Draw the packages and the imports between them.

    :param graph: of all packages
    :return: an SVG, readable on light and dark pages
    """
    width, height = BOX_WH
    shapes = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 300" font-family="sans-serif">',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" '
        'markerHeight="8" orient="auto"><path d="M0 0L8 4L0 8z" fill="#374151"/></marker></defs>',
        '<rect width="640" height="300" rx="10" fill="#f8fafc"/>',
    ]
    for name, text in PACKAGES.items():
        x, y = PLACES_XY[name]
        shapes.append(
            f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="8" fill="#dbeafe" '
            f'stroke="#1d4ed8"/>'
        )
        lines = (name, *text.split('; '))
        for number, line in enumerate(lines):
            weight = 'bold' if number == 0 else 'normal'
            shapes.append(
                f'<text x="{x + width / 2:g}" y="{y + 28 + 24 * number}" text-anchor="middle" '
                f'font-size="16" font-weight="{weight}" fill="#111827">{line}</text>'
            )
    for importer, imported in sorted(find_package_imports(graph)):
        (x, y), (to_x, to_y) = PLACES_XY[importer], PLACES_XY[imported]
        start_x, end_x = x + width / 2, to_x + width / 2 + (x - to_x) / 3
        shapes.append(
            f'<line x1="{start_x:g}" y1="{y + height}" x2="{end_x:g}" y2="{to_y}" '
            f'stroke="#374151" stroke-width="2" marker-end="url(#tip)"/>'
        )
    return '\n'.join([*shapes, '</svg>', ''])


def find_package_imports(graph: grimp.ImportGraph) -> set[tuple[str, str]]:
    """
    Find which package imports which.

    :param graph: of all packages
    :return: pairs of importer and imported
    """
    return {
        (importer, imported)
        for importer in PACKAGES
        for imported in PACKAGES
        if importer != imported
        and graph.find_shortest_chains(importer=importer, imported=imported, as_packages=True)
    }
