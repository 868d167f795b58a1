"""Write ``vbaProject.bin``, the VBA project of an Office file, from plain text.

Made after two of Microsoft's open specifications: [MS-OVBA] (what the streams hold) and [MS-CFB] (the
compound file around them). The result is the specification's interoperable subset: sources without compiled
code, so that Office compiles them when the file opens. Equal input gives equal bytes. Standard library only.

>>> code = 'Attribute VB_Name = "Hello"\\nPublic Sub Main()\\nEnd Sub\\n'
>>> book = document_module("ThisWorkbook", WORKBOOK)
>>> len(build_project([book, load_module(code)], "Demo")) % 512
0
"""

from __future__ import annotations

import re
import struct
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from xlkmv.errors import InputError

__all__ = [
    "REFERENCES",
    "WORKBOOK",
    "WORKSHEET",
    "Module",
    "Reference",
    "build_project",
    "compress",
    "document_module",
    "load_module",
]

CODE_PAGE = 1252
ENCODING = "cp1252"

# Limits of the VBA editor; it damages or refuses what goes beyond.
LONGEST_NAME = 31
LONGEST_LINE = 1023
MOST_CONTINUATIONS = 24
MOST_LINES = 65_534

# VB_Base of the objects behind document modules, and of class modules.
WORKBOOK = "0{00020819-0000-0000-C000-000000000046}"
WORKSHEET = "0{00020820-0000-0000-C000-000000000046}"
CLASS = "0{FCFB3D2A-A0FA-1068-A738-08002B3371B5}"

IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")
CLASS_HEADER = re.compile(r"VERSION 1\.0 CLASS\r\nBEGIN\r\n(?:.*\r\n)*?END\r\n", re.IGNORECASE)
ATTRIBUTE = re.compile(r"Attribute (VB_\w+) = (.*)\r\n")
FORBIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")

# [MS-VBAL] 3.3.5.2: no module can have one of these names. "dir" and "_VBA_PROJECT" are streams beside it.
RESERVED = frozenset(
    """addressof and any array as attribute boolean byref byte byval call case cbool cbyte ccur cdate cdbl
    cint circle clng close const csng cstr currency cvar cverr date dim do double each else elseif
    empty end endif enum eqv erase event exit false for friend function get global gosub goto if imp
    implements in input integer is let like lock long longlong longptr loop lset me mod new next not
    nothing null object on open option optional or paramarray preserve print private pset public put
    raiseevent redim rem resume return rset scale seek select set shared single spc static stop
    string sub tab then to true type typeof unlock until variant wend while with withevents write
    xor dir""".split()  # noqa: SIM905
)


# ---------------------------------------------------------------------------------------------- modules


@dataclass(frozen=True, slots=True)
class Module:
    """One module of a project.

    Attributes
    ----------
    name : str
        Name of the module: letters, digits, underscores; up to 31 of them.
    kind : {"standard", "class", "document"}
        A document module belongs to an object of the host, and is named after its code name.
    source : str
        The text as the file stores it: attribute lines, then the code; CRLF ends each line.
    """

    name: str
    kind: Literal["standard", "class", "document"]
    source: str

    def __post_init__(self) -> None:
        _check_name("module name", self.name)
        _check_source(self.name, self.source)


@dataclass(frozen=True, slots=True)
class Reference:
    """A type library that the project refers to: its name, and its LibidReference ([MS-OVBA] 2.1.1.8)."""

    name: str
    libid: str


REFERENCES = (
    Reference(
        "stdole",
        r"*\G{00020430-0000-0000-C000-000000000046}#2.0#0#C:\Windows\System32\stdole2.tlb#OLE Automation",
    ),
    Reference(
        "Office",
        r"*\G{2DF8D04C-5BFA-101B-BDE5-00AA0044DE52}#2.0#0#C:\Program Files\Common Files\Microsoft Shared"
        r"\OFFICE16\MSO.DLL#Microsoft Office 16.0 Object Library",
    ),
)


def load_module(text: str, *, document: str | None = None) -> Module:
    """Make a module from the text of an exported ``.bas`` or ``.cls`` file.

    Parameters
    ----------
    text : str
        The file's text, with any kind of line end. ``VERSION 1.0 CLASS`` at its start makes a class module;
        an ``Attribute VB_Name = "..."`` line names the module.
    document : str, optional
        :data:`WORKBOOK` or :data:`WORKSHEET` for the module of such an object.

    Returns
    -------
    Module

    Raises
    ------
    InputError
        If the name is missing or not allowed, or the text holds what the VBA editor cannot.
    """
    text = re.sub(r"\r\n|\r|\n", "\r\n", text.removeprefix("\ufeff"))
    if text and not text.endswith("\r\n"):
        text += "\r\n"
    header = CLASS_HEADER.match(text)
    text = text[header.end() :] if header else text
    attributes: dict[str, str] = {}
    position = 0
    while match := ATTRIBUTE.match(text, position):
        attributes[match[1]] = match[2]
        position = match.end()
    code = text[position:]
    if "VB_Name" not in attributes:
        raise InputError("text", 'must begin with an Attribute VB_Name = "..." line', text[:40])
    name = attributes["VB_Name"].strip('"')
    if header is None and document is None:
        return Module(name, "standard", text)
    # 2.3.4.3: what every class and document module says of itself; its own lines come first, or beside.
    is_document = document is not None
    said = {
        "VB_Name": f'"{name}"',
        "VB_Base": f'"{document or CLASS}"',
        "VB_GlobalNameSpace": "False",
        "VB_Creatable": "False",
        "VB_PredeclaredId": str(is_document),
        "VB_Exposed": str(is_document),
        "VB_TemplateDerived": "False",
        "VB_Customizable": str(is_document),
    }
    said |= {k: v for k, v in attributes.items() if k != "VB_Base" and not (is_document and k in said)}
    lines = "".join(f"Attribute {key} = {value}\r\n" for key, value in said.items())
    return Module(name, "document" if is_document else "class", lines + code)


def document_module(name: str, document: str, code: str = "") -> Module:
    """Make the module of a workbook or sheet from its code alone.

    Parameters
    ----------
    name : str
        The object's code name, as the workbook's XML has it.
    document : str
        :data:`WORKBOOK` or :data:`WORKSHEET`.
    code : str
        VBA code without attribute lines.
    """
    return load_module(f'Attribute VB_Name = "{name}"\n{code}', document=document)


def _check_name(argument: str, name: str) -> None:
    if not IDENTIFIER.match(name):
        raise InputError(argument, "must be a letter followed by letters, digits or underscores", name)
    if len(name) > LONGEST_NAME:
        raise InputError(argument, f"must have {LONGEST_NAME} characters at most", name)
    if name.lower() in RESERVED:
        raise InputError(argument, "must not be a reserved word", name)


def _check_source(name: str, source: str) -> None:
    lines = source.split("\r\n")
    if "\r" in source.replace("\r\n", "") or "\n" in source.replace("\r\n", ""):
        raise InputError(f"source of {name}", "must end its lines with CRLF")
    if len(lines) > MOST_LINES:
        raise InputError(f"source of {name}", f"must have {MOST_LINES} lines at most", len(lines))
    continued = 0
    for number, line in enumerate(lines, 1):
        place = f"line {number} of {name}"
        try:
            size = len(line.encode(ENCODING))
        except UnicodeEncodeError as error:
            raise InputError(place, "must be written in Windows-1252 letters", line[error.start]) from None
        if size > LONGEST_LINE:
            raise InputError(place, f"must have {LONGEST_LINE} characters at most", size)
        if found := FORBIDDEN.search(line):
            raise InputError(place, "must hold no control characters", repr(found[0]))
        continued = continued + 1 if line.endswith(" _") else 0
        if continued > MOST_CONTINUATIONS:
            raise InputError(place, f"must not be line continuation number {MOST_CONTINUATIONS + 1}", line)


# ------------------------------------------------------------------------------ [MS-OVBA] 2.4.1 compression

CHUNK = 4096


def compress(data: bytes) -> bytes:
    """Compress bytes into a CompressedContainer.

    Raises
    ------
    InputError
        If the last, unfinished chunk (3641 bytes or more of noise) has no exact form: a compressed chunk
        carries 4096 bytes at most, and a raw one is always 4096 long (2.4.1.3.10 pads it with zeros).

    Notes
    -----
    [MS-OVBA] 2.4.1.3.6 to 2.4.1.3.20.
    """
    container = bytearray(b"\x01")  # 2.4.1.1.1 SignatureByte
    for start in range(0, len(data), CHUNK):
        chunk = data[start : start + CHUNK]
        tokens = _tokens(chunk)
        # 2.4.1.1.5 CompressedChunkHeader: size of the whole chunk less 3, signature 0b011, flag.
        if len(tokens) <= CHUNK:
            container += struct.pack("<H", 0xB000 | (len(tokens) - 1)) + tokens
        elif len(chunk) == CHUNK:
            container += struct.pack("<H", 0x3000 | (CHUNK - 1)) + chunk
        else:
            raise InputError("data", "must have a last chunk that can be compressed", len(chunk))
    return bytes(container)


def _tokens(chunk: bytes) -> bytes:
    """2.4.1.3.7 to 2.4.1.3.9: eight tokens at a time behind a byte of flags."""
    out = bytearray()
    position = 0
    while position < len(chunk):
        flags_at = len(out)
        out.append(0)
        for bit in range(8):
            if position == len(chunk):
                break
            # 2.4.1.3.19.1 CopyToken Help: ceil(log2(position)) bits of offset, 4 at least; the rest: length.
            offset_bits = max(4, (position - 1).bit_length())
            longest = min((0xFFFF >> offset_bits) + 3, len(chunk) - position)
            length, start = _match(chunk, position, longest)
            if length:
                out[flags_at] |= 1 << bit
                token = (position - start - 1) << (16 - offset_bits) | (length - 3)
                out += struct.pack("<H", token)
                position += length
            else:
                out.append(chunk[position])
                position += 1
    return bytes(out)


def _match(chunk: bytes, position: int, longest: int) -> tuple[int, int]:
    """2.4.1.3.19.4 Matching: the longest earlier copy of what comes next, and where; it may overlap."""
    length = start = 0
    while length < longest:
        wanted = max(length + 1, 3)
        if wanted > longest:
            break
        # A copy that starts before `position` ends before `position + wanted - 1`.
        found = chunk.find(chunk[position : position + wanted], start, position + wanted - 1)
        if found < 0:
            break
        start, length = found, wanted
        while length < longest and chunk[start + length] == chunk[position + length]:
            length += 1
    return length, start


def _compress_source(source: str) -> bytes:
    """Compress a module's text; noise in its last chunk is followed by blank lines up to a full chunk."""
    data = source.encode(ENCODING)
    try:
        return compress(data)
    except InputError:
        return compress(data + b"\r\n" * ((-len(data) % CHUNK + 1) // 2))


# -------------------------------------------------------------------------- [MS-OVBA] 2.4.3 data encryption


def _encrypt(data: bytes, project_id: str, seed: int) -> str:
    """2.4.3.2 Encryption, as hexadecimal digits. It hides nothing; the seed is fixed for equal bytes."""
    version = 2
    key = sum(project_id.encode("ascii")) & 0xFF
    out = [seed, seed ^ version, seed ^ key]
    plain, previous, before = key, out[2], out[1]
    ignored = bytes([seed]) * ((seed & 6) // 2)
    for byte in ignored + struct.pack("<I", len(data)) + data:
        code = byte ^ (before + plain & 0xFF)
        out.append(code)
        plain, previous, before = byte, code, previous
    return bytes(out).hex().upper()


# -------------------------------------------------------------------------------- [MS-OVBA] 2.3 the streams


def _record(identifier: int, value: bytes) -> bytes:
    return struct.pack("<HI", identifier, len(value)) + value


def _text(identifier: int, unicode_identifier: int, text: str) -> bytes:
    """A text twice: in the project's code page, and in UTF-16."""
    return _record(identifier, text.encode(ENCODING)) + _record(unicode_identifier, text.encode("utf-16le"))


def _long(value: int) -> bytes:
    return struct.pack("<I", value)


def _short(value: int) -> bytes:
    return struct.pack("<H", value)


def _dir_stream(
    name: str, description: str, modules: Sequence[Module], references: Sequence[Reference]
) -> bytes:
    """2.3.4.2 dir stream, before compression."""
    out = bytearray()
    # 2.3.4.2.1 PROJECTINFORMATION
    out += _record(0x01, _long(3))  # SysKind: 64-bit Windows
    out += _record(0x02, _long(0x0409))  # Lcid
    out += _record(0x14, _long(0x0409))  # LcidInvoke
    out += _record(0x03, _short(CODE_PAGE))
    out += _record(0x04, name.encode(ENCODING))
    out += _text(0x05, 0x40, description)
    out += _text(0x06, 0x3D, "")  # help file
    out += _record(0x07, _long(0))  # help context
    out += _record(0x08, _long(0))  # LibFlags
    out += struct.pack("<HIIH", 0x09, 4, 1, 1)  # version 1.1; its size field leaves the minor part out
    out += _text(0x0C, 0x3C, "")  # constants of conditional compilation
    # 2.3.4.2.2 PROJECTREFERENCES: a name, then a REFERENCEREGISTERED with 6 reserved bytes
    for reference in references:
        libid = reference.libid.encode(ENCODING)
        out += _text(0x16, 0x3E, reference.name)
        out += _record(0x0D, _long(len(libid)) + libid + bytes(6))
    # 2.3.4.2.3 PROJECTMODULES
    out += _record(0x0F, _short(len(modules)))
    out += _record(0x13, _short(0xFFFF))  # ProjectCookie
    for module in modules:
        out += _text(0x19, 0x47, module.name)
        out += _text(0x1A, 0x32, module.name)  # name of its stream
        out += _text(0x1C, 0x48, "")
        out += _record(0x31, _long(0))  # TextOffset: the source begins at once, no compiled code before it
        out += _record(0x1E, _long(0))  # help context
        out += _record(0x2C, _short(0xFFFF))  # Cookie
        out += _record(0x21 if module.kind == "standard" else 0x22, b"")
        out += _record(0x2B, b"")
    out += _record(0x10, b"")
    return bytes(out)


def _project_stream(name: str, description: str, project_id: str, modules: Sequence[Module]) -> bytes:
    """2.3.1 PROJECT stream: text that names the modules, unprotected and visible."""
    line = {"standard": "Module={}", "class": "Class={}", "document": "Document={}/&H00000000"}
    lines = [f'ID="{project_id}"', *(line[m.kind].format(m.name) for m in modules)]
    lines += [f'Name="{name}"', 'HelpContextID="0"']
    if description:
        lines.append('Description="{}"'.format(description.replace('"', '""')))
    lines += [
        'VersionCompatible32="393222000"',
        f'CMG="{_encrypt(bytes(4), project_id, 0x0C)}"',  # no protection
        f'DPB="{_encrypt(bytes(1), project_id, 0x1A)}"',  # no password
        f'GC="{_encrypt(bytes([0xFF]), project_id, 0x28)}"',  # visible
        "",
        "[Host Extender Info]",
        "&H00000001={3832D640-CF90-11CF-8E43-00A0C911005A};VBE;&H00000000",
        "",
        "[Workspace]",
        *(f"{m.name}=0, 0, 0, 0, C" for m in modules),
        "",
    ]
    return "\r\n".join(lines).encode(ENCODING)


def _projectwm_stream(modules: Sequence[Module]) -> bytes:
    """2.3.3 PROJECTwm stream: each module's name in the code page and in UTF-16."""
    names = (m.name.encode(ENCODING) + b"\0" + m.name.encode("utf-16le") + b"\0\0" for m in modules)
    return b"".join(names) + b"\0\0"


# 2.3.4.1 _VBA_PROJECT stream: version 0xFFFF, which no Office has, and no cache: compile from source.
VBA_PROJECT = struct.pack("<HHBH", 0x61CC, 0xFFFF, 0, 0)


def build_project(
    modules: Sequence[Module],
    name: str = "VBAProject",
    *,
    description: str = "",
    references: Sequence[Reference] = REFERENCES,
    project_id: str | None = None,
) -> bytes:
    """Build ``vbaProject.bin``.

    Parameters
    ----------
    modules : sequence of Module
        In the order in which the editor shows them. Excel wants a document module for the workbook and one
        for each sheet, named as their ``codeName`` in the XML.
    name : str
        Name of the project; no module may have it too.
    description : str
        One line for the editor's project window.
    references : sequence of Reference
        Type libraries; Excel adds VBA and itself.
    project_id : str, optional
        ``{GUID}`` of the project; by default made from its name.

    Returns
    -------
    bytes
        The compound file; equal for equal arguments.

    Raises
    ------
    InputError
        If there is no module, a name is used twice or is not allowed, or the description or the GUID is not
        what the file can hold.
    """
    _check_name("name", name)
    if not modules:
        raise InputError("modules", "must hold at least one module")
    taken = {name.lower()}
    for module in modules:
        if module.name.lower() in taken:
            raise InputError("modules", "must not use the project's or another module's name", module.name)
        taken.add(module.name.lower())
    project_id = project_id or f"{{{uuid.uuid5(uuid.NAMESPACE_DNS, name)}}}".upper()
    if not re.fullmatch(r"\{[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}\}", project_id):
        raise InputError("project_id", "must be a GUID in braces, in capitals", project_id)
    if len(description) > 255 or not re.fullmatch(r"[\x20-\x7e]*", description):
        raise InputError("description", "must be one line of up to 255 ASCII characters", description)
    vba = [_Entry(m.name, _STREAM, _compress_source(m.source)) for m in modules]
    vba.append(_Entry("dir", _STREAM, compress(_dir_stream(name, description, modules, references))))
    vba.append(_Entry("_VBA_PROJECT", _STREAM, VBA_PROJECT))
    return _compound_file(
        [
            _Entry("VBA", _STORAGE, children=vba),
            _Entry("PROJECT", _STREAM, _project_stream(name, description, project_id, modules)),
            _Entry("PROJECTwm", _STREAM, _projectwm_stream(modules)),
        ]
    )


# ------------------------------------------------------------------------- [MS-CFB] the compound file, v3

SECTOR = 512
MINI_SECTOR = 64
MINI_CUTOFF = 4096
ENTRIES = SECTOR // 4  # sector numbers in one sector of the FAT
HEADER_DIFAT = 109

_FREE, _END, _FAT_SECTOR = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
_NO_ENTRY = 0xFFFFFFFF
_UNALLOCATED, _STORAGE, _STREAM, _ROOT = 0, 1, 2, 5
_BLACK = 1


@dataclass(slots=True)
class _Entry:
    """2.6.1 a directory entry, and what is below it."""

    name: str
    kind: int
    data: bytes = b""
    children: list[_Entry] = field(default_factory=list)
    number: int = 0
    left: int = _NO_ENTRY
    right: int = _NO_ENTRY
    child: int = _NO_ENTRY
    start: int = 0
    size: int = 0

    def pack(self) -> bytes:
        name = self.name.encode("utf-16le")
        return struct.pack(
            "<64sHBBIII16sIQQIQ",
            name,
            len(name) + 2 if name else 0,
            self.kind,
            _BLACK if name else 0,
            self.left,
            self.right,
            self.child,
            bytes(16),  # CLSID
            0,  # state
            0,  # created
            0,  # modified
            self.start,
            self.size,
        )


def _order(entry: _Entry) -> tuple[int, str]:
    """2.6.4: shorter names first, then by capital letters (names here are ASCII)."""
    return len(entry.name), entry.name.upper()


def _tree(entries: Sequence[_Entry]) -> int:
    """Link sorted siblings into a balanced tree, all black, which 2.6.4 allows; return its root."""
    if not entries:
        return _NO_ENTRY
    middle = len(entries) // 2
    entries[middle].left = _tree(entries[:middle])
    entries[middle].right = _tree(entries[middle + 1 :])
    return entries[middle].number


def _number(entry: _Entry, entries: list[_Entry]) -> None:
    """Give an entry and those below it their places in the directory."""
    entry.number = len(entries)
    entries.append(entry)
    entry.children.sort(key=_order)
    for child in entry.children:
        _number(child, entries)
    entry.child = _tree(entry.children)


class _Sectors:
    """2.3 FAT: data cut into sectors, and the table that chains them."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.data = bytearray()
        self.table: list[int] = []

    def put(self, data: bytes) -> int:
        """Append data; return the number of its first sector."""
        if not data:
            return _END
        first = len(self.table)
        count = -(-len(data) // self.size)
        self.data += data.ljust(count * self.size, b"\0")
        self.table += [*range(first + 1, first + count), _END]
        return first


def _table(numbers: Sequence[int]) -> bytes:
    """Sector numbers, filled up to whole sectors."""
    filled = [*numbers, *[_FREE] * (-len(numbers) % ENTRIES)]
    return struct.pack(f"<{len(filled)}I", *filled)


def _compound_file(children: list[_Entry]) -> bytes:
    """[MS-CFB] version 3: 512-byte sectors; streams under 4096 bytes share the mini stream."""
    root = _Entry("Root Entry", _ROOT, children=children)
    entries: list[_Entry] = []
    _number(root, entries)
    big, mini = _Sectors(SECTOR), _Sectors(MINI_SECTOR)
    for entry in entries:
        if entry.kind == _STREAM:
            entry.size = len(entry.data)
            entry.start = (mini if entry.size < MINI_CUTOFF else big).put(entry.data)
    root.size = len(mini.data)
    root.start = big.put(bytes(mini.data))
    mini_table = _table(mini.table)  # 2.4
    mini_start = big.put(mini_table)
    unused = _Entry("", _UNALLOCATED).pack()
    directory = b"".join(entry.pack() for entry in entries)  # 2.6
    directory_start = big.put(directory + unused * (-len(entries) % (SECTOR // len(unused))))
    fat_start = len(big.table)
    fat_count = 1
    while fat_count * ENTRIES < fat_start + fat_count:  # the FAT describes its own sectors too
        fat_count += 1
    if fat_count > HEADER_DIFAT:  # 2.5: a longer list needs sectors of its own; no VBA project is near it
        raise InputError("modules", "must fit into 6.8 MB", len(big.data))
    fat = _table([*big.table, *[_FAT_SECTOR] * fat_count])
    header = struct.pack(  # 2.2
        f"<8s16s5H6s9I{HEADER_DIFAT}I",
        bytes.fromhex("D0CF11E0A1B11AE1"),
        bytes(16),
        0x3E,  # minor version
        3,  # major version
        0xFFFE,  # little-endian
        9,  # sectors of 2**9 bytes
        6,  # mini sectors of 2**6 bytes
        bytes(6),
        0,  # directory sectors: not counted in version 3
        fat_count,
        directory_start,
        0,  # transactions
        MINI_CUTOFF,
        mini_start,
        len(mini_table) // SECTOR,
        _END,  # no DIFAT sectors
        0,
        *range(fat_start, fat_start + fat_count),
        *[_FREE] * (HEADER_DIFAT - fat_count),
    )
    return header + bytes(big.data) + fat
