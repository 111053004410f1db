"""Tables of a block document."""

from __future__ import annotations

from typing import Any

from velobuild.markup.blockmarks import key
from velobuild.markup.blockwriter import COLUMNS_MAX, Block, Writer, look, words
from velobuild.markup.prepared import attribute

ROWS = frozenset({"tablerow", "row"})
HEADERS = frozenset({"tableheader", "tableheadcell", "th"})
CELLS = HEADERS | {"tablecell", "td"}
GROUPS = frozenset({"tablehead", "tablebody", "tablefoot", "thead", "tbody", "tfoot"})


def table(block: Block, writer: Writer) -> str:
    """Rows of header cells at the top become the head, so that a reader hears which column a cell belongs to."""
    if isinstance(block.fields.get("content"), list) and not isinstance(block.fields.get("rows"), list):
        grid = _plain_rows(block.fields["content"])
        if grid:
            return _plain(grid, headed=block.truth("withHeadings"), writer=writer)
    rows, others = _rows(block)
    head = 0
    while head < len(rows) and rows[head] and all(cell.kind in HEADERS for cell in rows[head]):
        head += 1
    if any((cell.number("rowspan") or 1) > head - number for number, row in enumerate(rows[:head]) for cell in row):
        head = 0  # A cell cannot reach from the head into the body: browsers cut it off.
    caption = _caption(block, writer)
    above = "".join(_row(row, writer, in_head=True) for row in rows[:head])
    below = "".join(_row(row, writer, in_head=False) for row in rows[head:])
    groups = (f"<thead>{above}</thead>" if above else "") + (f"<tbody>{below}</tbody>" if below else "")
    shown = f"<table{look(block)}>{caption}{groups}</table>" if groups else ""
    return shown + writer.flow(others)


def cell(block: Block, writer: Writer) -> str:
    """A row or a cell that stands outside any table: what is in it."""
    return writer.inside(block)


def _rows(block: Block) -> tuple[list[list[Block]], list[Any]]:
    """The rows with their cells, and the children that are no rows."""
    rows: list[list[Block]] = []
    others: list[Any] = []
    for child in block.children:
        inner = Block.of(child) if isinstance(child, dict) else None
        if inner is not None and inner.kind in GROUPS:
            more, strays = _rows(inner) if not any(_is_group(c) for c in inner.children) else ([], [child])
            rows += more
            others += strays
        elif inner is not None and inner.kind in ROWS:
            rows.append([_as_cell(item) for item in inner.children])
        elif inner is None or inner.kind not in {"caption", "tablecaption"}:
            others.append(child)
    return rows, others


def _as_cell(raw: Any) -> Block:
    block = Block.of(raw) if isinstance(raw, dict) else None
    return block if block is not None and block.kind in CELLS else Block("tableCell", "tablecell", {}, [raw])


def _is_group(child: Any) -> bool:
    return isinstance(child, dict) and key(str(child.get("type"))) in GROUPS


def _caption(block: Block, writer: Writer) -> str:
    for child in block.children:
        if isinstance(child, dict) and key(str(child.get("type"))) in {"caption", "tablecaption"}:
            return f"<caption>{writer.only_text(Block.of(child))}</caption>"
    text = block.text("caption")
    return f"<caption>{words(text)}</caption>" if text else ""


def _row(row: list[Block], writer: Writer, *, in_head: bool) -> str:
    cells = "".join(_cell(cell, writer, in_head=in_head) for cell in row)
    return f"<tr>{cells}</tr>" if cells else ""


def _cell(block: Block, writer: Writer, *, in_head: bool) -> str:
    header = block.kind in HEADERS
    spans = [(name, block.number(name, most=COLUMNS_MAX) or 1) for name in ("colspan", "rowspan")]
    rest = "".join(attribute(name, str(count)) for name, count in spans if count > 1)
    if header:
        rest += attribute("scope", "col" if in_head else "row")
    aligned = block.text("textAlign", "align") or _alignment_inside(block)
    if aligned in {"left", "center", "right"}:
        rest += attribute("align", aligned)
    name = "th" if header else "td"
    return f"<{name}{rest}>{writer.only_text(block)}</{name}>"


def _alignment_inside(block: Block) -> str:
    """Editors align the paragraphs in a cell; if all agree, so is the cell."""
    found = {Block.of(child).text("textAlign") for child in block.children if isinstance(child, dict)}
    return found.pop() if len(found) == 1 else ""


def _plain_rows(content: list[Any]) -> list[list[str]]:
    """Rows that are lists of text, as some page builders keep them."""
    rows = [[cell for cell in row if isinstance(cell, str)] for row in content if isinstance(row, list)]
    return rows if len(rows) == len(content) else []


def _plain(rows: list[list[str]], *, headed: bool, writer: Writer) -> str:
    written = []
    for number, row in enumerate(rows):
        name, scope = ("th", ' scope="col"') if headed and number == 0 else ("td", "")
        written.append(f"<tr>{''.join(f'<{name}{scope}>{writer.html(text)}</{name}>' for text in row)}</tr>")
    above = f"<thead>{written.pop(0)}</thead>" if headed and written else ""
    return f"<table>{above}<tbody>{''.join(written)}</tbody></table>"
