"""The layout of a page whose rows are all open: what is too wide, and what is too narrow to read."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

WIDE = """() => [...document.querySelectorAll("body *")].filter((each) => {
  const row = each.parentElement.closest("details")?.getBoundingClientRect();
  const { left, right, width } = each.getBoundingClientRect();
  const isInside = left >= (row?.left ?? 0) - 0.5 && right <= (row?.right ?? innerWidth) + 0.5;
  if (isInside || width === 0 || each.closest("svg *, .hidden, .skip")) return false;
  for (let box = each.parentElement; box !== document.body; box = box.parentElement)
    if (getComputedStyle(box).overflowX !== "visible") return false;
  return true;
}).map((each) => `too wide: ${each.outerHTML.slice(0, 120)}`)"""
NARROW_TEXTS = r"""() => {
  const pen = document.createElement("canvas").getContext("2d");
  const columnOf = (box) => getComputedStyle(box).display === "inline" ? columnOf(box.parentElement) : box;
  const isWrapped = (node, start = 0, end = node.length) => {
    const range = document.createRange();
    range.setStart(node, start);
    range.setEnd(node, end);
    return new Set([...range.getClientRects()].map((line) => Math.round(line.top))).size > 1;
  };
  const isNarrow = (node) => {
    const box = node.parentElement;
    if (box.closest("svg, script, .hidden") || !box.checkVisibility() || !isWrapped(node)) return false;
    const column = columnOf(box), style = getComputedStyle(column);
    if (style.writingMode !== "horizontal-tb") return false;
    pen.font = getComputedStyle(box).font;
    const width = column.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    if (width >= pen.measureText("abcdefghij").width) return false;
    const words = [...node.data.matchAll(/[\p{L}\p{N}.]+/gu)];
    const isBroken = words.some(({ 0: word, index }) => isWrapped(node, index, index + word.length));
    return isBroken || !column.matches("th, td");
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), nodes = [];
  while (walker.nextNode()) nodes.push(walker.currentNode);
  return nodes.filter((node) => node.data.trim() && isNarrow(node)).map((node) => `too narrow: ${node.data}`);
}"""
NARROW_CAPTIONS = """() => [...document.querySelectorAll(".pictures figure")].filter((figure) =>
  figure.querySelector("figcaption").clientWidth < figure.querySelector("img, .no-picture").clientWidth
).map((figure) => `caption narrower than its picture: ${figure.innerText}`)"""


def open_all(page: Page) -> None:
    """Open all details, so that everything is laid out."""
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")


def layout_problems(page: Page) -> list[str]:
    """The problems of a page with all rows open.

    These are captions narrower than their pictures, texts that wrap in a column of less than ten letters (in
    a table, only with a broken word), and elements that reach beyond the window or their row, outside of
    boxes that scroll.
    """
    open_all(page)
    return [*page.evaluate(NARROW_CAPTIONS), *page.evaluate(NARROW_TEXTS), *page.evaluate(WIDE)]
