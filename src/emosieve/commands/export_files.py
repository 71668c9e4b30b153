"""The files of an export: CSV, Excel and JSON lines, written aside and put in place when they are whole."""

import csv
import io
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import IO, TYPE_CHECKING, Final

from emosieve.commands.export_rows import COLUMNS, Cell, Row
from emosieve.errors import SetupError
from emosieve.text import Phrase

if TYPE_CHECKING:
    from xlsxwriter.worksheet import Worksheet  # type: ignore[import-untyped]

Write = Callable[[Row], object]
Format = Callable[[IO[bytes], str], AbstractContextManager[Write]]
"""Writes rows into a file that is open; what it needs aside lies in a folder that is removed afterwards."""

EXISTS: Final = Phrase(
    "{path}: stands there already; give another --output, or --force to replace it",
    "{path}：文件已存在；请换一个 --output，或加 --force 覆盖",
)
NO_FOLDER: Final = Phrase(
    "{path}: there is no such folder; make it, or give another --output",
    "{path}：没有这个目录；请先创建，或换一个 --output",
)
IS_FOLDER: Final = Phrase(
    "{path}: is a folder; give the name of a file, as --output {path}/decisions.csv",
    "{path}：是目录；请给出文件名，例如 --output {path}/decisions.csv",
)
WRONG_ENDING: Final = Phrase(
    "--output {path}: its name must end with .csv, .xlsx or .jsonl, which says what is written",
    "--output {path}：文件名须以 .csv、.xlsx 或 .jsonl 结尾，以此决定格式",
)
NO_WRITER: Final = Phrase(
    "writing .xlsx needs XlsxWriter, which is not installed: pip install 'emosieve[xlsx]', or give a name in .csv",
    "写 .xlsx 需要 XlsxWriter，但没有安装：请执行 pip install 'emosieve[xlsx]'，或改用 .csv",
)

_FORMULA: Final = tuple("=+-@\t\r\n＝＋－＠")
"""What makes a spreadsheet take a text for a formula; in a Chinese one the wide signs do as well."""
SHEET_ROWS: Final = 1_048_576
"""Rows of one sheet of Excel, that of the headings among them."""
_CELL_CHARACTERS: Final = 32_767


def harmless(cell: Cell) -> Cell:
    """A cell that no spreadsheet takes for a formula: a text that could be one has an apostrophe before it."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


@contextmanager
def csv_rows(file: IO[bytes], _aside: str = "") -> Iterator[Write]:
    """CSV that Excel opens as it is: UTF-8 with a byte order mark, lines that end with CR LF."""
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    try:
        writer = csv.writer(text)
        writer.writerow(COLUMNS)
        yield lambda row: writer.writerow(map(harmless, row.cells()))
        text.flush()
    finally:
        text.detach()


@contextmanager
def jsonl_rows(file: IO[bytes], _aside: str) -> Iterator[Write]:
    """One object a line; all of them have the same keys."""
    from emosieve.record.lines import line_of  # noqa: PLC0415 - orjson is needed here alone

    yield lambda row: file.write(line_of(row.as_dict()))


@contextmanager
def xlsx_rows(file: IO[bytes], aside: str) -> Iterator[Write]:
    """A workbook, with a further sheet where one is full; numbers are numbers, and all else is text.

    Raises:
        SetupError: its writer is not installed.
        OSError: it cannot be written.
    """
    try:
        import xlsxwriter  # type: ignore[import-untyped]  # noqa: PLC0415 - an extra
        from xlsxwriter.exceptions import FileCreateError  # type: ignore[import-untyped]  # noqa: PLC0415 - the same
    except ImportError:
        raise SetupError(NO_WRITER()) from None
    # In constant memory each row is written when the next one begins.
    book = xlsxwriter.Workbook(file, {"constant_memory": True, "tmpdir": aside})
    book.use_zip64()
    sheets = _Sheets(book.add_worksheet)
    yield lambda row: sheets.add(row.cells())
    try:
        book.close()
    except FileCreateError as error:
        raise (
            error.args[0] if error.args and isinstance(error.args[0], OSError) else OSError(str(error))
        ) from None


class _Sheets:
    """Sheets that are filled one after another.

    Args:
        new_sheet: gives an empty one.
    """

    def __init__(self, new_sheet: "Callable[[], Worksheet]") -> None:
        self._new_sheet = new_sheet
        self._begin()

    def _begin(self) -> None:
        self._sheet, self._next = self._new_sheet(), 0
        self._sheet.freeze_panes(1, 0)
        self._write(COLUMNS)

    def add(self, cells: list[Cell]) -> None:
        if self._next == SHEET_ROWS:
            self._begin()
        self._write(cells)

    def _write(self, cells: "tuple[str, ...] | list[Cell]") -> None:
        for column, cell in enumerate(cells):
            if isinstance(cell, str):
                self._sheet.write_string(self._next, column, cell[:_CELL_CHARACTERS])
            elif cell is not None:
                self._sheet.write_number(self._next, column, cell)
        self._next += 1


FORMATS: Final[dict[str, Format]] = {".csv": csv_rows, ".xlsx": xlsx_rows, ".jsonl": jsonl_rows}
"""By the ending of the file's name."""


def format_of(path: str, *, may_replace: bool) -> Format:
    """What to write into a file, by its name, if it may be written.

    Raises:
        SetupError: it may not, or its name says no format.
    """
    found = FORMATS.get(os.path.splitext(path)[1].lower())
    if os.path.isdir(path):
        raise SetupError(IS_FOLDER(path=path.rstrip("/")))
    if found is None:
        raise SetupError(WRONG_ENDING(path=path))
    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder):
        raise SetupError(NO_FOLDER(path=folder))
    if not may_replace and os.path.lexists(path):
        raise SetupError(EXISTS(path=path))
    return found


@contextmanager
def written(path: str, form: Format, *, may_replace: bool) -> Iterator[Write]:
    """Write a file aside, and put it in place when it is whole; whatever fails before leaves nothing of it.

    Raises:
        SetupError: something stands there by now.
        OSError: it cannot be written.
    """
    with tempfile.TemporaryDirectory(prefix=".emosieve-export-", dir=os.path.dirname(path) or ".") as aside:
        part = f"{aside}/{os.path.basename(path)}"
        with open(part, "xb") as file:
            with form(file, aside) as write:
                yield write
            file.flush()
            os.fsync(file.fileno())
        if may_replace:
            os.replace(part, path)
        else:
            _put(part, path)


def _put(part: str, path: str) -> None:
    """Give a file its name, unless that is taken."""
    try:
        os.link(part, path)
    except FileExistsError:
        raise SetupError(EXISTS(path=path)) from None
    except OSError:  # a file system without hard links
        if os.path.lexists(path):
            raise SetupError(EXISTS(path=path)) from None
        os.rename(part, path)
