"""Charts and figures as texts, and the elements of a chart."""

from quba_check.page.drawing import Chart, Shape
from quba_check.page.figure import Figure, FigureContent


def walk(shapes: tuple[Shape, ...]) -> list[Shape]:
    """The elements, in groups too."""
    return [element for shape in shapes for element in (shape, *walk(shape.children))]


def elements(chart: Chart, tag: str, class_: str = "") -> list[Shape]:
    return [
        element
        for element in walk(chart.shapes)
        if element.tag == tag and set(class_.split()) <= set(element.attributes.get("class", "").split())
    ]


def texts(chart: Chart) -> list[str]:
    return [element.text for element in elements(chart, "text")]


def figure_text(figure: Figure) -> str:
    """Caption, then the words of the chart or the rows of the table; colours as `[level]`."""
    rows = [" | ".join(map(_text, row)) for row in (figure.headings, *figure.rows) if row]
    return "\n".join([figure.caption, *([figure.chart.description] if figure.chart else []), *rows])


def _text(cell: FigureContent) -> str:
    if isinstance(cell, str):
        return cell
    if isinstance(cell, Chart):
        return f"<{cell.description}>"
    return cell.text if cell.level is None else f"{cell.text} [{cell.level}]"
