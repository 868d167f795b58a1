"""The file of a workbook: a zip of parts, opened with care and replaced in one stroke.

A file that must not be patched (open elsewhere, encrypted, signed, of another format, broken) is
refused with one sentence before anything is written, one that is too large before it is unpacked. On
saving, every part that was not replaced keeps its content, order and time stamp; the new file is written
beside the old one, forced to disk, and put in its place by one rename, so that a crash leaves either the
old file or the new one.
"""

from __future__ import annotations

import contextlib
import os
import posixpath
import shutil
import uuid
import zipfile
import zlib
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from lxml import etree

from xlkmv.errors import BookError
from xlkmv.phrase import Phrase

__all__ = ["LARGEST_TREE", "MAIN", "RELATIONSHIPS", "Package", "parse_items", "parse_xml", "write_xml"]

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONSHIPS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_STRICT = "http://purl.oclc.org/ooxml/spreadsheetml/main"
_WORKBOOKS = {
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.template.main+xml",
    "application/vnd.ms-excel.sheet.macroEnabled.main+xml",
    "application/vnd.ms-excel.template.macroEnabled.main+xml",
}
_BINARY = "application/vnd.ms-excel.sheet.binary.macroEnabled.main"

# A sheet of 100,000 rows and 60 columns of dates takes about 300 MB; these bounds leave room for three
# such sheets and stop an archive that is made to fill the memory.
MAX_FILE = 512 * 2**20
MAX_CONTENT = 2**30
MAX_PART = 2**29
MAX_PARTS = 10_000
LARGE_PART = 2**24
# A tree takes up to forty times the bytes of its text. No part but cells and texts comes near this.
LARGEST_TREE = 2**25
_SAFE = {"resolve_entities": False, "no_network": True, "load_dtd": False, "huge_tree": False}


def parse_xml(data: bytes) -> Any:
    """Parse a part. No entity is expanded, no file or address is read, a document type is refused."""
    if len(data) > LARGEST_TREE:
        raise BookError(
            Phrase(
                "the workbook is too large: {len:,} MB in one piece, where there may be {largest_tree} MB",
                len=len(data) >> 20,
                largest_tree=LARGEST_TREE >> 20,
            )
        )
    return _without_type(etree.fromstring(data, etree.XMLParser(**_SAFE)))


def parse_items(data: bytes, tag: str) -> Iterator[Any]:
    """Elements of one name in a part of any length, one after the other; each is gone after its turn."""
    events = etree.iterparse(BytesIO(data), events=("end",), tag=tag, **_SAFE)
    for _, item in events:
        yield item
        item.clear(keep_tail=False)
        while item.getprevious() is not None:
            del item.getparent()[0]
    _without_type(events.root)


def _without_type(root: Any) -> Any:
    if root.getroottree().docinfo.internalDTD is not None:
        raise etree.XMLSyntaxError("a document type is not allowed", 0, 0, 0)
    return root


def write_xml(root: Any, original: bytes) -> bytes:
    """Serialise a part with the declaration and the first line break of the original."""
    start = original[:200]
    standalone = b' standalone="yes"' if b"standalone=" in start.replace(b"'", b'"') else b""
    after = start.split(b"?>", 1)[1][:2] if b"?>" in start else b""
    line_break = b"\r\n" if after == b"\r\n" else b"\n" if after[:1] == b"\n" else b""
    written: bytes = etree.tostring(root, encoding="UTF-8")
    return b'<?xml version="1.0" encoding="UTF-8"' + standalone + b"?>" + line_break + written


class Package:
    """The parts of a workbook file, held in memory; nothing is written before :meth:`save`.

    Parameters
    ----------
    path : path-like
        A workbook in the Open XML format: .xlsx, .xlsm, .xltx or .xltm.

    Raises
    ------
    BookError
        The file cannot be read, or must not be patched; the message says why.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path: Path = Path(path).resolve()
        _refuse_lock(self.path)
        try:
            with self.path.open("rb") as file:
                self._stamp = _stamp(os.fstat(file.fileno()))
                data = file.read(MAX_FILE + 1)
        except FileNotFoundError:
            raise BookError(Phrase("{book} does not exist", book=self.path)) from None
        except IsADirectoryError:
            raise BookError(Phrase("{book} is a folder, not a workbook", book=self.path)) from None
        except OSError as error:
            raise BookError(
                Phrase("{book} cannot be read: {reason}", book=self.path, reason=error.strerror)
            ) from error
        self._refuse_other_formats(data)
        if data.count(b"PK\1\2") > MAX_PARTS:
            raise BookError(
                Phrase(
                    "{book} holds more than {max_parts:,} parts, too many for a workbook",
                    book=self.path.name,
                    max_parts=MAX_PARTS,
                )
            )
        try:
            self._zip = zipfile.ZipFile(BytesIO(data))
        except (zipfile.BadZipFile, EOFError, ValueError, OverflowError, NotImplementedError) as error:
            raise BookError(
                Phrase("{book} is broken or truncated: {reason}", book=self.path.name, reason=str(error))
            ) from error
        self._infos = self._zip.infolist()
        self._names = {info.filename.lower(): info.filename for info in self._infos}
        self._new: dict[str, bytes | None] = {}
        self._refuse_bad_archive()
        self.workbook: str = self._main_part()

    # -- reading ----------------------------------------------------------------------------------

    def parts(self) -> list[str]:
        """Names of the parts, in the order of the file."""
        return [name for info in self._infos if self._new.get(name := info.filename, b"") is not None]

    def read(self, part: str) -> bytes:
        """Content of a part, as it would be saved now."""
        name = self._names.get(part.lower())
        if name is None or self._new.get(name, b"") is None:
            raise BookError(
                Phrase("{book} is broken: its part {part} is missing", book=self.path.name, part=part)
            )
        staged = self._new.get(name)
        if staged is not None:
            return staged
        size = self._zip.getinfo(name).file_size
        try:
            with self._zip.open(name) as file:
                data = file.read(size + 1)  # no more than it says, whatever it unpacks to
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
            raise BookError(
                Phrase(
                    "{book} is broken: its part {name} cannot be read ({reason})",
                    book=self.path.name,
                    name=name,
                    reason=str(error),
                )
            ) from error
        if len(data) != size:
            raise BookError(
                Phrase(
                    "{book} is broken: its part {name} is not as long as it says",
                    book=self.path.name,
                    name=name,
                )
            )
        return data

    def xml(self, part: str) -> Any:
        """Parse a part; change the tree freely, then hand it to :meth:`replace_xml`."""
        return self.checked(lambda: parse_xml(self.read(part)), part)

    def checked(self, parse: Callable[[], Any], part: str) -> Any:
        """Run a parser on a part and turn bad XML into a BookError that names the part."""
        try:
            return parse()
        except (etree.XMLSyntaxError, UnicodeError) as error:
            raise BookError(
                Phrase(
                    "{book} is broken: bad XML in its part {part} ({reason})",
                    book=self.path.name,
                    part=part,
                    reason=" ".join(str(error).split()),
                )
            ) from error

    def related(self, part: str) -> dict[str, tuple[str, str]]:
        """Relationships of a part: id -> (last word of the type, part name); external ones are left out."""
        rels = _rels_of(part)
        if rels.lower() not in self._names:
            return {}
        found = {}
        for item in self.xml(rels).iterchildren("*"):  # no comments
            if item.get("TargetMode") == "External":
                continue
            target = unquote(item.get("Target", ""))
            full = posixpath.normpath(posixpath.join("/", posixpath.dirname(part), target)).lstrip("/")
            found[item.get("Id")] = (item.get("Type", "").rsplit("/", 1)[-1], full)
        return found

    # -- changing ---------------------------------------------------------------------------------

    def replace(self, part: str, data: bytes) -> None:
        """Put new content into an existing part; the same content leaves the part untouched."""
        if data != self.read(part):
            self._new[self._names[part.lower()]] = data

    def replace_xml(self, part: str, root: Any) -> None:
        """Put a changed tree into its part."""
        self.replace(part, write_xml(root, self.read(part)))

    def remove(self, owner: str, kind: str) -> None:
        """Remove the parts that `owner` is related to as `kind`, with relationship and content type."""
        gone = {
            identity: part.lower() for identity, (is_, part) in self.related(owner).items() if is_ == kind
        }
        if not gone:
            return
        rels, types = self.xml(_rels_of(owner)), self.xml("[Content_Types].xml")
        for item in list(rels.iterchildren("*")):
            if item.get("Id") in gone:
                rels.remove(item)
        for item in list(types.iterchildren("*")):
            if item.get("PartName", "").lower().removeprefix("/") in gone.values():
                types.remove(item)
        self.replace_xml(_rels_of(owner), rels)
        self.replace_xml("[Content_Types].xml", types)
        self._new |= {name: None for low, name in self._names.items() if low in gone.values()}

    # -- saving -----------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str] | None = None, *, backup: bool = False) -> Path:
        """Write the workbook, by default over the file it was read from.

        Parameters
        ----------
        path : path-like, optional
            Another file to write; its ending must be that of the workbook.
        backup : bool
            Keep what the target held until now in ``<name>.backup.<ending>`` beside it.

        Returns
        -------
        Path
            The file that was written.

        Raises
        ------
        BookError
            The target is open elsewhere, changed since it was read, or cannot be written. The
            target is then as it was.
        """
        target = self.path if path is None else Path(path).resolve()
        if target.suffix.lower() != self.path.suffix.lower():
            raise BookError(
                Phrase(
                    "{target} must end in {suffix}, as {book} does",
                    target=target.name,
                    suffix=self.path.suffix,
                    book=self.path.name,
                )
            )
        _refuse_lock(target)
        if target == self.path:
            self._refuse_changed()
        if target.exists() and not os.access(target, os.W_OK):
            raise BookError(Phrase("{target} is write-protected", target=target.name))
        fresh = _beside(target)
        kept = _beside(target)
        try:
            with fresh.open("xb") as file:
                self._pack(file)
                file.flush()
                os.fsync(file.fileno())
            if target.exists():
                shutil.copymode(target, fresh)
                if backup:
                    shutil.copy2(target, kept)
                    kept.replace(target.with_name(f"{target.stem}.backup{target.suffix}"))
            if target == self.path:
                self._refuse_changed()
            fresh.replace(target)
        except OSError as error:
            raise BookError(
                Phrase(
                    "{target} cannot be written ({reason}); it is as it was",
                    target=target,
                    reason=error.strerror,
                )
            ) from error
        finally:
            for file_left in (fresh, kept):
                with contextlib.suppress(OSError):
                    file_left.unlink(missing_ok=True)
        _sync_folder(target.parent)
        if target == self.path:
            self._stamp = _stamp(target.stat())
        return target

    def _pack(self, file: Any) -> None:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.comment = self._zip.comment
            for info in self._infos:
                if info.filename in self._new and self._new[info.filename] is None:
                    continue
                entry = zipfile.ZipInfo(info.filename, info.date_time)
                entry.compress_type = info.compress_type
                entry.external_attr = info.external_attr
                entry.create_system = info.create_system
                entry.comment = info.comment
                data = self.read(info.filename)
                # A third of the time, for a third more bytes.
                archive.writestr(entry, data, compresslevel=1 if len(data) > LARGE_PART else None)

    # -- refusing ---------------------------------------------------------------------------------

    def _refuse_other_formats(self, data: bytes) -> None:
        name = self.path.name
        if len(data) > MAX_FILE:
            raise BookError(
                Phrase(
                    "{name} is larger than {most} MB, too large for a workbook",
                    name=name,
                    most=MAX_FILE >> 20,
                )
            )
        if not data:
            raise BookError(Phrase("{name} is empty", name=name))
        if data.startswith(b"\xd0\xcf\x11\xe0"):
            if "EncryptedPackage".encode("utf-16-le") in data:
                raise BookError(Phrase("{name} is encrypted: remove its password in Excel first", name=name))
            raise BookError(
                Phrase("{name} is in the old .xls format: save it as .xlsx or .xlsm first", name=name)
            )
        if not data.startswith(b"PK"):
            raise BookError(Phrase("{name} is no Excel workbook (.xlsx or .xlsm)", name=name))

    def _refuse_bad_archive(self) -> None:
        name = self.path.name
        if len(self._names) != len(self._infos):
            raise BookError(Phrase("{name} is broken: it holds two parts of one name", name=name))
        if any(info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for info in self._infos):
            raise BookError(Phrase("{name} is packed in a way that no spreadsheet uses", name=name))
        if sum(info.file_size for info in self._infos) > MAX_CONTENT:
            raise BookError(
                Phrase(
                    "{name} unpacks to more than {most} MB, too much for a workbook",
                    name=name,
                    most=MAX_CONTENT >> 20,
                )
            )
        if large := [info for info in self._infos if info.file_size > MAX_PART]:
            raise BookError(
                Phrase(
                    "{name} unpacks to too much for a workbook: its part {filename} alone to {large:,} MB",
                    name=name,
                    filename=large[0].filename,
                    large=large[0].file_size >> 20,
                )
            )
        if any(info.flag_bits & 1 for info in self._infos):
            raise BookError(Phrase("{name} is encrypted: remove its password first", name=name))
        if "mimetype" in self._names and b"opendocument" in self.read("mimetype"):
            raise BookError(
                Phrase("{name} is an OpenDocument file: save it as .xlsx or .xlsm first", name=name)
            )
        if "[content_types].xml" not in self._names or "_rels/.rels" not in self._names:
            raise BookError(Phrase("{name} is no Excel workbook (.xlsx or .xlsm)", name=name))
        if any(part.startswith("_xmlsignatures/") for part in self._names):
            raise BookError(
                Phrase("{name} is digitally signed: any change would break the signature", name=name)
            )

    def _main_part(self) -> str:
        name = self.path.name
        part = next((part for kind, part in self.related("").values() if kind == "officeDocument"), None)
        if part is None:
            raise BookError(Phrase("{name} is no Excel workbook (.xlsx or .xlsm)", name=name))
        defaults, overrides = {}, {}
        for item in self.xml("[Content_Types].xml").iterchildren("*"):
            if item.get("PartName"):
                overrides[item.get("PartName").lower()] = item.get("ContentType")
            elif item.get("Extension"):
                defaults[item.get("Extension").lower()] = item.get("ContentType")
        kind = overrides.get(f"/{part}".lower()) or defaults.get(part.rsplit(".", 1)[-1].lower())
        if kind == _BINARY:
            raise BookError(
                Phrase("{name} is a binary workbook (.xlsb): save it as .xlsx or .xlsm first", name=name)
            )
        if kind not in _WORKBOOKS:
            raise BookError(Phrase("{name} is no Excel workbook (.xlsx or .xlsm)", name=name))
        space = etree.QName(self.xml(part)).namespace
        if space == _STRICT:
            raise BookError(
                Phrase("{name} is a Strict Open XML workbook: save it as an ordinary .xlsx first", name=name)
            )
        if space != MAIN:
            raise BookError(Phrase("{name} is broken: its part {part} is no workbook", name=name, part=part))
        return part

    def _refuse_changed(self) -> None:
        try:
            now = _stamp(self.path.stat())
        except OSError:
            now = None
        if now != self._stamp:
            raise BookError(
                Phrase("{book} was changed by another program meanwhile: start again", book=self.path.name)
            )


def _rels_of(part: str) -> str:
    folder, name = posixpath.split(part)
    return posixpath.join(folder, "_rels", f"{name}.rels")


def _stamp(status: os.stat_result) -> tuple[int, int]:
    return status.st_mtime_ns, status.st_size


def _beside(target: Path) -> Path:
    return target.with_name(f".{target.name}.{uuid.uuid4().hex[:12]}.tmp")


def _refuse_lock(path: Path) -> None:
    for lock, program in ((f"~${path.name}", "Excel"), (f".~lock.{path.name}#", "LibreOffice")):
        if path.with_name(lock).exists():
            raise BookError(
                Phrase(
                    "{path} is open in {program}: close it there first (or delete {lock} beside it, "
                    "if {program} is not running)",
                    path=path.name,
                    program=program,
                    lock=lock,
                )
            )


def _sync_folder(folder: Path) -> None:
    # Makes the rename itself durable; Windows has no such call and needs none.
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
